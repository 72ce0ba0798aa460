//! Every gate, closed and open: its reason, its next instant, and that nothing begins while one is closed.

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, Wake};
use serde_json::json;

use super::world::{World, aborted, another_escalation, earlier_canary, earlier_promotion};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        escalation::status::{EscalationState, GateName},
    },
    controllers::tuning_canary::fixture::at,
};

/// A gate, the condition that shows it, and how it stands.
struct Row {
    what: &'static str,
    close: fn(&mut World),
    gate: GateName,
    reason: &'static str,
    opens_at: Option<&'static str>,
    /// When every gate is open, if nothing else happens.
    all_open_at: Option<&'static str>,
}

fn later_window(world: &mut World) {
    world.spec(|spec| spec["safety"]["windows"] = json!([{ "start": "05:00", "end": "08:00" }]));
}

/// A night whose canaries used this, all of them folded.
fn spent(world: &mut World, measure: &str, hold: &str) {
    let part = json!({ "measure": measure, "hold": hold });
    world.stored(|status| {
        let folded = json!([{ "attempt": 0, "reserved": part, "used": part }]);
        let nothing = json!({ "measure": "0s", "hold": "0s" });
        let night = json!({ "night": "2026-03-04", "used": part, "reserved": nothing, "folded": folded });
        *status = json!({ "ledger": { "nights": [night] } });
    });
}

fn tuning_runs(world: &mut World, runs: &[(&str, &str)]) {
    let records: Vec<_> = runs
        .iter()
        .enumerate()
        .map(
            |(place, (started, ended))| json!({ "cycle": format!("c{place}"), "startedAt": started, "endedAt": ended }),
        )
        .collect();
    world.stored(|status| *status = json!({ "ledger": { "runs": records } }));
}

fn busy_with_another_run(world: &mut World) {
    world.around.canaries.push(earlier_canary(|canary| {
        canary["spec"]["escalationName"] = json!("other");
        canary["status"]["releasedAt"] = json!(null);
    }));
}

fn frozen(world: &mut World) {
    world.around.canaries.push(earlier_canary(|canary| {
        canary["spec"]["escalationName"] = json!("other");
        canary["status"]["releasedAt"] = json!(null);
        canary["status"]["podName"] = json!("earlier-canary");
        canary["status"]["conditions"] = json!([{
            "type": "Restored", "status": "False", "reason": "RestoreFailed", "message": "",
            "lastTransitionTime": "2026-03-03T03:32:00Z",
        }]);
    }));
}

fn suspended(world: &mut World, until: Option<&str>) {
    world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711", "until": until }));
}

const NEXT_NIGHT: Option<&str> = Some("2026-03-05T03:00:00Z");

const ROWS: [Row; 13] = [
    Row {
        what: "the window opens later",
        close: later_window,
        gate: GateName::WindowOpen,
        reason: "OutsideWindow",
        opens_at: Some("2026-03-04T05:00:00Z"),
        all_open_at: Some("2026-03-04T05:00:00Z"),
    },
    Row {
        what: "measuring is spent",
        close: |world| spent(world, "45s", "100s"),
        gate: GateName::BudgetAvailable,
        reason: "BudgetExhausted",
        opens_at: NEXT_NIGHT,
        all_open_at: NEXT_NIGHT,
    },
    Row {
        what: "holding is spent",
        close: |world| spent(world, "8s", "881s"),
        gate: GateName::BudgetAvailable,
        reason: "BudgetExhausted",
        opens_at: NEXT_NIGHT,
        all_open_at: NEXT_NIGHT,
    },
    Row {
        what: "the last run ended an hour before the window",
        close: |world| tuning_runs(world, &[("2026-03-04T01:30:00Z", "2026-03-04T02:00:00Z")]),
        gate: GateName::CooldownElapsed,
        reason: "CoolingDown",
        opens_at: Some("2026-03-04T08:00:00Z"),
        all_open_at: NEXT_NIGHT,
    },
    Row {
        what: "three runs began within a day",
        close: |world| {
            tuning_runs(
                world,
                &[
                    ("2026-03-03T04:00:00Z", "2026-03-03T04:10:00Z"),
                    ("2026-03-03T11:00:00Z", "2026-03-03T11:10:00Z"),
                    ("2026-03-03T18:00:00Z", "2026-03-03T18:10:00Z"),
                ],
            );
        },
        gate: GateName::RateAvailable,
        reason: "RateReached",
        opens_at: Some("2026-03-04T04:00:00Z"),
        all_open_at: Some("2026-03-04T04:00:00Z"),
    },
    Row {
        what: "an older Escalation",
        close: |world| world.around.escalations.push(another_escalation("older", "2026-02-28T00:00:00Z")),
        gate: GateName::TargetFree,
        reason: "OtherEscalationRules",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "a pod that was not seen to end",
        close: frozen,
        gate: GateName::TargetFree,
        reason: "TargetFrozen",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "a tuning run that another Escalation began",
        close: busy_with_another_run,
        gate: GateName::TargetFree,
        reason: "TuningRunActive",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "a promotion that nobody has looked at",
        close: |world| world.around.promotions.push(earlier_promotion(&json!({}))),
        gate: GateName::TargetFree,
        reason: "PromotionUnvalidated",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "a promotion that waits for its run",
        close: |world| world.around.promotions.push(earlier_promotion(&json!({ "phase": "Applied" }))),
        gate: GateName::TargetFree,
        reason: "PromotionUnvalidated",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "suspended until somebody lifts it",
        close: |world| suspended(world, None),
        gate: GateName::NotSuspended,
        reason: "Suspended",
        opens_at: None,
        all_open_at: None,
    },
    Row {
        what: "suspended until four",
        close: |world| suspended(world, Some("2026-03-04T04:00:00Z")),
        gate: GateName::NotSuspended,
        reason: "Suspended",
        opens_at: Some("2026-03-04T04:00:00Z"),
        all_open_at: Some("2026-03-04T04:00:00Z"),
    },
    Row {
        what: "suspended past this night",
        close: |world| suspended(world, Some("2026-03-04T12:00:00Z")),
        gate: GateName::NotSuspended,
        reason: "Suspended",
        opens_at: Some("2026-03-04T12:00:00Z"),
        all_open_at: NEXT_NIGHT,
    },
];

fn condition_of(gate: GateName) -> ConditionType {
    match gate {
        GateName::WindowOpen => ConditionType::WindowOpen,
        GateName::BudgetAvailable => ConditionType::BudgetAvailable,
        GateName::CooldownElapsed => ConditionType::CooldownElapsed,
        GateName::RateAvailable => ConditionType::RateAvailable,
        GateName::TargetFree => ConditionType::TargetFree,
        GateName::NotSuspended => ConditionType::NotSuspended,
    }
}

fn instant(text: Option<&str>) -> Option<Timestamp> {
    text.map(at)
}

#[test]
fn one_closed_gate_keeps_everything_from_beginning_and_says_until_when() {
    for row in &ROWS {
        let mut world = World::new();
        (row.close)(&mut world);
        let canaries = world.around.canaries.len();
        let plan = world.plan();
        world.settle();
        assert_eq!(world.around.canaries.len(), canaries, "{}", row.what);
        let gate = world.gate(row.gate);
        assert_eq!(
            (gate.open, gate.reason.as_str(), gate.opens_at),
            (false, row.reason, instant(row.opens_at)),
            "{}",
            row.what
        );
        if let Some(opens_at) = row.opens_at {
            assert!(gate.message.contains(opens_at), "{}: {}", row.what, gate.message);
        }
        let condition = world.condition(&condition_of(row.gate)).unwrap();
        assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::False, row.reason), "{}", row.what);
        assert_eq!(condition.message, gate.message, "{}", row.what);
        let closed: Vec<GateName> =
            world.status().gates.iter().filter(|gate| !gate.open).map(|gate| gate.name).collect();
        assert_eq!(closed, [row.gate], "{}: and no other", row.what);
        assert_eq!(world.status().all_gates_open_at, instant(row.all_open_at), "{}", row.what);
        // The flag is armed all the same, and that it waits is said.
        assert!(world.flag_state() == crate::api::escalation::status::FlagState::Armed, "{}", row.what);
        // When time alone changes something: the gate's opening, the end of the window, or that of the flag.
        let next = [row.opens_at, Some("2026-03-04T07:00:00Z"), Some("2026-03-04T07:20:00Z")];
        let next = next.into_iter().flatten().map(at).min().unwrap();
        let next = if row.gate == GateName::WindowOpen { at("2026-03-04T05:00:00Z") } else { next };
        // A figure that is told (of a count, of the rate) may change before that.
        let Wake::At(wakes_at) = plan.wake else { panic!("{}: it never looks again by itself", row.what) };
        assert!(wakes_at > at("2026-03-04T03:21:00Z") && wakes_at <= next, "{}: {wakes_at}", row.what);
    }
}

#[test]
fn a_closed_gate_is_told_with_the_armed_flag() {
    for row in &ROWS {
        let mut world = World::new();
        (row.close)(&mut world);
        world.settle();
        let (_, reason, message) = world.ready();
        match row.reason {
            // A second Escalation can't work until somebody takes one of them away.
            "OtherEscalationRules" => {
                assert_eq!((reason, world.state()), ("OtherEscalationRules", EscalationState::Stalled));
                assert!(message.contains("escalation older"), "{message}");
            }
            // Its own canary would be told; another's is told by the gate.
            "Suspended" => assert_eq!((reason, world.state()), ("AwaitingGates", EscalationState::Suspended)),
            _ => assert_eq!((reason, world.state()), ("AwaitingGates", EscalationState::Armed), "{}", row.what),
        }
        if reason == "AwaitingGates" {
            assert!(message.starts_with("vllm_oom armed until 2026-03-04T07:20:00Z; "), "{message}");
            // Both budgets stand in one gate; of its sentence that of the closed one is told.
            let told = world
                .gate(row.gate)
                .message
                .split("; ")
                .all(|part| message.contains(part) || part.ends_with("2026-03-04"));
            assert!(told, "{}: {message}", row.what);
        }
    }
}

#[test]
fn open_gates_say_why_and_name_no_instant() {
    let mut world = World::new();
    world.look();
    let shown: Vec<(GateName, bool, &str)> =
        world.status().gates.iter().map(|gate| (gate.name, gate.open, gate.reason.as_str())).collect();
    let expected = [
        (GateName::WindowOpen, true, "WithinWindow"),
        (GateName::BudgetAvailable, true, "BudgetLeft"),
        (GateName::CooldownElapsed, true, "NoTuningRunYet"),
        (GateName::RateAvailable, true, "BelowRate"),
        (GateName::TargetFree, true, "Free"),
        (GateName::NotSuspended, true, "Running"),
    ];
    assert_eq!(shown, expected);
    assert!(world.status().gates.iter().all(|gate| gate.opens_at.is_none()));
    assert_eq!(world.status().all_gates_open_at, None);
    for (gate, _, reason) in expected {
        let condition = world.condition(&condition_of(gate)).unwrap();
        assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::True, reason));
    }
    // Both budgets stand in one sentence.
    let message = &world.gate(GateName::BudgetAvailable).message;
    assert!(
        message.contains("1m of 1m left for measuring") && message.contains("15m of 15m left for holding GPUs"),
        "{message}"
    );
}

#[test]
fn a_gate_opens_at_its_instant_and_not_before() {
    type Case = (fn(&mut World), &'static str, &'static str);
    let cases: [Case; 4] = [
        (later_window, "2026-03-04T04:59:59Z", "2026-03-04T05:00:00Z"),
        (
            |world| tuning_runs(world, &[("2026-03-03T22:00:00Z", "2026-03-03T22:30:00Z")]),
            "2026-03-04T04:29:59Z",
            "2026-03-04T04:30:00Z",
        ),
        (|world| suspended(world, Some("2026-03-04T04:00:00Z")), "2026-03-04T03:59:59Z", "2026-03-04T04:00:00Z"),
        (
            |world| {
                tuning_runs(
                    world,
                    &[
                        ("2026-03-03T04:00:00Z", "2026-03-03T04:10:00Z"),
                        ("2026-03-03T11:00:00Z", "2026-03-03T11:10:00Z"),
                        ("2026-03-03T18:00:00Z", "2026-03-03T18:10:00Z"),
                    ],
                );
            },
            "2026-03-04T03:59:59Z",
            "2026-03-04T04:00:00Z",
        ),
    ];
    for (close, before, then) in cases {
        let mut world = World::new();
        close(&mut world);
        world.now = at(before);
        world.settle();
        assert_eq!(world.reason(), "AwaitingGates", "{before}");
        world.now = at(then);
        let plan = world.plan();
        assert!(matches!(plan.intents.as_slice(), [Intent::CreateCanary(_), ..]), "{then}: {:?}", plan.report.message);
    }
}

#[test]
fn the_window_closes_at_its_end() {
    let mut world = World::new();
    world.spec(|spec| spec["safety"]["windows"] = json!([{ "start": "03:00", "end": "04:00" }]));
    // By the worst case a canary takes its start timeout, its measuring and two graces.
    world.now = at("2026-03-04T03:57:27Z");
    let plan = world.plan();
    let makes = plan.intents.iter().any(|intent| matches!(intent, Intent::CreateCanary(_)));
    assert!(!makes, "an incumbent would fit, and no candidate after it");
    world.now = at("2026-03-04T03:55:00Z");
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]));
    world.now = at("2026-03-04T03:57:28Z");
    world.settle();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "WindowClosesTooSoon");
    assert!(message.contains("closes at 2026-03-04T04:00:00Z, in 2m32s; a canary may need 2m18s"), "{message}");
    world.now = at("2026-03-04T04:00:00Z");
    world.settle();
    assert_eq!((world.reason(), world.gate(GateName::WindowOpen).reason.as_str()), ("AwaitingGates", "OutsideWindow"));
}

#[test]
fn what_is_left_of_a_budget_may_just_do() {
    // Incumbent and one candidate: twice 8 s of measuring, twice 18 s of holding.
    for (measure, hold, opens) in
        [("44s", "0s", true), ("45s", "0s", false), ("0s", "864s", true), ("0s", "865s", false)]
    {
        let mut world = World::new();
        let folded = json!({ "measure": measure, "hold": hold });
        spent(&mut world, "0s", "0s");
        world.stored(|status| status["ledger"]["nights"][0]["folded"][0]["used"] = folded);
        let begins = matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]);
        assert_eq!(begins, opens, "{measure} {hold}");
    }
}

#[test]
fn a_promotion_that_has_ended_keeps_the_target_from_nobody() {
    for phase in ["Validated", "RolledBack", "Rejected", "Superseded", "Expired", "Conflict"] {
        let mut world = World::new();
        world.around.promotions.push(earlier_promotion(&json!({ "phase": phase })));
        assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]), "{phase}");
    }
    for phase in ["Staged", "AwaitingReview", "Applying", "Applied", "RollingBack"] {
        let mut world = World::new();
        world.around.promotions.push(earlier_promotion(&json!({ "phase": phase })));
        world.settle();
        assert_eq!(world.gate(GateName::TargetFree).reason, "PromotionUnvalidated", "{phase}");
    }
}

#[test]
fn what_belongs_to_other_targets_closes_nothing() {
    let mut world = World::new();
    let elsewhere = |object: &mut serde_json::Value| object["spec"]["targetRef"]["name"] = json!("qwen");
    let change = crate::controllers::tuning_canary::fixture::changed::<crate::api::Escalation>;
    world.around.escalations.push(change(&another_escalation("older", "2026-02-28T00:00:00Z"), elsewhere));
    let promotion = earlier_promotion(&json!({ "phase": "Applied" }));
    world.around.promotions.push(crate::controllers::tuning_canary::fixture::changed(&promotion, elsewhere));
    world.around.canaries.push(earlier_canary(|canary| {
        elsewhere(canary);
        aborted(&mut canary["status"]);
        canary["status"]["releasedAt"] = json!(null);
    }));
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]));
}

#[test]
fn of_two_escalations_the_older_rules_and_of_two_of_one_second_the_smaller_uid() {
    for (created_at, name, begins) in [
        ("2026-02-28T23:59:59Z", "other", false),
        ("2026-03-01T00:00:01Z", "other", true),
        ("2026-03-01T00:00:00Z", "a", false),
        ("2026-03-01T00:00:00Z", "z", true),
    ] {
        let mut world = World::new();
        world.around.escalations.push(another_escalation(name, created_at));
        let begun = matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]);
        assert_eq!(begun, begins, "{created_at} uid-{name}");
    }
    // One that is being deleted rules nothing any more.
    let mut world = World::new();
    let older = another_escalation("older", "2026-02-28T00:00:00Z");
    world.around.escalations.push(crate::controllers::tuning_canary::fixture::changed(&older, |object| {
        object["metadata"]["deletionTimestamp"] = json!("2026-03-04T03:00:00Z");
    }));
    assert!(matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..]));
}
