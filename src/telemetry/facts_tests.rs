use serde_json::json;

use super::*;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

#[test]
fn verdicts_outcomes_and_phases_are_taken_as_they_are_and_strange_ones_as_other() {
    for (kind, field, word, expected) in [
        (OwnKind::PhaseRun, "verdict", "Degraded", Some("Degraded")),
        (OwnKind::PhaseRun, "verdict", "Splendid", Some("Other")),
        (OwnKind::TuningCanary, "verdict", "Passed", Some("Passed")),
        (OwnKind::Promotion, "phase", "RolledBack", Some("RolledBack")),
        (OwnKind::Escalation, "state", "Armed", Some("Armed")),
        (OwnKind::PhaseSchedule, "state", "Scheduled", None),
    ] {
        let facts = ObjectFacts::of(kind, &Value::Null, &json!({ field: word }));
        assert_eq!(facts.state, expected, "{kind} {word}");
    }
    assert_eq!(ObjectFacts::of(OwnKind::PhaseRun, &Value::Null, &Value::Null), ObjectFacts::default());
}

#[test]
fn an_escalation_tells_its_gates_its_armed_flags_and_what_tonight_has_left() {
    let spec = json!({ "safety": { "measureBudget": "60s", "gpuHoldBudget": "15m" } });
    let status = json!({
        "state": "Armed",
        "gates": [{ "name": "WindowOpen", "open": false }, { "name": "TargetFree", "open": true }, { "name": "New" }],
        "flags": [
            { "symptom": "vllm_oom", "state": "Armed", "expiresAt": "2026-03-04T07:00:00Z" },
            { "symptom": "latency_regression", "state": "Expired" },
        ],
        "ledger": { "nights": [
            { "night": "2026-03-03", "used": { "measure": "60s", "hold": "15m" }, "reserved": { "measure": "0s", "hold": "0s" } },
            { "night": "2026-03-04", "used": { "measure": "20s500ms", "hold": "5m" }, "reserved": { "measure": "10s", "hold": "2m" } },
        ] },
    });
    let facts = ObjectFacts::of(OwnKind::Escalation, &spec, &status);
    assert_eq!(facts.gates, [("WindowOpen", false), ("TargetFree", true)]);
    assert_eq!(facts.armed, [(SymptomKind::VllmOom, Some("2026-03-04T07:00:00Z".parse().unwrap()))]);
    let left = BudgetLeft { measure: SignedDuration::from_millis(29_500), hold: seconds(8 * 60) };
    assert_eq!(facts.budget_left, Some(left));
    let untouched = ObjectFacts::of(OwnKind::Escalation, &spec, &json!({}));
    assert_eq!(untouched.budget_left, Some(BudgetLeft { measure: seconds(60), hold: seconds(900) }));
}

#[test]
fn more_spent_than_there_was_leaves_nothing_and_no_less() {
    let spec = json!({ "safety": { "measureBudget": "60s", "gpuHoldBudget": "15m" } });
    let night = json!({ "night": "2026-03-04", "used": { "measure": "90s", "hold": "15m" } });
    let facts = ObjectFacts::of(OwnKind::Escalation, &spec, &json!({ "ledger": { "nights": [night] } }));
    assert_eq!(facts.budget_left, Some(BudgetLeft { measure: seconds(0), hold: seconds(0) }));
}

#[test]
fn a_canary_that_was_ended_tells_how_long_its_containers_took() {
    let status = |ended_by: Option<&str>, released_at: &str| {
        let mut status = json!({
            "releasedAt": released_at,
            "history": { "records": [
                { "to": "Starting", "at": "2026-03-04T03:00:00Z" },
                { "to": "Scoring", "at": "2026-03-04T03:01:00.4Z" },
                { "to": "Done", "at": "2026-03-04T03:01:09Z" },
            ] },
        });
        if let Some(ended_by) = ended_by {
            status["endedBy"] = ended_by.into();
        }
        ObjectFacts::of(OwnKind::TuningCanary, &Value::Null, &status).restored_after
    };
    let ended = Some("AbortedByHand");
    assert_eq!(status(ended, "2026-03-04T03:01:04Z"), Some(SignedDuration::from_millis(3_600)));
    assert_eq!(status(ended, "2026-03-04T03:01:00Z"), Some(seconds(0)), "the kubelet stamps whole seconds");
    assert_eq!(status(None, "2026-03-04T03:01:04Z"), None, "one that ended by itself restored nothing");
}

#[test]
fn a_malformed_object_tells_less_and_stalls_nothing() {
    for status in [json!(7), json!({ "verdict": 7, "gates": 7, "flags": {}, "ledger": "x", "history": [] })] {
        for kind in OwnKind::ALL {
            let facts = ObjectFacts::of(kind, &json!("spec"), &status);
            assert_eq!(facts, ObjectFacts::default(), "{kind}");
        }
    }
}

#[test]
fn a_canary_that_was_not_seen_to_end_and_starts_that_were_missed_are_told() {
    let restored = |status: &str, reason: &str| {
        let status = json!({ "conditions": [{ "type": "Restored", "status": status, "reason": reason }] });
        ObjectFacts::of(OwnKind::TuningCanary, &json!({}), &status).restore_failed
    };
    assert!(restored("False", "RestoreFailed"));
    assert!(!restored("False", "Releasing") && !restored("True", "RestoreFailed"));
    let missed = |status| ObjectFacts::of(OwnKind::PhaseSchedule, &json!({}), &status).missed_starts;
    assert_eq!((missed(json!({ "missedRuns": 3 })), missed(json!({})), missed(json!({ "missedRuns": -1 }))), (3, 0, 0));
}
