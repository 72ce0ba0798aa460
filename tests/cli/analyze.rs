//! `phaseloop analyze`: one verdict, one exit code.

use serde_json::Value;

use crate::support::{Folder, phaseloop};

fn night(number: u32) -> String {
    format!("examples/recorded-nights/night{number:02}.bench.json")
}

fn analyze(files: &[String], more: &[&str]) -> crate::support::Ended {
    let mut arguments = vec!["analyze"];
    arguments.extend(files.iter().map(String::as_str));
    arguments.extend(more);
    phaseloop(&arguments)
}

/// A PHASE report of one domain: `tests` rows with that latency, `fails` of them failed.
fn report(domain: &str, latency_ms: f64, tests: u32, fails: u32, oom_events: u32) -> String {
    let row = |test: u32| {
        let status = if test < fails { "fail" } else { "pass" };
        let latency = latency_ms * (1.0 + f64::from(test % 7) / 100.0);
        let oom = if test == 0 { oom_events } else { 0 };
        format!(
            "{{\"epoch_id\":\"e\",\"run_id\":\"r\",\"test_id\":\"t{test}\",\"domain\":\"{domain}\",\"status\":\"{status}\",\
             \"latency_ms\":{latency:.3},\"throughput\":30.0,\"oom_events\":{oom}}}\n"
        )
    };
    (0..tests).map(row).collect()
}

#[test]
fn the_exit_code_is_the_verdict() {
    let through = |last: u32| (1..=last).map(night).collect::<Vec<_>>();
    assert_eq!(analyze(&through(10), &[]).code, 0, "healthy");
    assert_eq!(analyze(&through(11), &[]).code, 1, "degraded");
    assert_eq!(analyze(&through(8), &[]).code, 3, "unknown: a stalled client");
    assert_eq!(analyze(&through(1), &[]).code, 3, "unknown: no baseline");
    let refused = "examples/recorded-nights/night14.engine.json".to_owned();
    assert_eq!(analyze(&[refused], &[]).code, 1, "a refusal for memory needs no baseline");
}

#[test]
fn wrong_usage_is_sixty_four_in_every_command() {
    for line in [
        &["analyze"][..],
        &["analyze", "x.jsonl", "--outptu", "json"],
        &["analyze", "x.jsonl", "--output", "xml"],
        &["replay"],
        &["replay", "--runs"],
        &["replay", "--run", "x"],
        &["crds", "--all"],
        &["simulat"],
        &[],
    ] {
        let ended = phaseloop(line);
        assert_eq!(ended.code, 64, "{line:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    assert!(phaseloop(&["analyze", "x.jsonl", "--outptu", "json"]).stderr.contains("--output"), "the nearest name");
}

#[test]
fn a_report_is_judged_per_domain() {
    let folder = Folder::new();
    let mut files: Vec<String> = (1..=4)
        .map(|night| {
            let wobble = f64::from(night) * 0.3;
            let rows = report("chat", 100.0 + wobble, 60, 0, 0) + &report("rag", 50.0 + wobble, 60, 0, 0);
            folder.file(&format!("night{night}.jsonl"), rows)
        })
        .collect();
    files.push(folder.file("night5.jsonl", report("chat", 180.0, 60, 0, 0) + &report("rag", 50.5, 60, 0, 0)));
    let ended = analyze(&files, &["--output", "json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let judgement = ended.json();
    let verdicts: Vec<(&str, &str)> = judgement["domains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|domain| (domain["name"].as_str().unwrap(), domain["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(verdicts, [("chat", "Degraded"), ("rag", "Healthy")]);
    assert_eq!(judgement["symptoms"][0]["severity"], "critical");
}

#[test]
fn a_quarter_more_latency_on_a_steady_machine_is_a_warning() {
    let folder = Folder::new();
    let mut files: Vec<String> = [100.0, 101.0, 102.0]
        .iter()
        .zip(1..)
        .map(|(latency, night)| folder.file(&format!("night{night}.jsonl"), report("chat", *latency, 200, 0, 0)))
        .collect();
    files.push(folder.file("night4.jsonl", report("chat", 126.5, 200, 0, 0)));
    let judgement = analyze(&files, &["--output", "json"]).json();
    assert_eq!(judgement["symptoms"][0]["severity"], "warning", "{judgement:#}");
    files.pop();
    files.push(folder.file("night5.jsonl", report("chat", 119.0, 200, 0, 0)));
    assert_eq!(analyze(&files, &[]).code, 0, "within a fifth");
}

#[test]
fn memory_failures_of_a_report_are_critical_without_a_baseline() {
    let folder = Folder::new();
    let ended = analyze(&[folder.file("r.jsonl", report("gpu", 100.0, 60, 0, 2))], &["--output", "json"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let symptom = &ended.json()["symptoms"][0];
    assert_eq!((symptom["kind"].as_str(), symptom["severity"].as_str()), (Some("vllm_oom"), Some("critical")));
    assert_eq!(symptom["current"], 2.0);
}

#[test]
fn rows_that_do_not_count_are_counted_and_shown() {
    let folder = Folder::new();
    let mut rows = report("chat", 100.0, 60, 0, 0);
    rows.push_str("{\"broken\n");
    rows.push_str(&report("chat", 100.0, 1, 0, 0));
    rows.push_str("{\"test_id\":\"cut\",\"domain\":\"ch");
    let ended = phaseloop(&["replay", "--runs", &{
        folder.file("n1.jsonl", rows);
        folder.itself()
    }]);
    for text in ["BrokenJson", "DuplicateTest", "first on line 61"] {
        assert!(ended.stdout.contains(text), "no {text} in {}", ended.stdout);
    }
}

#[test]
fn yaml_says_what_json_says() {
    let files = [night(1), night(2)];
    let yaml = analyze(&files, &["--output", "yaml"]).stdout;
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    let json = analyze(&files, &["--output", "json"]).json();
    assert_eq!((&read["verdict"], &read["domains"][0]["name"]), (&json["verdict"], &json["domains"][0]["name"]));
}
