use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Night 1 of the recordings as `vllm bench serve` 0.32.0 wrote it, without its inter-token gaps.
const DETAILED: &[u8] = include_bytes!("../../../../tests-data/bench/night01-without-gaps.json");
/// The same without any list, as `--save-result` alone writes it.
const SHORT: &[u8] = include_bytes!("../../../../tests-data/bench/night01-short.json");

/// A small detailed result: five requests, of which the fourth failed.
fn small() -> Value {
    json!({
        "date": "20261123-014717", "endpoint_type": "openai", "backend": "vllm", "label": null, "model_id": "tiny",
        "num_prompts": 5, "request_rate": 20.0, "burstiness": 1.0, "max_concurrency": null, "duration": 2.0,
        "completed": 4, "failed": 1, "total_input_tokens": 256, "total_output_tokens": 13,
        "output_lens": [5, 5, 2, 0, 1],
        "ttfts": [0.010, 0.020, 0.030, 0.0, 0.040],
        "itls": [[0.01, 0.01, 0.01, 0.01], [0.02, 0.02, 0.02, 0.02], [0.05], [], []],
        "start_times": [1.0, 1.1, 1.2, 1.3, 1.4],
        "queue_times": [0.001, 0.002, 0.003, 0.004, 0.0],
        "errors": ["", "", "", "Service Unavailable", ""]
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut result = small();
    result[field] = value;
    result
}

fn without(fields: &[&str]) -> Value {
    let mut result = small();
    for field in fields {
        result.as_object_mut().unwrap().remove(*field);
    }
    result
}

fn read(result: &Value) -> Result<BenchResult, BenchError> {
    read_bench_result(result.to_string().as_bytes())
}

fn message(result: &Value) -> String {
    read(result).unwrap_err().to_string()
}

fn assert_close(figure: f64, expected: f64, tolerance: f64) {
    assert!((figure - expected).abs() <= tolerance, "{figure} is not {expected}");
}

#[test]
fn a_recorded_night_gives_the_figures_that_its_own_aggregates_state() {
    let result = read_bench_result(DETAILED).unwrap();
    let stated: Value = serde_json::from_slice(DETAILED).unwrap();
    for (metric, name) in
        [(Metric::TimeToFirstToken, "ttft"), (Metric::TimePerOutputToken, "tpot"), (Metric::EndToEndLatency, "e2el")]
    {
        let summary = result.metrics[&metric];
        assert_eq!(summary.count, 300);
        // The lists are rounded to 0.01 ms, the aggregates are not.
        for (figure, prefix) in [
            (summary.mean, "mean"),
            (summary.median, "median"),
            (summary.p90, "p90"),
            (summary.p95, "p95"),
            (summary.p99, "p99"),
        ] {
            assert_close(figure, stated[format!("{prefix}_{name}_ms")].as_f64().unwrap(), 0.02);
        }
        // numpy's std divides by n, ours by n - 1.
        assert_close(summary.standard_deviation, stated[format!("std_{name}_ms")].as_f64().unwrap(), 0.1);
    }
    assert_eq!(result.metrics[&Metric::Throughput], SampleSummary::of_single_figure(29.57469));
    assert_eq!(result.metrics[&Metric::OutputTokenThroughput], SampleSummary::of_single_figure(946.3901));
    assert_eq!(result.requests, RequestCounts { offered: 300, completed: 300, ..RequestCounts::default() });
    assert_eq!((result.model.as_deref(), result.date.as_deref()), (Some("tiny"), Some("20261123-014717")));
    assert_eq!(result.notes, Vec::<String>::new());
    let pace = result.client.unwrap();
    assert_close(pace.arrival_interval_ms_mean.unwrap(), 33.333, 0.001);
    assert_close(pace.schedule_delay_ms_mean, 0.1, 0.005);
    assert_close(pace.schedule_delay_ms_p99, 0.8217, 1e-6);
}

#[test]
fn a_short_result_gives_the_same_means_and_says_what_is_missing() {
    let detailed = read_bench_result(DETAILED).unwrap();
    let short = read_bench_result(SHORT).unwrap();
    for metric in [Metric::TimeToFirstToken, Metric::TimePerOutputToken, Metric::EndToEndLatency] {
        let (exact, stated) = (detailed.metrics[&metric], short.metrics[&metric]);
        assert_eq!(stated.count, 300);
        assert_close(stated.mean, exact.mean, 0.02);
        assert_close(stated.p99, exact.p99, 0.02);
        assert_close(stated.median_absolute_deviation, 0.674_49 * stated.standard_deviation, 1e-4);
    }
    assert_eq!(short.load.workload_hash(), detailed.load.workload_hash());
    assert_eq!(short.client, None);
    assert_eq!(short.requests_within(&LatencyLimits::default()), None);
    assert_eq!(short.notes.len(), 3);
    assert!(short.notes[0].starts_with("ttft: no samples in the file"), "{}", short.notes[0]);
    assert_eq!(detailed.requests_within(&LatencyLimits::default()), Some(300));
}

#[test]
fn percentiles_that_a_short_result_lacks_are_bounded_by_those_it_has() {
    let lists = ["output_lens", "ttfts", "itls", "start_times", "queue_times", "errors"];
    let mut result = without(&lists);
    for (field, value) in
        [("mean_ttft_ms", 16.0), ("median_ttft_ms", 12.0), ("std_ttft_ms", 10.0), ("p99_ttft_ms", 60.0)]
    {
        result[field] = json!(value);
    }
    let summary = read(&result).unwrap().metrics[&Metric::TimeToFirstToken];
    assert_eq!((summary.count, summary.p90, summary.p95, summary.p99), (4, 60.0, 60.0, 60.0));
    assert_eq!((summary.minimum, summary.maximum), (12.0, 60.0));
    assert!(read(&result).unwrap().notes[0].ends_with("p90 and p95 from the percentiles it has"));
    result["p95_ttft_ms"] = json!(40.0);
    let summary = read(&result).unwrap().metrics[&Metric::TimeToFirstToken];
    assert_eq!((summary.p90, summary.p95, summary.p99), (40.0, 40.0, 60.0));
    result.as_object_mut().unwrap().remove("p99_ttft_ms");
    let summary = read(&result).unwrap().metrics[&Metric::TimeToFirstToken];
    assert_eq!((summary.p90, summary.p95, summary.p99, summary.maximum), (40.0, 40.0, 40.0, 40.0));
    result["p90_ttft_ms"] = json!(30.0);
    let read_again = read(&result).unwrap();
    assert_eq!(read_again.metrics[&Metric::TimeToFirstToken].p90, 30.0);
    assert!(read_again.notes[0].ends_with(", p99 from the percentiles it has"), "{}", read_again.notes[0]);
    result["completed"] = json!(0);
    result["failed"] = json!(5);
    assert!(!read(&result).unwrap().metrics.contains_key(&Metric::TimeToFirstToken));
}

#[test]
fn a_metric_that_is_nowhere_in_the_file_is_absent_and_noted() {
    let result = read(&without(&["ttfts", "itls", "output_lens", "errors"])).unwrap();
    assert_eq!(result.metrics.keys().copied().collect::<Vec<_>>(), [Metric::Throughput, Metric::OutputTokenThroughput]);
    assert_eq!(result.notes.len(), 3);
    assert_eq!(result.notes[2], "no E2E latency in the file: save it with --save-detailed");
}

#[test]
fn failed_requests_enter_no_latency_and_are_counted() {
    let result = read(&small()).unwrap();
    assert_eq!(result.requests, RequestCounts { offered: 5, completed: 4, failed: 1, ..RequestCounts::default() });
    assert_eq!((result.load.input_tokens_mean, result.load.output_tokens_mean), (Some(64.0), Some(3.25)));
    let first = result.metrics[&Metric::TimeToFirstToken];
    assert_eq!((first.count, first.minimum), (4, 10.0));
    let end = result.metrics[&Metric::EndToEndLatency];
    assert_eq!(end.count, 4);
    assert_close(end.maximum, 100.0, 1e-9);
    let per_token = result.metrics[&Metric::TimePerOutputToken];
    assert_eq!(per_token.count, 3);
    assert_close(per_token.minimum, 10.0, 1e-9);
    assert_close(per_token.maximum, 50.0, 1e-9);
    assert_eq!(result.metrics[&Metric::Throughput].mean, 2.0);
    assert_eq!(result.metrics[&Metric::OutputTokenThroughput].mean, 6.5);
    assert_eq!(result.notes, Vec::<String>::new());
    let pace = result.client.unwrap();
    assert_close(pace.schedule_delay_ms_mean, 2.0, 1e-9);
    assert_close(pace.schedule_delay_ms_p99, 3.96, 1e-9);
    assert_eq!(pace.arrival_interval_ms_mean, Some(50.0));
}

#[test]
fn a_request_without_first_token_failed_even_if_its_error_is_empty() {
    let result = read(&with("errors", json!(["", "", "", "", ""]))).unwrap();
    assert_eq!((result.completed.unwrap().len(), result.notes.len()), (4, 0));
    let result = read(&with("errors", json!(["", "", "", "broken", "broken"]))).unwrap();
    assert_eq!(result.completed.unwrap().len(), 3);
    assert_eq!(result.notes, ["the file counts 4 completed and 1 failed requests, its lists show 3 and 2"]);
    let nulls = read(&with("errors", json!([null, null, null, "broken", null]))).unwrap();
    assert_eq!(nulls.completed.unwrap().len(), 4);
}

#[test]
fn latencies_go_before_gaps() {
    let result = read(&with("latencies", json!([0.1, 0.2, 0.3, 0.0, 0.4]))).unwrap();
    assert_eq!(result.metrics[&Metric::EndToEndLatency].maximum, 400.0);
    assert_close(result.metrics[&Metric::TimePerOutputToken].minimum, 22.5, 1e-9);
    let result = read(&without(&["itls"])).unwrap();
    assert!(!result.metrics.contains_key(&Metric::EndToEndLatency));
    assert!(!result.metrics.contains_key(&Metric::TimePerOutputToken));
}

#[test]
fn without_a_count_of_failures_the_lists_tell_and_without_lists_what_did_not_complete_failed() {
    assert_eq!(read(&without(&["failed"])).unwrap().requests.failed, 1);
    let mut short = without(&["failed", "ttfts"]);
    short["completed"] = json!(2);
    let result = read(&short).unwrap();
    assert_eq!(result.requests.failed, 3);
    assert!(result.notes[0].contains("no field \"failed\""));
}

#[test]
fn requests_within_limits_are_counted_among_the_completed() {
    let result = read(&small()).unwrap();
    let first = |limit| LatencyLimits { time_to_first_token_ms: Some(limit), ..LatencyLimits::default() };
    assert_eq!(result.requests_within(&first(20.0)), Some(2));
    assert_eq!(result.requests_within(&first(19.9)), Some(1));
    assert_eq!(result.requests_within(&LatencyLimits::default()), Some(4));
    let per_token = LatencyLimits { time_per_output_token_ms: Some(20.5), ..LatencyLimits::default() };
    assert_eq!(result.requests_within(&per_token), Some(3));
    assert_eq!(read(&without(&["itls"])).unwrap().requests_within(&per_token), None);
}

#[test]
fn a_result_becomes_a_domain_of_that_name_and_weight() {
    let result = read(&small()).unwrap();
    let measurement = result.measurement("chat", 2.0);
    assert_eq!((measurement.name.as_str(), measurement.weight), ("chat", 2.0));
    assert_eq!(measurement.source, MeasurementSource::Serving);
    assert_eq!(measurement.workload_hash, result.load.workload_hash());
    assert_eq!((measurement.requests, measurement.client), (result.requests, result.client));
    assert_eq!(measurement.metrics, result.metrics);
    assert_eq!(measurement.engine, EngineOutcome { became_ready: Some(true), ..EngineOutcome::default() });
    assert_eq!((measurement.engine_view, measurement.within_slo), (None, None));
}

#[test]
fn a_run_in_which_nothing_completed_has_rates_of_zero_and_no_latency() {
    let mut result = small();
    result["completed"] = json!(0);
    result["failed"] = json!(5);
    result["total_input_tokens"] = json!(0);
    result["total_output_tokens"] = json!(0);
    result["ttfts"] = json!([0.0, 0.0, 0.0, 0.0, 0.0]);
    let read_result = read(&result).unwrap();
    assert_eq!(read_result.metrics.len(), 2);
    assert_eq!(read_result.metrics[&Metric::Throughput].mean, 0.0);
    assert_eq!((read_result.load.input_tokens_mean, read_result.load.output_tokens_mean), (None, None));
    assert_eq!(read_result.measurement("chat", 1.0).engine.became_ready, None);
    assert_eq!(read_result.notes, ["no request completed: no latency, and the token lengths of the load are unknown"]);
    assert!(read_result.load.is_same_load(&read(&small()).unwrap().load));
}

#[test]
fn an_infinite_rate_is_no_rate_and_a_closed_loop_has_no_interval() {
    for rate in [json!("inf"), json!("Infinity"), Value::Null] {
        let result = read(&with("request_rate", rate)).unwrap();
        assert_eq!(result.load.request_rate_per_second, None);
        assert_eq!(result.client.unwrap().arrival_interval_ms_mean, None);
    }
    let bare = small().to_string().replace("\"request_rate\":20.0", "\"request_rate\":Infinity");
    assert_eq!(read_bench_result(bare.as_bytes()).unwrap().load.request_rate_per_second, None);
    assert_eq!(message(&with("request_rate", json!(0))), "field \"request_rate\" is 0, expected above 0, or \"inf\"");
    assert_eq!(
        message(&with("request_rate", json!("nan"))),
        "field \"request_rate\" is nan, expected a number from 0 to 1e15"
    );
    assert_eq!(message(&with("request_rate", json!("fast"))), "field \"request_rate\" is a text, expected a number");
}

#[test]
fn a_rising_rate_is_part_of_the_load() {
    let mut result = with("ramp_up_strategy", json!("linear"));
    assert_eq!(
        message(&result),
        "no field \"ramp_up_start_rps\": expected the result of `vllm bench serve --save-result`"
    );
    result["ramp_up_start_rps"] = json!(1);
    result["ramp_up_end_rps"] = json!(10);
    assert_eq!(read(&result).unwrap().load.ramp_up.as_deref(), Some("linear 1 to 10"));
}

#[test]
fn the_endpoint_type_goes_before_the_backend() {
    assert_eq!(read(&small()).unwrap().load.endpoint, "openai");
    assert_eq!(read(&without(&["endpoint_type"])).unwrap().load.endpoint, "vllm");
}

#[test]
fn what_is_no_result_is_refused_with_what_was_found() {
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b" \n", "an empty file"),
        (b"[{}]", "a list"),
        (b"null", "a single value"),
        (b"17", "a single value"),
        (b"\"result\"", "a text"),
        (b"PK\x03\x04", "no JSON"),
    ] {
        assert_eq!(read_bench_result(bytes), Err(BenchError::NotAnObject { found }));
    }
    let other = read_bench_result(b"{\"night\": 1}").unwrap_err().to_string();
    assert_eq!(other, "no field \"num_prompts\": expected the result of `vllm bench serve --save-result`");
    assert_eq!(
        message(&without(&["completed"])),
        "no field \"completed\": expected the result of `vllm bench serve --save-result`"
    );
    assert_eq!(message(&with("completed", Value::Null)), "field \"completed\" is null, expected a whole number");
}

#[test]
fn broken_cut_off_and_repeated_json_is_told_with_its_place() {
    let whole = small().to_string();
    let cut = read_bench_result(&whole.as_bytes()[..whole.len() / 2]).unwrap_err();
    assert!(matches!(cut, BenchError::BrokenJson { line: 1, .. }), "{cut}");
    assert!(cut.to_string().contains("EOF while parsing"), "{cut}");
    let twice = format!("{whole}\n{whole}\n");
    assert_eq!(read_bench_result(twice.as_bytes()), Err(BenchError::SeveralValues { line: 2 }));
    let repeated = whole.replacen('{', "{\"completed\": 4,", 1);
    assert!(
        read_bench_result(repeated.as_bytes()).unwrap_err().to_string().contains("field \"completed\" stands twice")
    );
    let repeated = whole.replacen('{', "{\"itls\": [],", 1);
    assert!(read_bench_result(repeated.as_bytes()).unwrap_err().to_string().contains("field \"itls\" stands twice"));
    let marked = [b"\xef\xbb\xbf", whole.as_bytes()].concat();
    assert!(read_bench_result(&marked).is_ok());
    let texts = whole.replacen('{', "{\"generated_texts\": [\"a\"],", 1);
    assert!(read_bench_result(texts.as_bytes()).is_ok());
}

#[test]
fn a_number_that_is_none_is_refused_by_its_field() {
    for bare in ["NaN", "Infinity", "-Infinity"] {
        let text = small().to_string().replace("\"duration\":2.0", &format!("\"duration\":{bare}"));
        let error = read_bench_result(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, format!("field \"duration\" is {bare}, expected a number from 0 to 1e15"));
        let unused = small().to_string().replacen('{', &format!("{{\"rtfx\":{bare},"), 1);
        assert!(read_bench_result(unused.as_bytes()).is_ok(), "a field that nobody reads hurts nobody");
    }
}

#[test]
fn impossible_values_and_wrong_types_are_refused_by_their_field() {
    for (field, value, expected) in [
        ("duration", json!(0), "field \"duration\" is 0, expected above 0 seconds"),
        ("duration", json!(-1), "field \"duration\" is -1, expected a number from 0 to 1e15"),
        ("duration", json!(1.1e15), "field \"duration\" is 1100000000000000, expected a number from 0 to 1e15"),
        ("duration", json!("2s"), "field \"duration\" is a text, expected a number"),
        ("duration", json!({}), "field \"duration\" is an object, expected a number"),
        ("completed", json!(3.5), "field \"completed\" is 3.5, expected a whole number from 0"),
        ("completed", json!(-3), "field \"completed\" is -3, expected a number from 0 to 1e15"),
        ("completed", json!(true), "field \"completed\" is true or false, expected a number"),
        ("completed", json!(6), "field \"completed\" is 6, expected at most \"num_prompts\""),
        ("failed", json!(2), "field \"failed\" is 2, expected at most \"num_prompts\" - \"completed\""),
        ("model_id", json!(7), "field \"model_id\" is a number, expected a text"),
        ("ttfts", json!(0.1), "field \"ttfts\" is a number, expected a list"),
        ("ttfts", json!([0.1, "x", 0.1, 0.1, 0.1]), "field \"ttfts[1]\" is a text, expected a number"),
        ("ttfts", json!([0.1, -0.1, 0.1, 0.1, 0.1]), "field \"ttfts[1]\" is -0.1, expected a number from 0 to 1e15"),
        ("errors", json!([1, "", "", "", ""]), "field \"errors[0]\" is a number, expected a text"),
        (
            "output_lens",
            json!([1, 2, 3, 4]),
            "field \"output_lens\" has 4 entries, expected 5, as \"ttfts\" has: its lists describe the same requests",
        ),
        (
            "errors",
            json!([]),
            "field \"errors\" has 0 entries, expected 5, as \"ttfts\" has: its lists describe the same requests",
        ),
        (
            "itls",
            json!([[], []]),
            "field \"itls\" has 2 entries, expected 5, as \"ttfts\" has: its lists describe the same requests",
        ),
        (
            "latencies",
            json!([1.0]),
            "field \"latencies\" has 1 entries, expected 5, as \"ttfts\" has: its lists describe the same requests",
        ),
        (
            "num_prompts",
            json!(4),
            "field \"ttfts\" has 5 entries, expected at most 4, the \"num_prompts\": its lists describe the same requests",
        ),
    ] {
        let mut result = with(field, value);
        if field == "num_prompts" {
            result["failed"] = json!(0);
        }
        assert_eq!(message(&result), expected);
    }
    for itls in [json!([["x"]]), json!(["x"]), json!("x"), json!([[-0.1]]), json!([[2e15]])] {
        assert!(message(&with("itls", itls)).contains("in field \"itls\": "));
    }
    let wrong = message(&with("itls", json!("x")));
    assert!(wrong.contains("expected a list of lists of seconds"), "{wrong}");
    let wrong = message(&with("itls", json!(["x"])));
    assert!(wrong.contains("expected a list of seconds"), "{wrong}");
    assert!(read(&with("itls", json!([[0.0], [], [], [], []]))).is_ok());
    assert_eq!(read(&with("completed", json!(4.0))).unwrap().requests.completed, 4);
    assert!(read(&with("duration", json!(1e15))).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_bench_result(&bytes);
    }

    #[test]
    fn no_change_of_one_byte_makes_it_panic(place in 0_usize..600, byte in any::<u8>()) {
        let mut text = small().to_string().into_bytes();
        let length = text.len();
        text[place % length] = byte;
        if let Ok(result) = read_bench_result(&text) {
            prop_assert!(result.requests.completed + result.requests.failed <= result.requests.offered);
        }
    }

    #[test]
    fn latencies_times_a_factor_give_figures_times_that_factor(factor in 1.0_f64..50.0) {
        let scaled: Vec<f64> = [0.010, 0.020, 0.030, 0.0, 0.040].iter().map(|seconds| seconds * factor).collect();
        let result = with("ttfts", json!(scaled));
        let first = read(&result).unwrap().metrics[&Metric::TimeToFirstToken];
        prop_assert!((first.median - 25.0 * factor).abs() < 1e-6);
    }
}
