use serde_json::json;

use super::*;
use crate::simulation::oracle::{ContainerChange, Invariant, ObjectChange, Oracles};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn see(oracles: &mut Oracles, of: &str, object: &Value) -> u64 {
    oracles.see(at(0), Fact::Object(ObjectChange { kind: ChangeKind::Added, of, object, before: None, by: "" }));
    oracles.figures().violations_total
}

fn engine(oracles: &mut Oracles, now: i64, state: ContainerState) -> u64 {
    let change = ContainerChange { pod_uid: "p", container: "engine", is_engine: true, gpus: 1, state };
    oracles.see(at(now), Fact::Container(change));
    oracles.figures().violations_total
}

fn one(invariant: impl Invariant + 'static) -> Oracles {
    Oracles::of(vec![Box::new(invariant)])
}

fn pod() -> Value {
    json!({"metadata": {"uid": "p", "ownerReferences": [{"kind": "TuningCanary", "uid": "c"}]}})
}

#[test]
fn a_container_that_outlives_an_abort_by_more_than_15_seconds_is_found() {
    for (seconds, violations) in [(15, 0), (16, 1)] {
        let mut oracles = one(AbortIsQuick::default());
        see(&mut oracles, "TuningCanary", &json!({"metadata": {"uid": "c"}, "spec": {"abort": true}}));
        see(&mut oracles, "Pod", &pod());
        assert_eq!(engine(&mut oracles, seconds, ContainerState::Ended { exit_code: 137 }), violations);
    }
}

#[test]
fn a_pass_after_an_abort_is_found() {
    let mut oracles = one(AbortWins);
    let canary =
        |verdict: &str| json!({"metadata": {"uid": "c"}, "spec": {"abort": true}, "status": {"verdict": verdict}});
    assert_eq!(see(&mut oracles, "TuningCanary", &canary("Aborted")), 0);
    assert_eq!(see(&mut oracles, "TuningCanary", &canary("Passed")), 1);
}

#[test]
fn a_pass_without_a_ready_engine_with_a_restart_or_with_an_unseen_value_is_found() {
    let passed = |seen: &str| {
        json!({"metadata": {"uid": "c"}, "spec": {"parameters": {"gpu-memory-utilization": "0.70"}},
               "status": {"verdict": "Passed", "effective": {"configuration": {"gpu-memory-utilization": seen}}}})
    };
    let started = ContainerState::Started;
    for (log, seen, violations) in [
        (vec![started, ContainerState::Ready], "0.7", 0),
        (vec![started], "0.7", 1),
        (vec![started, ContainerState::Ready, started], "0.7", 1),
        (vec![started, ContainerState::Ready], "0.9", 1),
    ] {
        let mut oracles = one(PassedWasMeasured::default());
        see(&mut oracles, "Pod", &pod());
        for state in &log {
            engine(&mut oracles, 1, *state);
        }
        assert_eq!(see(&mut oracles, "TuningCanary", &passed(seen)), violations, "{log:?} {seen}");
    }
}

#[test]
fn a_fitness_that_nothing_supports_is_found() {
    for (status, violations) in [
        (json!({"verdict": "Passed", "fitness": 0.925, "requests": {"offered": 200, "withinLimits": 185}}), 0),
        (json!({"verdict": "Passed", "fitness": 0.95, "requests": {"offered": 200, "withinLimits": 185}}), 1),
        (json!({"verdict": "Passed"}), 1),
        (json!({"verdict": "Failed", "fitness": 0.5}), 1),
        (json!({"verdict": "Failed"}), 0),
    ] {
        let mut oracles = one(FitnessRestsOnEvidence);
        let canary = json!({"metadata": {"uid": "c"}, "status": status});
        assert_eq!(see(&mut oracles, "TuningCanary", &canary), violations, "{status}");
    }
}

#[test]
fn a_value_that_is_not_listed_is_found() {
    let parameters = json!([{"name": "gpu-memory-utilization", "values": [0.7, "0.75"]}]);
    let escalation = json!({"metadata": {"name": "e"}, "spec": {"parameters": parameters}});
    for (parameter, value, violations) in [
        ("gpu-memory-utilization", "0.70", 0),
        ("gpu-memory-utilization", "0.75", 0),
        ("gpu-memory-utilization", "0.99", 1),
        ("max-num-seqs", "8", 1),
    ] {
        let mut oracles = one(CandidatesAreAllowed::default());
        see(&mut oracles, "Escalation", &escalation);
        let canary =
            json!({"metadata": {"uid": "c"}, "spec": {"escalationName": "e", "parameters": {parameter: value}}});
        assert_eq!(see(&mut oracles, "TuningCanary", &canary), violations, "{parameter} {value}");
    }
}
