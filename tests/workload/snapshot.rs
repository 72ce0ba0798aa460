//! Whole pods, held against committed files. `UPDATE=1 cargo test --test workload` writes them anew.

use std::fs;

use phaseloop::yaml::to_text;

use crate::support::{build, canary_request, domain_request, path, report_request};

/// The committed targets.
const TARGETS: [&str; 5] = ["plain", "download", "claim", "own-claim", "two-gpus"];

#[allow(clippy::disallowed_methods, reason = "the switch that writes snapshots anew is an environment variable")]
fn same_as_committed(name: &str, text: &str) {
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::write(path(name), text).unwrap();
    }
    let committed = fs::read_to_string(path(name)).unwrap_or_default();
    assert!(
        committed == text,
        "{name} is not what is built: run UPDATE=1 cargo test --test workload, and read the diff"
    );
}

#[test]
fn the_pods_of_a_run_are_those_that_are_committed() {
    for target in TARGETS {
        let pod = build(&domain_request(), &format!("target-{target}.yaml"));
        same_as_committed(&format!("pod-{target}-phase.yaml"), &to_text(&pod).unwrap());
    }
}

#[test]
fn the_pods_of_a_canary_are_those_that_are_committed() {
    for target in TARGETS {
        let pod = build(&canary_request(), &format!("target-{target}.yaml"));
        same_as_committed(&format!("pod-{target}-canary.yaml"), &to_text(&pod).unwrap());
    }
}

#[test]
fn the_pod_of_a_custom_domain_is_the_one_that_is_committed() {
    let pod = build(&report_request(), "domain-rag.yaml");
    same_as_committed("pod-rag.yaml", &to_text(&pod).unwrap());
}
