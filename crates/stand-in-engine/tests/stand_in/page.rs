//! `/metrics` has the recorded families, types, help texts, series and order, but for a list of what is left out.

use std::collections::BTreeSet;

use serde_json::json;

use crate::rig::{asking, get, post, recorded, started, stopped, streaming, value};

/// What the stand-in does not serve, each with its reason.
const LEFT_OUT: &str = include_str!("../../tests-data/left-out.txt");

/// Labels of `vllm:cache_config_info` that follow from the size of the cache.
const SIZES: [&str; 3] = ["kv_cache_max_concurrency", "kv_cache_size_tokens", "num_gpu_blocks"];

fn left_out() -> Vec<(&'static str, &'static str)> {
    LEFT_OUT.lines().map(|line| line.split_once(": ").expect("a start of names, and the reason")).collect()
}

/// A page without values: heads and series in their order.
fn form(page: &str) -> Vec<String> {
    let is_left_out = |line: &str| {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        left_out().iter().any(|(start, _)| name.starts_with(start))
    };
    let series = |line: &str| {
        if line.starts_with('#') { line.to_owned() } else { without_sizes(line.rsplit_once(' ').expect("a value").0) }
    };
    page.lines().filter(|line| !is_left_out(line)).map(series).collect()
}

fn without_sizes(series: &str) -> String {
    SIZES.iter().fold(series.to_owned(), |series, label| match series.split_once(&format!("{label}=\"")) {
        Some((before, after)) => {
            let (_, after) = after.split_once('"').unwrap();
            format!("{before}{label}=\"\"{after}")
        }
        None => series,
    })
}

fn assert_same_form(served: &str, heard: &str) {
    let (served, heard) = (form(served), form(heard));
    let set = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
    let (ours, theirs) = (set(&served), set(&heard));
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&String>::new(), "served and not recorded");
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "recorded and not served");
    assert_eq!(served, heard, "the same lines in another order");
}

#[tokio::test]
async fn a_cold_engine_shows_the_recorded_page() {
    let (engine, address) = started(&[], &[]).await;
    let (status, page) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert_same_form(&page, &recorded("metrics-cold.txt"));
    stopped(engine).await;
}

#[tokio::test]
async fn a_warm_engine_shows_the_recorded_page_and_its_figures_add_up() {
    let (engine, address) = started(&[], &[]).await;
    let prompt = json!({"model": "tiny", "prompt": "a b c"});
    assert!(post(address, "/tokenize", &prompt).await.1.contains("\"count\":3"));
    for request in 0..5 {
        let body = if request % 2 == 0 { streaming(64, 8) } else { asking(64, 8) };
        assert_eq!(post(address, "/v1/completions", &body).await.0, 200);
    }
    let page = get(address, "/metrics").await.1;
    assert_same_form(&page, &recorded("metrics-warm.txt"));
    let of = |name: &str| value(&page, &format!("vllm:{name}{{engine=\"0\",model_name=\"tiny\"}}"));
    for (name, expected) in [
        ("prompt_tokens_total", 320.0),
        ("generation_tokens_total", 40.0),
        ("iteration_tokens_total_sum", 320.0 + 35.0),
        ("request_prompt_tokens_sum", 320.0),
        ("request_params_max_tokens_sum", 40.0),
        ("time_to_first_token_seconds_count", 5.0),
        ("inter_token_latency_seconds_count", 35.0),
        ("e2e_request_latency_seconds_count", 5.0),
        ("num_requests_running", 0.0),
        ("kv_cache_usage_perc", 0.0),
    ] {
        assert!((of(name) - expected).abs() < 1e-6, "{name}: {} instead of {expected}", of(name));
    }
    let length =
        value(&page, "vllm:request_success_total{engine=\"0\",finished_reason=\"length\",model_name=\"tiny\"}");
    assert!((length - 5.0).abs() < 1e-6);
    let parts = of("request_queue_time_seconds_sum") + of("request_inference_time_seconds_sum");
    let whole = of("e2e_request_latency_seconds_sum");
    assert!(parts <= whole && parts > 0.5 * whole, "{parts} of {whole}");
    let inference = of("request_prefill_time_seconds_sum") + of("request_decode_time_seconds_sum");
    assert!((inference - of("request_inference_time_seconds_sum")).abs() < 1e-6);
    let posts = "http_requests_total{handler=\"/v1/completions\",method=\"POST\",status=\"2xx\"}";
    assert!((value(&page, posts) - 5.0).abs() < 1e-6);
    stopped(engine).await;
}

#[test]
fn nothing_is_left_out_without_need_or_reason() {
    let cold = recorded("metrics-cold.txt");
    for (start, reason) in left_out() {
        assert!(cold.lines().any(|line| line.starts_with(start)), "{start} is not in the recording");
        assert!(reason.len() > 20, "{start}: {reason}");
    }
}
