//! A cycle's objects, and where it stands by them.

use serde_json::{Value, json};

use super::*;
use crate::handling::cycle::view::Seen;

const CYCLE: &str = "nightly-20260304-0300-abc";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A run with this status.
fn run(status: Value) -> PhaseRun {
    let mut status = status;
    status["cycle"] = CYCLE.into();
    let length = json!({ "fixed": 10 });
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun",
        "metadata": { "name": "nightly-20260304-0300", "namespace": "chat", "uid": "uid-run" },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "domains": [{ "name": "serving", "serving": { "workload": {
                "arrival": { "rate": 4 }, "inputTokens": length, "outputTokens": length,
            } } }],
        },
        "status": status,
    }))
    .unwrap()
}

fn ended(verdict: &str) -> PhaseRun {
    run(json!({ "phase": "Completed", "verdict": verdict, "summary": { "symptoms": "vllm_oom" } }))
}

fn escalation(status: &Value) -> Escalation {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Escalation",
        "metadata": { "name": "llama", "namespace": "chat" },
        "spec": { "targetRef": { "kind": "Deployment", "name": "llama" } },
        "status": status,
    }))
    .unwrap()
}

/// A flag that was armed by two runs and counts two now, of which this one is the newest.
fn flag_of(state: &str, count: i64, armed_by: &str, counts: &str) -> Value {
    let runs = |newest: &str| {
        json!([
            { "name": "older", "uid": "uid-older", "completedAt": "2026-03-03T03:06:00Z" },
            { "name": "newest", "uid": newest, "completedAt": "2026-03-04T03:06:00Z" },
        ])
    };
    json!({
        "symptom": "vllm_oom", "state": state, "reason": "ThresholdReached", "count": count, "threshold": 3,
        "window": "53h", "expiresAt": "2026-03-04T07:06:00Z", "counted": runs(counts), "evidence": runs(armed_by),
    })
}

/// A flag whose newest run is of this uid.
fn flag(state: &str, count: i64, uid: &str) -> Value {
    flag_of(state, count, uid, uid)
}

fn gate(open: bool, opens_at: Option<&str>) -> Value {
    let mut gate =
        json!({ "name": "WindowOpen", "open": open, "reason": "OutsideWindow", "message": "window opens later" });
    if let Some(at) = opens_at {
        gate["opensAt"] = at.into();
    }
    gate
}

fn promotion(status: &Value) -> Promotion {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Promotion",
        "metadata": { "name": "llama-xyz", "namespace": "chat" },
        "spec": {
            "escalationName": "llama", "cycle": CYCLE, "symptom": "vllm_oom",
            "domains": [{ "name": "serving", "workloadHash": "1f0a9be27c11d0aa" }],
            "targetRef": { "kind": "Deployment", "name": "llama" }, "targetUID": "uid-target",
            "templateHash": "9c1185a5c5e9fc54", "parameters": { "gpu-memory-utilization": "0.75" },
            "previous": [{
                "name": "gpu-memory-utilization", "address": "containers[vllm].args[--gpu-memory-utilization]",
                "value": "0.92", "promoted": "0.75",
            }],
            "canaryName": "llama-3", "fitness": { "met": 185, "offered": 200 }, "delivery": "Patch",
            "windows": [{ "start": "03:00", "end": "07:00" }], "rolloutTimeout": "30m",
            "validateBy": "2026-03-06T07:00:00Z",
        },
        "status": status,
    }))
    .unwrap()
}

/// A view that was first seen half a minute ago, or long ago.
fn view(run: PhaseRun, long_ago: bool) -> CycleView {
    let seen = Some(at(if long_ago { "2026-03-04T03:00:00Z" } else { "2026-03-04T03:09:30Z" }));
    CycleView { run: Some(run), seen: Seen { ended: seen, promotion: seen }, ..CycleView::default() }
}

fn now() -> Timestamp {
    at("2026-03-04T03:10:00Z")
}

/// The reason of an end, and the exit code; or what is waited for.
fn step(view: &CycleView) -> Result<(CycleEndReason, u8), String> {
    match decide(view, now()) {
        CycleStep::Ends(end) => Ok((end.reason, end.reason.exit().code())),
        CycleStep::Waits(text) => Err(text),
    }
}

#[test]
fn a_run_that_goes_on_is_waited_for_and_its_verdict_ends_the_cycle_unless_it_is_degraded() {
    for phase in ["Pending", "Running", "Analyzing"] {
        let told = step(&view(run(json!({ "phase": phase })), false)).unwrap_err();
        assert_eq!(told, format!("phaserun/nightly-20260304-0300 is {phase}"));
    }
    for (verdict, reason, code) in [
        ("Healthy", CycleEndReason::Healthy, 0),
        ("Unknown", CycleEndReason::Unknown, 3),
        ("Error", CycleEndReason::RunError, 3),
    ] {
        assert_eq!(step(&view(ended(verdict), false)), Ok((reason, code)), "{verdict}");
    }
    let aborted = run(json!({ "phase": "Aborted", "verdict": "Unknown" }));
    assert_eq!(step(&view(aborted, false)), Ok((CycleEndReason::Aborted, 3)));
    let failed = run(json!({ "phase": "Failed" }));
    assert_eq!(step(&view(failed, false)), Ok((CycleEndReason::RunError, 3)), "no verdict is no healthy one");
    assert_eq!(step(&CycleView::default()), Ok((CycleEndReason::RunGone, 3)));
}

#[test]
fn a_degraded_run_ends_its_cycle_where_nothing_follows() {
    let of = |status: Value, long_ago: bool| CycleView {
        escalation: Some(escalation(&status)),
        ..view(ended("Degraded"), long_ago)
    };
    let alone = view(ended("Degraded"), false);
    assert_eq!(step(&alone), Ok((CycleEndReason::NoEscalation, 1)));

    let counted = of(json!({ "flags": [flag("Idle", 1, "uid-run")] }), false);
    assert_eq!(step(&counted), Ok((CycleEndReason::Counted, 1)));
    let CycleStep::Ends(end) = decide(&counted, now()) else { panic!("it has ended") };
    assert!(end.message.ends_with("is Degraded: vllm_oom; vllm_oom 1 of 3 in 53h"), "{}", end.message);

    // Another run armed it: the tuning is that one's.
    let armed_before = of(json!({ "flags": [flag("Armed", 3, "uid-other")] }), true);
    assert_eq!(step(&armed_before), Ok((CycleEndReason::Counted, 1)));

    // It was armed and used up by earlier runs, and this one is the first of a new count: told at once.
    let message = |view: &CycleView| match decide(view, now()) {
        CycleStep::Ends(end) => end.message,
        CycleStep::Waits(text) => panic!("{text}"),
    };
    let counts_anew = of(json!({ "flags": [flag_of("Cleared", 1, "uid-other", "uid-run")] }), false);
    assert_eq!(step(&counts_anew), Ok((CycleEndReason::Counted, 1)));
    assert!(message(&counts_anew).ends_with("is Degraded: vllm_oom; vllm_oom 1 of 3 in 53h"), "{counts_anew:?}");
    let used_up = message(&of(json!({ "flags": [flag_of("Cleared", 0, "uid-run", "uid-other")] }), false));
    assert!(used_up.ends_with("vllm_oom 0 of 3 in 53h: the run armed it, and counts no more"), "{used_up}");

    let not_counted_yet = of(json!({ "flags": [] }), false);
    assert!(step(&not_counted_yet).unwrap_err().ends_with("the Escalation counts it"));
    assert_eq!(step(&of(json!({ "flags": [] }), true)), Ok((CycleEndReason::Counted, 1)), "not for ever");

    let mut uncounted = ended("Degraded");
    uncounted.spec.counts = false;
    let uncounted = CycleView { escalation: Some(escalation(&json!({}))), ..view(uncounted, false) };
    assert_eq!(step(&uncounted), Ok((CycleEndReason::Counted, 1)));
}

#[test]
fn what_an_escalation_will_never_count_is_not_waited_for() {
    let symptom = |kind: &str| {
        json!([{
            "kind": kind, "domain": "serving", "severity": "critical", "metric": "oomEvents", "current": 2.0,
            "diagnosis": "Unexplained",
        }])
    };
    let of = |kind: &str| run(json!({ "phase": "Completed", "verdict": "Degraded", "symptoms": symptom(kind) }));
    let mut ruled = escalation(&json!({}));
    ruled.spec.rules = serde_json::from_value(json!([{ "symptom": "vllm_oom" }])).unwrap();
    let just_ended = |kind: &str, escalation: &Escalation| {
        let view = CycleView { escalation: Some(escalation.clone()), ..view(of(kind), false) };
        step(&view)
    };
    assert_eq!(just_ended("engine_crash", &ruled), Ok((CycleEndReason::Counted, 1)));
    assert!(just_ended("vllm_oom", &ruled).is_err(), "a rule names it");
    ruled.spec.rules.clear();
    assert!(just_ended("engine_crash", &ruled).is_err(), "without rules every symptom counts");

    let stalled = |generation: i64| {
        let condition = json!({
            "type": "Stalled", "status": "True", "reason": "InvalidSpec", "message": "mend it",
            "observedGeneration": generation, "lastTransitionTime": "2026-03-04T03:00:00Z",
        });
        let mut stalled = escalation(&json!({ "conditions": [condition] }));
        stalled.metadata.generation = Some(2);
        stalled
    };
    assert_eq!(just_ended("vllm_oom", &stalled(2)), Ok((CycleEndReason::NotBegun, 1)));
    assert!(just_ended("vllm_oom", &stalled(1)).is_err(), "the mended spec was not looked at yet");
}

#[test]
fn an_armed_flag_is_waited_for_while_tuning_may_begin_and_not_until_a_later_window() {
    let of = |gates: Value, long_ago: bool| {
        let status = json!({
            "flags": [flag("Armed", 3, "uid-run")], "gates": gates,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "BudgetCannotHoldOneCandidate", "message": "set more",
                "lastTransitionTime": "2026-03-04T03:07:00Z",
            }],
        });
        CycleView { escalation: Some(escalation(&status)), ..view(ended("Degraded"), long_ago) }
    };
    let open = json!([gate(true, None)]);
    assert!(step(&of(open.clone(), false)).unwrap_err().ends_with("armed until 2026-03-04T07:06:00Z; tuning begins"));
    assert_eq!(step(&of(open, true)), Ok((CycleEndReason::NotBegun, 1)));
    let later = json!([gate(true, None), gate(false, Some("2026-03-05T02:00:00Z"))]);
    assert_eq!(step(&of(later, false)), Ok((CycleEndReason::GatesClosed, 1)));
    // A gate without an instant may open at once: the run's own pod is still ending.
    let busy = json!([gate(false, None)]);
    assert!(step(&of(busy.clone(), false)).is_err());
    assert_eq!(step(&of(busy, true)), Ok((CycleEndReason::GatesClosed, 1)));
}

#[test]
fn tuning_is_waited_for_to_its_end_and_nothing_promoted_is_not_fixed() {
    let of = |status: Value| CycleView { escalation: Some(escalation(&status)), ..view(ended("Degraded"), true) };
    let going = json!({ "tuning": {
        "cycle": CYCLE, "symptom": "vllm_oom", "night": "2026-03-04", "attempt": 2,
        "startedAt": "2026-03-04T03:07:00Z", "candidatesDone": 2, "candidatesLeft": 4,
    } });
    assert_eq!(step(&of(going.clone())), Err("tuning for vllm_oom: attempt 2, 2 measured, 4 to go".to_owned()));
    let mut other = going;
    other["tuning"]["cycle"] = "another".into();
    assert!(step(&of(other)).is_ok(), "another cycle's tuning is not waited for");
    let last = |promotion: Option<&str>| {
        let mut last = json!({
            "cycle": CYCLE, "symptom": "vllm_oom", "night": "2026-03-04", "endedAt": "2026-03-04T03:08:00Z",
            "reason": "NoCandidatePassed", "message": "none of 5 passed", "candidatesTried": 5,
        });
        if let Some(name) = promotion {
            last["promotionName"] = name.into();
        }
        of(json!({ "lastTuning": last }))
    };
    assert_eq!(step(&last(None)), Ok((CycleEndReason::NothingPromoted, 1)));
    assert_eq!(step(&last(Some("llama-xyz"))), Ok((CycleEndReason::PromotionEnded, 1)), "somebody deleted it");
}

#[test]
fn a_promotion_that_was_made_is_fixed_unless_it_ended() {
    let of = |phase: Option<&str>, long_ago: bool| {
        let status = phase.map_or(Value::Null, |phase| json!({ "phase": phase }));
        CycleView { promotion: Some(promotion(&status)), ..view(ended("Degraded"), long_ago) }
    };
    for (phase, reason, code) in [
        ("AwaitingReview", CycleEndReason::AwaitingReview, 2),
        ("Applied", CycleEndReason::Promoted, 2),
        ("Validated", CycleEndReason::Promoted, 2),
        ("RolledBack", CycleEndReason::PromotionEnded, 1),
        ("Rejected", CycleEndReason::PromotionEnded, 1),
        ("Superseded", CycleEndReason::PromotionEnded, 1),
        ("Expired", CycleEndReason::PromotionEnded, 1),
        ("Conflict", CycleEndReason::PromotionEnded, 1),
    ] {
        assert_eq!(step(&of(Some(phase), false)), Ok((reason, code)), "{phase}");
    }
    for phase in ["Applying", "RollingBack"] {
        assert!(step(&of(Some(phase), true)).is_err(), "{phase} is waited for, however long");
    }
    for phase in [None, Some("Staged")] {
        assert!(step(&of(phase, false)).is_err(), "{phase:?} may be applied at once");
        assert_eq!(step(&of(phase, true)), Ok((CycleEndReason::PromotionStaged, 2)), "{phase:?}");
    }
}

#[test]
fn what_the_run_says_of_an_earlier_promotion_is_waited_for_and_told() {
    let of = |verdict: &str, phase: &str, long_ago: bool| {
        let status = json!({ "phase": phase, "message": "why it is" });
        CycleView { on_trial: Some(promotion(&status)), ..view(ended(verdict), long_ago) }
    };
    let message = |view: &CycleView| match decide(view, now()) {
        CycleStep::Ends(end) => end.message,
        CycleStep::Waits(text) => panic!("{text}"),
    };
    for (verdict, reason, code) in
        [("Healthy", CycleEndReason::Healthy, 0), ("Degraded", CycleEndReason::NoEscalation, 1)]
    {
        assert!(step(&of(verdict, "Applied", false)).is_err(), "{verdict}: it is decided in a moment");
        assert!(step(&of(verdict, "RollingBack", true)).is_err(), "{verdict}: it is taken back, however long");
        for phase in ["Validated", "RolledBack"] {
            let decided = of(verdict, phase, false);
            assert_eq!(step(&decided), Ok((reason, code)));
            let told = message(&decided);
            assert!(told.contains(&format!("promotion/llama-xyz is {phase}: why it is")), "{told}");
        }
        // Another run decides: this one may not have seen the promoted template all the time.
        assert_eq!(step(&of(verdict, "Applied", true)), Ok((reason, code)), "not for ever");
    }
    // A run that can't tell decides nothing.
    assert_eq!(step(&of("Unknown", "Applied", false)), Ok((CycleEndReason::Unknown, 3)));
}
