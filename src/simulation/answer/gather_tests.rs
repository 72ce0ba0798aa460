//! Which versions of an Escalation a night is told by.

use serde_json::{Value, json};

use super::*;

fn run(uid: &str) -> PhaseRun {
    let length = json!({ "fixed": 10 });
    let workload = json!({ "arrival": { "rate": 4 }, "inputTokens": length, "outputTokens": length });
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun",
        "metadata": { "name": "nightly", "namespace": "chat", "uid": uid },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "domains": [{ "name": "serving", "serving": { "workload": workload } }],
        },
    }))
    .unwrap()
}

/// An Escalation with a flag that counts these runs, and was armed by those.
fn version(counted: &[&str], evidence: &[&str]) -> Escalation {
    let runs = |uids: &[&str]| -> Vec<Value> {
        uids.iter().map(|uid| json!({ "name": "nightly", "uid": uid, "completedAt": "2026-03-03T03:06:00Z" })).collect()
    };
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Escalation",
        "metadata": { "name": "llama", "namespace": "chat" },
        "spec": { "targetRef": { "kind": "Deployment", "name": "llama" } },
        "status": { "flags": [{
            "symptom": "vllm_oom", "state": "Idle", "reason": "BelowThreshold", "count": counted.len(), "threshold": 3,
            "window": "53h", "counted": runs(counted), "evidence": runs(evidence),
        }] },
    }))
    .unwrap()
}

#[test]
fn a_version_that_had_not_read_the_verdict_tells_nothing_of_its_night() {
    let (unread, counts, armed) = (version(&["old"], &[]), version(&["old", "new"], &[]), version(&[], &["new"]));
    let counts_of = |versions: &[&Escalation]| -> Vec<i64> {
        flags_of(since_counted(versions, &run("new"))).iter().map(|flag| flag.count).collect()
    };
    assert_eq!(counts_of(&[&unread, &counts]), [2]);
    assert_eq!(since_counted(&[&unread, &armed], &run("new")), [&armed], "a run that armed a flag counts");
    // A healthy run is counted by nothing: what it left is told.
    assert_eq!(counts_of(&[&unread, &unread]), [1]);
    assert!(since_counted(&[], &run("new")).is_empty());
}
