use proptest::prelude::*;

use super::*;
use crate::analysis::report::{ReportSettings, read_report, synthetic::synthetic_report};

#[test]
fn what_is_no_summary_of_this_version_is_refused() {
    for text in [
        "x",
        "[]",
        "{}",
        "{\"v\":1}",
        "{\"v\":1,\"n\":0,\"z\":1}",
        "{\"v\":1,\"n\":-1}",
        "{\"v\":1,\"n\":0,\"r\":{\"Other\":[1,1]}}",
    ] {
        let error = CollectorSummary::read(text).unwrap_err();
        assert!(matches!(error, CollectorSummaryError::NotASummary { .. }), "{text}: {error}");
    }
    for version in [0, 2] {
        let text = format!("{{\"v\":{version},\"future\":true}}");
        assert_eq!(CollectorSummary::read(&text), Err(CollectorSummaryError::OtherVersion { found: version }));
    }
    let whole = CollectorSummary::of_report(&read_report(&synthetic_report(3, 100), ReportSettings::default()))
        .write(1_000_000);
    assert!(CollectorSummary::read(&whole[..whole.len() - 10]).is_err());
}

#[test]
fn impossible_values_are_refused_by_their_domain() {
    let domain = |rest: &str| format!("{{\"v\":1,\"n\":1,\"d\":[{{\"n\":\"chat\",\"t\":[1,0,0,0]{rest}}}]}}");
    let metric = |figures: &str, rest: &str| domain(&format!(",\"l\":{{\"n\":2,\"f\":[{figures}]{rest}}}"));
    assert!(CollectorSummary::read(&domain("")).is_ok());
    assert!(CollectorSummary::read(&metric("2,1,1,1,2,3,3,3,3", "")).is_ok());
    assert!(CollectorSummary::read(&metric("1,1,1,1,1,3,3,3,3", ",\"q\":\"0:0:0:2\"")).is_ok());
    assert!(CollectorSummary::read(&metric("3,1,1,1,1,3,3,3,3", "")).is_ok());
    for (text, what) in [
        (metric("0.9,1,1,1,2,3,3,3,3", ""), "latency"),
        (metric("3.1,1,1,1,2,3,3,3,3", ""), "latency"),
        (metric("2,1,1,3,2,3,3,3,3", ""), "latency"),
        (metric("2,-1,1,1,2,3,3,3,3", ""), "latency"),
        (metric("2,1,2e15,1,2,3,3,3,3", ""), "latency"),
        (metric("2,1,1,1,2,3,3,3,3", ",\"q\":\"0:0:0:3\""), "latency"),
        (metric("2,1,1,1,2,3,3,3,3", ",\"q\":\"no\""), "latency"),
        (metric("2,1,1,1,2,3,3,3,3", "").replace("\"n\":2", "\"n\":0"), "latency"),
        (metric("2,1,1,3,2,3,3,3,3", "").replace("\"l\"", "\"p\""), "throughput"),
        (domain(",\"c\":-1"), "use of CPU or memory"),
        (domain(",\"m\":1e16"), "use of CPU or memory"),
        (domain(",\"s\":99999999999999999"), "time"),
        (domain(",\"e\":-99999999999999999"), "time"),
    ] {
        assert_eq!(
            CollectorSummary::read(&text),
            Err(CollectorSummaryError::Impossible { domain: "chat".to_owned(), what }),
            "{text}"
        );
    }
    for name in [String::new(), "x".repeat(64)] {
        let text = domain("").replace("chat", &name);
        assert_eq!(
            CollectorSummary::read(&text),
            Err(CollectorSummaryError::Impossible { domain: name, what: "name" })
        );
    }
    let twice = "{\"v\":1,\"n\":1,\"d\":[{\"n\":\"chat\",\"t\":[1,0,0,0]},{\"n\":\"chat\",\"t\":[1,0,0,0]}]}";
    assert_eq!(
        CollectorSummary::read(twice),
        Err(CollectorSummaryError::Impossible { domain: "chat".to_owned(), what: "number of domains" })
    );
    let many = |count: usize| {
        let domains: Vec<String> =
            (0..count).map(|domain| format!("{{\"n\":\"d{domain}\",\"t\":[1,0,0,0]}}")).collect();
        CollectorSummary::read(&format!("{{\"v\":1,\"n\":1,\"d\":[{}]}}", domains.join(",")))
    };
    assert!(many(64).is_ok() && many(65).is_err());
}

#[test]
fn figures_have_six_digits() {
    for (figure, expected) in [(0.0, 0.0), (123_456.789, 123_457.0), (0.001_234_567_8, 0.001_234_57), (1e15, 1e15)] {
        assert_eq!(rounded(figure), expected);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\{\\}\\[\\]\"a-z0-9:,.-]{0,80}") {
        let _ = CollectorSummary::read(&text);
        let _ = CollectorSummary::read(&format!("{{\"v\":1,\"n\":1,\"d\":[{text}]}}"));
    }
}
