use serde_json::json;

use super::*;
use crate::probe::{GuardRequest, guard_record_name};

fn request() -> ProbeRequest {
    ProbeRequest {
        version: PROBE_REQUEST_VERSION,
        mode: ProbeMode::Canary,
        engine_url: "http://127.0.0.1:8000".to_owned(),
        model: Some("llama".to_owned()),
        workload: serde_json::from_value(json!({
            "arrival": {"rate": 10}, "inputTokens": {"fixed": 64}, "outputTokens": {"fixed": 32},
        }))
        .unwrap(),
        slo: Some(serde_json::from_value(json!({"e2e": "2s"})).unwrap()),
        seed: 7,
        warmup: Duration(SignedDuration::from_secs(1)),
        measure: Duration(SignedDuration::from_secs(8)),
        ready_timeout: Duration(SignedDuration::from_secs(120)),
        ends_by: "2026-03-04T03:29:55Z".parse().unwrap(),
        not_after: "2026-03-04T03:30:00Z".parse().unwrap(),
        message_bytes: 4_096,
        guard_records: Some("/phaseloop/records".to_owned()),
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn each_request_reads_back_as_it_was_written() {
    let probe = request();
    assert_eq!(ProbeRequest::read(&probe.words()), Ok(probe));
    for copy_to in [None, Some("/phaseloop/program".to_owned())] {
        let not_after = request().not_after;
        let preflight = PreflightRequest { not_after, grace: Duration(SignedDuration::from_secs(5)), copy_to };
        assert_eq!(PreflightRequest::read(&preflight.words()), Ok(preflight));
    }
    let collect = CollectRequest { report: "/phase/report.jsonl".to_owned(), message_bytes: 3_072 };
    assert_eq!(CollectRequest::read(&collect.words()), Ok(collect));
    let guard = GuardRequest {
        not_after: request().not_after,
        grace: Duration(SignedDuration::from_secs(5)),
        records: "/phaseloop/records".to_owned(),
        message_bytes: 3_072,
        command: words("sh -c -- --not-after"),
    };
    assert_eq!(GuardRequest::read(&guard.words()), Ok(guard));
}

#[test]
fn the_words_are_those_that_the_reference_names() {
    let preflight = PreflightRequest {
        not_after: request().not_after,
        grace: Duration(SignedDuration::from_secs(5)),
        copy_to: Some("/p".to_owned()),
    };
    assert_eq!(preflight.words().join(" "), "preflight --not-after 2026-03-04T03:30:00Z --grace 5s --copy-to /p");
    assert_eq!(request().words()[..2], ["probe".to_owned(), "--request".to_owned()]);
    assert_eq!(guard_record_name(0), "start-0.json");
}

#[test]
fn a_request_of_the_probe_is_refused_for_an_unknown_field_and_for_another_version() {
    let mut unknown = serde_json::to_value(request()).unwrap();
    unknown["surprise"] = json!(1);
    let mut newer = serde_json::to_value(request()).unwrap();
    newer["version"] = json!(2);
    for (json, told) in [
        (unknown.to_string(), "unknown field `surprise`"),
        (newer.to_string(), "has version 2, expected 1"),
        ("{".to_owned(), "--request: EOF"),
    ] {
        let error = ProbeRequest::read_json(&json).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn words_that_are_not_those_of_a_command_are_refused() {
    for (line, told) in [
        ("", "the first word is not preflight"),
        ("guard --not-after x", "the first word is not preflight"),
        ("preflight --grace 5s", "--not-after is missing"),
        ("preflight --not-after", "--not-after has no value"),
        ("preflight --not-after soon --grace 5s", "--not-after soon: "),
        ("preflight --grace 5s --grace 5s", "--grace stands twice"),
        ("preflight --speed 5s", "--speed is none of its flags"),
        ("preflight --not-after 2026-03-04T03:30:00Z --grace 5s -- x", "it takes no words besides its flags"),
    ] {
        let error = PreflightRequest::read(&words(line)).unwrap_err().to_string();
        assert!(error.contains(told), "{line}: {error}");
    }
    let idle = "guard --not-after 2026-03-04T03:30:00Z --grace 5s --records /r --message-bytes 9 --";
    assert!(GuardRequest::read(&words(idle)).unwrap_err().to_string().contains("nothing to run"));
}

#[test]
fn the_messages_of_a_pod_never_exceed_what_the_kubelet_keeps_of_it() {
    for (containers, bytes) in [(0, 4_096), (1, 4_096), (3, 4_096), (4, 3_072), (12, 1_024)] {
        assert_eq!(message_bytes_max(containers), bytes, "{containers} containers");
        assert!(containers * message_bytes_max(containers) <= POD_MESSAGE_BYTES);
    }
}

#[test]
fn what_is_due_too_late_to_be_answered_does_not_count() {
    let counts_for = |slo: Option<serde_json::Value>| {
        let slo = slo.map(|slo| serde_json::from_value(slo).unwrap());
        ProbeRequest { slo, ..request() }.counts_for()
    };
    assert_eq!(counts_for(Some(json!({"e2e": "1s"}))), SignedDuration::from_secs(7));
    assert_eq!(counts_for(Some(json!({"e2e": "60s"}))), SignedDuration::from_secs(6), "a quarter at most");
    assert_eq!(counts_for(Some(json!({"ttft": "1s"}))), SignedDuration::from_secs(6), "nothing limits a whole answer");
    assert_eq!(counts_for(None), SignedDuration::from_secs(6));
}

#[test]
fn a_run_endures_three_deaths_of_the_engine_and_a_canary_none() {
    assert_eq!(ProbeMode::Phase.engine_restarts_max(), 3);
    assert_eq!(ProbeMode::Canary.engine_restarts_max(), 0);
}

#[test]
fn requests_are_comparable_only_where_load_seed_and_times_are_equal() {
    let hash = |change: fn(&mut ProbeRequest)| {
        let mut changed = request();
        change(&mut changed);
        changed.schedule_hash()
    };
    let plain = request().schedule_hash();
    assert_eq!(hash(|request| request.message_bytes = 9), plain);
    assert_eq!(hash(|request| request.engine_url.clear()), plain);
    assert_ne!(hash(|request| request.seed = 8), plain);
    assert_ne!(hash(|request| request.workload.requests = 9), plain);
    assert_ne!(hash(|request| request.measure = request.warmup), plain);
    assert_ne!(
        hash(|request| request.slo = serde_json::from_value(json!({"e2e": "1s"})).unwrap()),
        plain,
        "more requests count"
    );
}
