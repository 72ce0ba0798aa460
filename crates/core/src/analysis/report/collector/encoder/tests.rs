use proptest::prelude::*;

use super::*;
use crate::analysis::report::{
    ReportSettings,
    collector::{CollectedMetric, CollectorSummaryError},
    read_report,
    synthetic::{SyntheticRows, synthetic_report},
};

const ROOM: usize = 1_000_000;

fn synthetic(rows: u64) -> CollectorSummary {
    CollectorSummary::of_report(&read_report(&synthetic_report(3, rows), ReportSettings::default()))
}

/// A report of this many domains with names as long as they may be, each with that many tests.
fn wide(domains: usize, tests: usize) -> CollectorSummary {
    let mut rows = Vec::new();
    for domain in 0..domains {
        for test in 0..tests {
            let latency = 50 + (test * 37 + domain) % 900;
            let status = if domain % 10 == 7 && test == 0 { "fail" } else { "pass" };
            let oom = u8::from(domain == 33 && test == 0);
            rows.push(format!(
                "{{\"test_id\":\"{test}\",\"domain\":\"{domain:063}\",\"status\":\"{status}\",\"latency_ms\":{latency},\"throughput\":{latency},\"oom_events\":{oom},\
                 \"cpu_pct\":71.25,\"memory_mb\":2000,\"start_time\":1767225600,\"end_time\":1767225601}}\n"
            ));
        }
    }
    CollectorSummary::of_report(&read_report(rows.concat().as_bytes(), ReportSettings::default()))
}

fn read(text: &str) -> CollectorSummary {
    CollectorSummary::read(text).unwrap()
}

fn sketches(summary: &CollectorSummary) -> usize {
    summary
        .domains
        .values()
        .filter(|domain| domain.latency.as_ref().is_some_and(|metric| metric.sketch.is_some()))
        .count()
}

fn figures(summary: &CollectorSummary) -> usize {
    summary.domains.values().filter(|domain| domain.latency.is_some()).count()
}

#[test]
fn with_room_for_all_everything_comes_back_in_six_digits() {
    let collected = synthetic(2_000);
    let returned = read(&collected.write(ROOM));
    assert_eq!((returned.rows_accepted, returned.rows_rejected(), returned.domains_left_out), (2_000, 0, 0));
    assert_eq!(returned.domains.keys().collect::<Vec<_>>(), collected.domains.keys().collect::<Vec<_>>());
    for (name, sent) in &collected.domains {
        let got = &returned.domains[name];
        assert_eq!(
            (got.tests, got.oom_events, got.started_at, got.ended_at),
            (sent.tests, sent.oom_events, sent.started_at, sent.ended_at)
        );
        assert!(!got.figures_left_out && !got.mixed_origin);
        for (got, sent) in [(&got.latency, &sent.latency), (&got.throughput, &sent.throughput)] {
            let (got, sent) = (got.as_ref().unwrap(), sent.as_ref().unwrap());
            assert_eq!(got.sketch, sent.sketch);
            assert_eq!(got.summary.count, sent.summary.count);
            for (got, sent) in [
                (got.summary.mean, sent.summary.mean),
                (got.summary.standard_deviation, sent.summary.standard_deviation),
                (got.summary.median, sent.summary.median),
                (got.summary.median_absolute_deviation, sent.summary.median_absolute_deviation),
                (got.summary.minimum, sent.summary.minimum),
                (got.summary.maximum, sent.summary.maximum),
                (got.summary.p90, sent.summary.p90),
                (got.summary.p95, sent.summary.p95),
                (got.summary.p99, sent.summary.p99),
            ] {
                assert!((got - sent).abs() <= 5e-6 * sent.abs(), "{got} {sent}");
            }
        }
    }
    assert_eq!(read(&returned.write(ROOM)), returned, "a second writing changes nothing");
}

#[test]
fn four_domains_of_1_000_tests_fit_the_default_with_their_sketches() {
    let text = synthetic(4_000).write(SUMMARY_BYTES_DEFAULT);
    assert!(text.len() <= SUMMARY_BYTES_DEFAULT);
    let returned = read(&text);
    assert_eq!((sketches(&returned), returned.domains_left_out), (4, 0));
    let sketch = returned.domains["chat"].latency.as_ref().unwrap().sketch.as_ref().unwrap();
    assert!(sketch.relative_accuracy() < 0.05, "{}", sketch.relative_accuracy());
}

#[test]
fn a_smaller_limit_never_tells_more() {
    let collected = wide(12, 30);
    let encoder = Encoder::new(&collected);
    let mut last = (usize::MAX, usize::MAX, u64::MAX);
    for limit in (149..=8_949).rev().step_by(100) {
        let text = encoder.write(limit);
        assert!(text.len() <= limit, "{} {limit}", text.len());
        let returned = read(&text);
        let told = (sketches(&returned), figures(&returned), 12 - returned.domains_left_out);
        assert!(told.0 <= last.0 && told.1 <= last.1 && told.2 <= last.2, "{limit}: {told:?} after {last:?}");
        assert!(told.0 == 0 || told.1 == 12, "figures go after all sketches");
        assert!(told.1 == 0 || told.2 == 12, "domains go after all figures");
        assert_eq!(returned.domains.len() as u64 + returned.domains_left_out, 12);
        last = told;
    }
    assert_eq!(last, (0, 0, 0));
}

#[test]
fn sketches_are_coarsened_five_times_before_one_is_left_out() {
    let collected = wide(3, 40);
    let encoder = Encoder::new(&collected);
    let level_of = |text: &str| {
        let returned = read(text);
        let level = |metric: &Option<CollectedMetric>| metric.as_ref()?.sketch.as_ref().map(ToString::to_string);
        let texts: Vec<String> = returned.domains.values().filter_map(|domain| level(&domain.latency)).collect();
        (texts.len(), texts.first().map(|text| text[..2].to_owned()))
    };
    let mut seen: Vec<(usize, Option<String>)> =
        (300..4_000).step_by(15).map(|limit| level_of(&encoder.write(limit))).collect();
    seen.dedup();
    seen.reverse();
    let expected: Vec<(usize, Option<String>)> = (0..=5)
        .map(|level| (3, Some(format!("{level}:"))))
        .chain([(2, Some("5:".to_owned())), (1, Some("5:".to_owned())), (0, None)])
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn domains_with_oom_events_and_failures_are_kept_longest() {
    let collected = wide(64, 1);
    let encoder = Encoder::new(&collected);
    let returned = read(&encoder.write(SUMMARY_BYTES_DEFAULT));
    assert!(returned.domains_left_out > 20, "{}", returned.domains_left_out);
    let failed: u64 = returned.domains.values().map(|domain| domain.tests.failed).sum();
    assert_eq!((failed, returned.domains[&format!("{:063}", 33)].oom_events), (6, 1));
    let smallest = |domains: usize| {
        let mut returned = returned.clone();
        let mut limit = SUMMARY_BYTES_DEFAULT;
        while returned.domains.len() > domains {
            limit -= 100;
            returned = read(&encoder.write(limit));
        }
        returned
    };
    assert_eq!(smallest(1).domains.keys().collect::<Vec<_>>(), [&format!("{:063}", 33)]);
    assert!(smallest(2).domains.contains_key(&format!("{:063}", 7)), "of equals the first by name");
}

#[test]
fn what_was_left_out_is_said_in_the_notes() {
    let collected = wide(12, 3);
    assert_eq!(collected.measurements()[0].notes, Vec::<String>::new());
    let mut limit = 9_000;
    let encoder = Encoder::new(&collected);
    while read(&encoder.write(limit)).domains_left_out == 0 {
        limit -= 50;
    }
    let returned = read(&encoder.write(limit));
    let note = "the collector's message had no room for 1 more domains: give the container more bytes";
    let figures = "the collector's message had no room for latency and throughput of this domain";
    let measurements = returned.measurements();
    assert_eq!((measurements.len(), &measurements[0].notes[..]), (11, &[note.to_owned(), figures.to_owned()][..]));
    assert!(measurements[0].metrics.is_empty());
    assert_eq!(read(&returned.write(limit)).domains_left_out, 1, "what was left out once stays said");
    assert!(read(&returned.write(ROOM)).domains.values().all(|domain| domain.figures_left_out));
}

#[test]
fn a_domain_that_measured_nothing_left_nothing_out() {
    let report = read_report(b"{\"test_id\":\"a\",\"domain\":\"d\",\"status\":\"skip\"}", ReportSettings::default());
    let collected = CollectorSummary::of_report(&report);
    for limit in [ROOM, 60] {
        let returned = read(&collected.write(limit));
        assert_eq!(returned, collected);
        assert!(!returned.domains["d"].figures_left_out);
    }
    let one = "{\"test_id\":\"a\",\"domain\":\"d\",\"status\":\"pass\",\"throughput\":3}";
    let collected = CollectorSummary::of_report(&read_report(one.as_bytes(), ReportSettings::default()));
    assert!(!read(&collected.write(ROOM)).domains["d"].figures_left_out);
    assert!(read(&collected.write(70)).domains["d"].figures_left_out);
    assert_eq!(read(&collected.write(ROOM)).measurements()[0].metrics, collected.measurements()[0].metrics);
}

#[test]
fn rejected_rows_and_slips_travel_with_the_summary() {
    let text = "broken\nbroken\n{}\n{\"test_id\":\"a\",\"domain\":\"d\",\"status\":\"pass\",\"latencyms\":3,\"run_id\":\"r1\"}\n\
                {\"test_id\":\"b\",\"domain\":\"d\",\"status\":\"pass\",\"run_id\":\"r2\"}\n";
    let collected = CollectorSummary::of_report(&read_report(text.as_bytes(), ReportSettings::default()));
    let returned = read(&collected.write(ROOM));
    assert_eq!(returned, collected);
    assert_eq!(returned.rows_rejected(), 3);
    assert_eq!(
        returned.measurements()[0].notes,
        [
            "2 rows rejected: BrokenJson, first on line 1",
            "1 row rejected: MissingField, first on line 3",
            "unknown field \"latencyms\": did you mean \"latency_ms\"?",
            "rows with different run_id or epoch_id",
        ]
    );
    let returned = read(&collected.write(60));
    assert_eq!((returned.rows_accepted, returned.rows_rejected(), returned.domains_left_out), (2, 3, 1));
    assert_eq!(
        returned.notes(),
        [
            "3 rows rejected; the collector's message had no room for reasons",
            "the collector's message had no room for 1 more domains: give the container more bytes",
        ]
    );
    assert_eq!(read(&returned.write(60)).rows_rejected(), 3);
}

#[test]
fn rows_of_different_epochs_are_of_mixed_origin() {
    let row = |test: u32, epoch: u32| {
        format!("{{\"test_id\":\"{test}\",\"domain\":\"d\",\"status\":\"pass\",\"epoch_id\":{epoch}}}\n")
    };
    let collected =
        |text: String| CollectorSummary::of_report(&read_report(text.as_bytes(), ReportSettings::default()));
    assert!(collected(row(1, 1) + &row(2, 2)).domains["d"].mixed_origin);
    assert!(!collected(row(1, 1) + &row(2, 1)).domains["d"].mixed_origin);
}

#[test]
fn rows_not_checked_for_duplicates_are_told() {
    let collected = CollectorSummary { tests_unchecked_for_duplicates: 5, ..CollectorSummary::default() };
    assert_eq!(read(&collected.write(60)).notes(), ["5 rows not checked for duplicates"]);
}

#[test]
fn only_the_first_slips_are_told_and_shortened() {
    let fields: Vec<String> = ["aatest_id", "bbtest_id", "cctest_id", "ddtest_id", "eetest_id"]
        .iter()
        .map(|name| format!(",\"{name}\":1"))
        .collect();
    let text = format!("{{\"test_id\":\"a\",\"domain\":\"d\",\"status\":\"pass\"{}}}", fields.concat());
    let collected = CollectorSummary::of_report(&read_report(text.as_bytes(), ReportSettings::default()));
    assert_eq!(collected.misspelt_fields.len(), 4);
}

#[test]
fn a_limit_that_holds_nothing_gives_nothing_and_nothing_reads_as_no_summary() {
    let collected = synthetic(100);
    assert_eq!(collected.write(0), "");
    assert_eq!(collected.write(10), "");
    assert_eq!(CollectorSummary::default().write(13), "{\"v\":1,\"n\":0}");
    assert_eq!(CollectorSummary::default().write(12), "");
    assert_eq!(CollectorSummary::read(""), Err(CollectorSummaryError::Empty));
    assert_eq!(CollectorSummary::read(" \n"), Err(CollectorSummaryError::Empty));
    assert_eq!(read("{\"v\":1,\"n\":0}"), CollectorSummary::default());
}

#[test]
fn the_predicted_size_is_the_real_one() {
    for domains in [0, 1, 2, 5] {
        let collected = wide(domains, 5);
        let encoder = Encoder::new(&collected);
        for plan in plans(domains) {
            assert_eq!(encoder.predicted_size(&plan), encoder.encode(&plan, true).len(), "{plan:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_text_is_never_longer_than_its_limit(domains in 0_usize..=64, tests in 1_usize..5, limit in 0_usize..6_000, spread in 1.0..1e9_f64) {
        let mut text = "broken\n".to_owned();
        for domain in 0..domains {
            for (test, row) in SyntheticRows::new(domain as u64, tests as u64).enumerate() {
                let name = format!("\\\"{domain:062}");
                let latency = (test as f64 + 0.123_456_789) * spread / 1e3;
                text += &row.replace("\"domain\":\"gpu-serving\"", &format!("\"domain\":\"{name}\"")).replace("\"latency_ms\":", &format!("\"own\":{latency},\"latency_ms\":"));
            }
        }
        let collected = CollectorSummary::of_report(&read_report(text.as_bytes(), ReportSettings::default()));
        let written = collected.write(limit);
        prop_assert!(written.len() <= limit);
        if !written.is_empty() {
            let returned = read(&written);
            prop_assert_eq!(returned.domains.len() as u64 + returned.domains_left_out, collected.domains.len() as u64);
            prop_assert_eq!((returned.rows_accepted, returned.rows_rejected()), (collected.rows_accepted, collected.rows_rejected()));
            prop_assert_eq!(&read(&returned.write(limit)), &returned);
        }
        prop_assert!(limit < 80 || !written.is_empty());
    }
}
