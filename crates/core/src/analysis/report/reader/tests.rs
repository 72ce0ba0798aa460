use proptest::prelude::*;

use super::*;
use crate::{
    analysis::{
        measurement::{MeasurementSource, RequestCounts},
        report::{StatusCounts, synthetic::synthetic_report},
    },
    value::Metric,
};

fn read(text: &str) -> ReportSummary {
    read_report(text.as_bytes(), ReportSettings::default())
}

fn row(test: &str, domain: &str, status: &str) -> String {
    format!(
        "{{\"test_id\":\"{test}\",\"domain\":\"{domain}\",\"status\":\"{status}\",\"latency_ms\":100,\"throughput\":5}}\n"
    )
}

/// The reasons of rejected rows with their counts.
fn reasons_of(summary: &ReportSummary) -> Vec<(RejectionReason, u64)> {
    summary.rejected.iter().map(|(reason, rejections)| (*reason, rejections.count)).collect()
}

/// Reason, line and detail of the only rejected row.
fn only_rejection(summary: &ReportSummary) -> (RejectionReason, u64, String) {
    assert_eq!(summary.rows_rejected(), 1, "{:?}", summary.rejected);
    let (reason, rejections) = summary.rejected.first_key_value().unwrap();
    (*reason, rejections.examples[0].line, rejections.examples[0].detail.clone())
}

#[test]
fn a_report_adds_up_per_domain() {
    let summary = read(concat!(
        "{\"epoch_id\":\"e1\",\"run_id\":\"r1\",\"test_id\":\"a\",\"domain\":\"chat\",\"status\":\"pass\",\"latency_ms\":100,\"throughput\":10,",
        "\"oom_events\":1,\"cpu_pct\":50,\"memory_mb\":100,\"start_time\":\"2026-01-01T03:00:10Z\",\"end_time\":\"2026-01-01T03:00:20Z\"}\n",
        "{\"epoch_id\":\"e1\",\"run_id\":\"r1\",\"test_id\":\"b\",\"domain\":\"chat\",\"status\":\"flake\",\"latency_ms\":300,\"throughput\":30,",
        "\"oom_events\":2,\"cpu_pct\":40,\"memory_mb\":200,\"start_time\":\"2026-01-01T03:00:05Z\",\"end_time\":\"2026-01-01T03:00:15Z\"}\n",
        "{\"test_id\":\"c\",\"domain\":\"chat\",\"status\":\"fail\",\"latency_ms\":9000,\"throughput\":1,\"oom_events\":4}\n",
        "{\"test_id\":\"d\",\"domain\":\"chat\",\"status\":\"skip\",\"latency_ms\":1}\n",
        "{\"test_id\":\"a\",\"domain\":\"rag\",\"status\":\"pass\"}\n",
    ));
    assert_eq!((summary.rows_accepted, summary.rows_rejected(), summary.domains.len()), (5, 0, 2));
    let chat = &summary.domains["chat"];
    assert_eq!(chat.tests, StatusCounts { passed: 1, failed: 1, flaky: 1, skipped: 1 });
    assert_eq!((chat.oom_events, chat.cpu_percent_max, chat.memory_megabytes_max), (7, Some(50.0), Some(200.0)));
    assert_eq!(chat.started_at, Some("2026-01-01T03:00:05Z".parse().unwrap()));
    assert_eq!(chat.ended_at, Some("2026-01-01T03:00:20Z".parse().unwrap()));
    let latency = chat.latency.summary().unwrap();
    assert_eq!((latency.count, latency.mean, latency.maximum), (2, 200.0, 300.0));
    let throughput = chat.throughput.summary().unwrap();
    assert_eq!((throughput.count, throughput.mean), (2, 20.0));
    assert_eq!(chat.run_ids.seen.iter().collect::<Vec<_>>(), ["r1"]);
    assert_eq!(chat.epoch_ids.seen.iter().collect::<Vec<_>>(), ["e1"]);
    assert!(!chat.run_ids.more);
    let rag = &summary.domains["rag"];
    assert_eq!((rag.latency.summary(), rag.cpu_percent_max, rag.started_at, rag.ended_at), (None, None, None, None));
}

#[test]
fn a_report_becomes_measurements() {
    let text =
        [row("a", "chat", "pass"), row("b", "chat", "flake"), row("c", "chat", "fail"), row("d", "chat", "skip")]
            .concat()
            + "{\"test_id\":\"e\",\"domain\":\"chat\",\"status\":\"fail\",\"oom_events\":2}\n"
            + "{\"test_id\":\"e\",\"domain\":\"rag\",\"status\":\"skip\"}\nbroken\n";
    let measurements = read(&text).measurements();
    assert_eq!(measurements.len(), 2);
    let chat = &measurements[0];
    assert_eq!((chat.name.as_str(), chat.weight, chat.source), ("chat", 1.0, MeasurementSource::Report));
    assert_eq!(chat.requests, RequestCounts { offered: 4, completed: 2, failed: 2, flaky: 1, skipped: 1 });
    assert_eq!(chat.metrics.keys().copied().collect::<Vec<_>>(), [Metric::Latency, Metric::Throughput]);
    assert_eq!((chat.metrics[&Metric::Latency].mean, chat.metrics[&Metric::Throughput].mean), (100.0, 5.0));
    assert_eq!((chat.engine.reported_oom_events, chat.engine.became_ready, chat.engine.failures.len()), (2, None, 0));
    assert_eq!((chat.engine_view, chat.client, chat.within_slo), (None, None, None));
    assert_eq!(chat.notes, ["1 row rejected: BrokenJson, first on line 7: column 1: expected value"]);
    assert_eq!(measurements[1].notes, chat.notes);
    assert!(measurements[1].metrics.is_empty());
    assert_ne!(measurements[1].workload_hash, chat.workload_hash);
    assert_eq!(read(&text).measurements()[0].workload_hash, chat.workload_hash);
}

#[test]
fn an_empty_report_has_no_domain() {
    for text in ["", "\n", "\u{feff}", "  \r\n\t\n", "\u{feff}\r\n"] {
        let summary = read(text);
        assert_eq!(summary, ReportSummary::default(), "{text:?}");
        assert_eq!(summary.measurements(), []);
    }
}

#[test]
fn marks_blank_lines_and_line_ends_of_every_kind_are_fine() {
    let text = format!(
        "\u{feff}{}\r\n\n   \n\r\n  {}",
        row("a", "chat", "pass").trim_end(),
        row("b", "chat", "pass").trim_end()
    );
    let summary = read(&text);
    assert_eq!((summary.rows_accepted, summary.rows_rejected()), (2, 0));
    let second = format!("{}\u{feff}{}", row("a", "chat", "pass"), row("b", "chat", "pass"));
    assert_eq!(only_rejection(&read(&second)).0, RejectionReason::BrokenJson);
}

#[test]
fn rejected_rows_carry_their_reason_line_and_detail() {
    use RejectionReason::{
        BrokenJson, DuplicateTest, ImpossibleValue, MissingField, NotAnObject, TruncatedRow, UnknownStatus, WrongType,
    };
    for (bad, reason, detail) in [
        ("broken\n", BrokenJson, "column 1: expected value"),
        ("{\"test_id\":\n", BrokenJson, "column 11: EOF while parsing a value"),
        ("{\"test_id\":", TruncatedRow, "column 11: EOF while parsing a value"),
        ("{\"a\":1}}\n", BrokenJson, "column 8: trailing characters"),
        ("[1]\n", NotAnObject, "expected a JSON object with the fields of a test"),
        ("null", NotAnObject, "expected a JSON object with the fields of a test"),
        ("{}\n", MissingField, "no field \"test_id\""),
        (
            "{\"test_id\":\"x\",\"domain\":7,\"status\":\"ok\"}\n",
            UnknownStatus,
            "status \"ok\" is none of pass, fail, flake, skip",
        ),
        (
            "{\"test_id\":\"x\",\"domain\":\"d\",\"status\":\"pass\",\"latency_ms\":\"1\"}\n",
            WrongType,
            "field \"latency_ms\" is a text, expected a number",
        ),
        (
            "{\"test_id\":\"x\",\"domain\":\"d\",\"status\":\"pass\",\"latency_ms\":NaN}\n",
            ImpossibleValue,
            "field \"latency_ms\" is NaN, expected 0 to 86400000",
        ),
        (
            "{\"test_id\":\"x\",\"domain\":\"d\",\"status\":\"pass\",\"latency_ms\":NaN,}\n",
            BrokenJson,
            "column 58: expected value",
        ),
        (
            "{\"test_id\":\"a\",\"domain\":\"chat\",\"status\":\"fail\"}\n",
            DuplicateTest,
            "test \"a\" of domain \"chat\" was reported before",
        ),
    ] {
        let summary = read(&format!("{}{bad}", row("a", "chat", "pass")));
        assert_eq!(only_rejection(&summary), (reason, 2, detail.to_owned()));
        assert_eq!(summary.rows_accepted, 1);
    }
}

#[test]
fn a_free_parameter_may_be_no_number() {
    let text = "{\"test_id\":\"x\",\"domain\":\"d\",\"status\":\"pass\",\"params\":{\"t\":NaN}}\n";
    assert_eq!(read(text).rows_accepted, 1);
}

#[test]
fn the_first_row_of_a_repeated_test_counts() {
    let text = [row("a", "chat", "fail"), row("a", "chat", "pass"), row("a", "rag", "pass")].concat();
    let summary = read(&text);
    assert_eq!(reasons_of(&summary), [(RejectionReason::DuplicateTest, 1)]);
    assert_eq!(summary.domains["chat"].tests, StatusCounts { failed: 1, ..StatusCounts::default() });
}

#[test]
fn tests_beyond_the_register_count_and_are_said_to_be_unchecked() {
    let mut reader = ReportReader::with_room_for_tests(ReportSettings::default(), 2);
    for test in ["a", "b", "c", "c", "a"] {
        reader.push(row(test, "chat", "pass").as_bytes());
    }
    let summary = reader.finish();
    assert_eq!((summary.rows_accepted, summary.tests_unchecked_for_duplicates), (4, 2));
    assert_eq!(reasons_of(&summary), [(RejectionReason::DuplicateTest, 1)]);
    assert_eq!(summary.notes()[1], "2 rows not checked for duplicates");
    assert_eq!(read(&row("a", "chat", "pass")).notes(), Vec::<String>::new());
}

#[test]
fn rows_of_another_run_or_epoch_are_foreign() {
    let settings = ReportSettings { run_id: Some("r1".to_owned()), epoch_id: Some("e1".to_owned()) };
    let row = |ids: &str| format!("{{\"test_id\":\"x\",\"domain\":\"chat\",\"status\":\"pass\"{ids}}}\n");
    let read = |ids: &str| read_report(row(ids).as_bytes(), settings.clone());
    assert_eq!(read(",\"run_id\":\"r1\",\"epoch_id\":\"e1\"").rows_accepted, 1);
    for (ids, reason, detail) in [
        (
            ",\"run_id\":\"r2\",\"epoch_id\":\"e1\"",
            RejectionReason::ForeignRun,
            "field \"run_id\" is \"r2\", expected \"r1\"",
        ),
        (
            ",\"run_id\":\"r1\",\"epoch_id\":\"e2\"",
            RejectionReason::ForeignRun,
            "field \"epoch_id\" is \"e2\", expected \"e1\"",
        ),
        (",\"epoch_id\":\"e1\"", RejectionReason::MissingField, "no field \"run_id\""),
        (",\"run_id\":\"r1\"", RejectionReason::MissingField, "no field \"epoch_id\""),
    ] {
        assert_eq!(only_rejection(&read(ids)), (reason, 1, detail.to_owned()));
    }
    assert_eq!(read_report(row(",\"run_id\":\"r2\"").as_bytes(), ReportSettings::default()).rows_accepted, 1);
}

#[test]
fn different_runs_in_one_domain_are_noted() {
    let row = |test: u32, run: u32| {
        format!("{{\"test_id\":\"{test}\",\"domain\":\"chat\",\"status\":\"pass\",\"run_id\":\"r{run}\"}}\n")
    };
    let report = |runs: u32| (0..runs).map(|run| row(run, run)).collect::<String>();
    assert_eq!(read(&report(1)).measurements()[0].notes, Vec::<String>::new());
    assert_eq!(read(&report(2)).measurements()[0].notes, ["rows with different run_id: r0, r1"]);
    assert_eq!(read(&report(4)).measurements()[0].notes, ["rows with different run_id: r0, r1, r2, r3"]);
    let many = report(5) + &row(9, 0);
    assert_eq!(read(&many).measurements()[0].notes, ["rows with different run_id: r0, r1, r2, r3 and others"]);
    assert!(!read(&(report(4) + &row(9, 0))).domains["chat"].run_ids.more);
}

#[test]
fn the_sixty_fourth_domain_counts_and_the_next_does_not() {
    let report =
        |domains: usize| (0..domains).map(|domain| row("a", &format!("d{domain}"), "pass")).collect::<String>();
    assert_eq!((read(&report(64)).domains.len(), read(&report(64)).rows_rejected()), (64, 0));
    let summary = read(&(report(65) + &row("b", "d0", "pass")));
    assert_eq!((summary.domains.len(), summary.rows_accepted), (64, 65));
    assert_eq!(
        only_rejection(&summary),
        (RejectionReason::TooManyDomains, 65, "domain \"d64\" is one more than 64".to_owned())
    );
}

#[test]
fn a_row_that_is_too_long_is_rejected_and_the_next_one_read() {
    let padded = |length: usize| {
        let head = "{\"test_id\":\"x\",\"domain\":\"chat\",\"status\":\"pass\",\"params\":\"";
        format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
    };
    let text = format!("{}\n{}", padded(ROW_BYTES_MAX), row("b", "chat", "pass"));
    assert_eq!(read(&text).rows_accepted, 2);
    let summary = read(&format!("{}\n{}", padded(ROW_BYTES_MAX + 1), row("b", "chat", "pass")));
    assert_eq!(only_rejection(&summary), (RejectionReason::RowTooLong, 1, "more than 65536 bytes".to_owned()));
    assert_eq!(summary.rows_accepted, 1);
}

#[test]
fn misspelt_fields_are_noted_with_line_and_nearest_name() {
    let text = "{\"test_id\":\"a\",\"domain\":\"chat\",\"status\":\"pass\",\"latencyms\":1,\"host\":\"x\"}\n\
                {\"test_id\":\"b\",\"domian\":\"chat\",\"status\":\"pass\"}\n";
    let summary = read(text);
    assert_eq!(
        summary.notes(),
        [
            "1 row rejected: MissingField, first on line 2: no field \"domain\"",
            "unknown field \"domian\" in 1 row, first on line 2: did you mean \"domain\"?",
            "unknown field \"latencyms\" in 1 row, first on line 1: did you mean \"latency_ms\"?",
        ]
    );
}

#[test]
fn every_reason_has_a_sentence() {
    assert_eq!(RejectionReason::ALL.len(), 11);
    assert!(RejectionReason::ALL.iter().all(|entry| entry.meaning.ends_with('.')));
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_changes_nothing(seed: u64, cuts in prop::collection::vec(0_usize..4_000, 0..8)) {
        let text = [synthetic_report(seed, 10), b"broken\n".to_vec(), synthetic_report(seed, 3)].concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut reader = ReportReader::new(ReportSettings::default());
        let mut begin = 0;
        for cut in cuts {
            reader.push(&text[begin..cut]);
            begin = cut;
        }
        reader.push(&text[begin..]);
        let whole = read_report(&text, ReportSettings::default());
        prop_assert_eq!((whole.rows_accepted, whole.rows_rejected()), (10, 4));
        prop_assert_eq!(reader.finish(), whole);
    }

    #[test]
    fn no_bytes_make_it_panic_and_every_row_is_counted(lines in prop::collection::vec(prop_oneof!["[^\n]{0,30}", Just("{\"test_id\":\"a\",\"domain\":\"d\",\"status\":\"pass\"}".to_owned())], 0..12)) {
        let text = lines.join("\n");
        // A mark before the first row belongs to the encoding and is no row, also where nothing follows it.
        let rows = text.strip_prefix('\u{feff}').unwrap_or(&text).split('\n');
        let filled = rows.filter(|row| !row.trim_ascii().is_empty()).count() as u64;
        let summary = read(&text);
        prop_assert_eq!(summary.rows_accepted + summary.rows_rejected(), filled);
    }
}
