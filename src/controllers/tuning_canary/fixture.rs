//! Escalations, targets and canaries for tests.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use phaseloop_core::{plan::name::canary_name, value::TargetReference};
use serde_json::{Value, json};

use crate::{
    api::{Escalation, TuningCanary},
    controllers::ObservedTarget,
};

/// An instant.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Deployment of one vLLM on one GPU.
pub(crate) fn target() -> ObservedTarget {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "llama", "namespace": "chat", "uid": "uid-llama", "resourceVersion": "3" },
        "spec": { "selector": {}, "template": { "spec": { "containers": [{
            "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
            "args": ["m", "--gpu-memory-utilization=0.92", "--max-num-seqs", "32"],
            "resources": { "limits": { "nvidia.com/gpu": "1" } },
        }] } } },
    }))
    .unwrap();
    ObservedTarget::Deployment(Box::new(deployment))
}

/// Changes an object as JSON.
pub(crate) fn changed<K: serde::Serialize + serde::de::DeserializeOwned>(
    object: &K,
    change: impl FnOnce(&mut Value),
) -> K {
    let mut value = serde_json::to_value(object).unwrap();
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

/// The Escalation `llama` of the Deployment `llama`, with a load and limits of its own.
pub(crate) fn escalation() -> Escalation {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1",
        "kind": "Escalation",
        "metadata": {
            "name": "llama", "namespace": "chat", "uid": "uid-escalation", "generation": 1, "resourceVersion": "9",
            "creationTimestamp": "2026-03-01T00:00:00Z",
        },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "canary": { "workload": workload(), "slo": { "e2e": "2s" } },
        },
    }))
    .unwrap()
}

/// 20 requests per second: enough of them in seven seconds.
pub(crate) fn workload() -> Value {
    json!({ "arrival": { "rate": 20 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 } })
}

/// The canary of an attempt in the night of 4 March, as the Escalation makes it; no parameters: the incumbent, which
/// consumes three runs.
pub(crate) fn canary(attempt: u32, parameters: &Value) -> TuningCanary {
    let reference =
        TargetReference { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: "llama".to_owned() };
    let name = canary_name(&reference, "2026-03-04".parse().unwrap(), attempt);
    let is_incumbent = parameters.as_object().unwrap().is_empty();
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1",
        "kind": "TuningCanary",
        "metadata": {
            "name": name, "namespace": "chat", "uid": format!("uid-canary-{attempt}"), "generation": 1,
            "resourceVersion": "4", "creationTimestamp": at("2026-03-04T03:20:00Z") + minutes(attempt),
            "finalizers": ["phaseloop.dev/cleanup"],
            "ownerReferences": [{
                "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Escalation", "name": "llama", "uid": "uid-escalation",
            }],
        },
        "spec": {
            "escalationName": "llama", "cycle": "nightly-20260304", "symptom": "vllm_oom", "night": "2026-03-04",
            "attempt": attempt, "consumes": if is_incumbent { json!(["n2", "n3", "n4"]) } else { json!([]) },
            "notAfter": "2026-03-04T03:40:00Z", "role": if is_incumbent { "Incumbent" } else { "Candidate" },
            "parameters": parameters, "targetRef": { "kind": "Deployment", "name": "llama" },
            "targetUID": "uid-llama", "templateHash": target().template_hash(), "workload": workload(),
            "slo": { "e2e": "2s" }, "reserved": { "measure": "8s", "hold": "138s" },
        },
    }))
    .unwrap()
}

fn minutes(count: u32) -> jiff::SignedDuration {
    jiff::SignedDuration::from_mins(count.into())
}

/// A canary that was judged, released, and used 8 s and 60 s; `change` alters its status.
pub(crate) fn done(canary: &TuningCanary, change: impl FnOnce(&mut Value)) -> TuningCanary {
    let attempt = u32::try_from(canary.spec.attempt).unwrap();
    let released_at = at("2026-03-04T03:20:45Z") + minutes(attempt);
    let mut status = json!({
        "phase": "Done", "verdict": "Passed", "begunAt": "2026-03-04T03:20:00Z", "releasedAt": released_at,
        "used": { "measure": "8s", "hold": "60s", "proven": true },
        "requests": { "offered": 200, "completed": 200, "failed": 0, "withinLimits": 100 }, "fitness": 0.5,
    });
    change(&mut status);
    changed(canary, |canary| canary["status"] = status)
}
