//! Runs and promotions for tests.

use jiff::Timestamp;
use phaseloop_core::analysis::{judgement::RunJudgement, measurement::RunMeasurement};
use serde_json::{Value, json};

use crate::api::{
    PhaseRun, PhaseRunStatus, Promotion,
    phase_run::status::{DomainStatus, PhaseRunPhase, SymptomReport},
};

/// An instant.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A load that the schema takes.
pub(crate) fn workload() -> Value {
    json!({ "arrival": { "rate": 4 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 } })
}

/// A run of two serving domains of the Deployment `llama`, made at 03:00 of 4 March; its uid is `uid-` and its name.
pub(crate) fn run_named(name: &str) -> PhaseRun {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1",
        "kind": "PhaseRun",
        "metadata": {
            "name": name, "namespace": "chat", "uid": format!("uid-{name}"), "generation": 1, "resourceVersion": "7",
            "creationTimestamp": "2026-03-04T03:00:00Z",
        },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "domains": [
                { "name": "chat", "serving": { "workload": workload() } },
                { "name": "rag", "serving": { "workload": workload() }, "weight": 2 },
            ],
        },
    }))
    .unwrap()
}

/// The run as it stands once it was judged.
pub(crate) fn ended_run(measurement: &RunMeasurement, judgement: &RunJudgement) -> PhaseRun {
    let mut run = run_named(&measurement.name);
    run.metadata.uid = Some(measurement.uid.to_string());
    let mut status = PhaseRunStatus {
        phase: Some(PhaseRunPhase::Completed),
        verdict: Some(judgement.verdict),
        started_at: Some(measurement.started_at),
        completed_at: Some(measurement.completed_at),
        environment: Some((&judgement.environment).into()),
        symptoms: judgement.symptoms.iter().map(SymptomReport::from).collect(),
        ..PhaseRunStatus::default()
    };
    status.set_admission(judgement.admission);
    for measured in &measurement.domains {
        let valid = judgement.domains.iter().any(|judged| judged.name == measured.name && judged.valid);
        status.domains.push(DomainStatus { valid: Some(valid), ..DomainStatus::of_measurement(measured) });
    }
    run.status = Some(status);
    run
}

/// A promotion of the Deployment `llama` with this status.
#[allow(clippy::needless_pass_by_value, reason = "tests hand over what they wrote")]
pub(crate) fn promotion(status: Value) -> Promotion {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1",
        "kind": "Promotion",
        "metadata": { "name": "p", "namespace": "chat", "uid": "uid-p" },
        "spec": {
            "escalationName": "llama", "cycle": "c", "symptom": "vllm_oom",
            "domains": [{ "name": "chat", "workloadHash": "w" }],
            "targetRef": { "kind": "Deployment", "name": "llama" }, "targetUID": "uid-llama", "templateHash": "t0",
            "parameters": { "max-num-seqs": "8" },
            "previous": [{ "name": "max-num-seqs", "address": "a", "value": "32", "promoted": "8" }],
            "canaryName": "k", "fitness": { "met": 9, "offered": 10 }, "validateBy": "2026-03-06T07:00:00Z",
        },
        "status": status,
    }))
    .unwrap()
}
