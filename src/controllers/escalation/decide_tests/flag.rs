//! Flags over nights: armed, expired, used up, and armed again only by what is newer.

use phaseloop_core::plan::Intent;
use serde_json::json;

use super::world::{World, aborted, infrastructure, night, out_of_memory, passed};
use crate::{
    api::{
        TuningCanary,
        escalation::status::{CountedRun, EscalationState, FlagState},
    },
    controllers::tuning_canary::fixture::{at, changed},
};

/// What the story of each day does: a night that found it again at 03:20, looked at a minute later.
fn live_through(world: &mut World, day: u32) {
    world.around.runs.push(night(day));
    world.now = at(&format!("2026-03-{day:02}T03:21:00Z"));
}

fn begins(world: &World) -> bool {
    matches!(world.plan().intents.as_slice(), [Intent::CreateCanary(_), ..])
}

#[test]
fn below_the_threshold_symptoms_are_counted_and_nothing_else() {
    let mut world = World::new();
    world.around.runs.remove(0);
    world.settle();
    assert_eq!((world.flag_state(), world.flag().count, world.flag().threshold), (FlagState::Idle, 2, 3));
    assert_eq!((world.state(), world.reason()), (EscalationState::Counting, "Counting"));
    assert_eq!(world.ready().2, "vllm_oom 2 of 3 in 53h");
    assert_eq!(world.status().summary.as_ref().unwrap().flag.as_deref(), Some("vllm_oom 2 of 3"));
    assert_eq!((world.around.canaries.len(), world.told.len()), (0, 0));
    world.around.runs.clear();
    world.settle();
    assert_eq!((world.ready().2, world.flag().counted.len()), ("no symptom counts", 0));
}

#[test]
fn every_kind_of_symptom_has_its_flag_unless_the_spec_names_some() {
    let mut world = World::new();
    world.settle();
    let kinds: Vec<&str> = world.status().flags.iter().map(|flag| flag.symptom.name()).collect();
    assert_eq!(kinds, ["vllm_oom", "engine_crash", "pass_rate_drop", "latency_regression", "throughput_drop"]);
    world.spec(|spec| spec["rules"] = json!([{ "symptom": "latency_regression" }]));
    world.around.canaries.clear();
    world.settle();
    let kinds: Vec<&str> = world.status().flags.iter().map(|flag| flag.symptom.name()).collect();
    assert_eq!(kinds, ["latency_regression"]);
    assert_eq!(world.reason(), "Counting", "a kind that is not named arms nothing");
}

#[test]
fn an_expired_flag_starts_nothing() {
    let mut world = World::new();
    world.now = at("2026-03-04T06:55:00Z");
    assert!(begins(&world));
    // A window without an end, so that nothing but the flag forbids it.
    world.spec(|spec| spec["safety"]["windows"] = json!([{ "start": "00:00", "end": "24:00" }]));
    world.now = at("2026-03-04T07:19:59Z");
    assert!(begins(&world));
    world.now = at("2026-03-04T07:20:00Z");
    world.settle();
    assert_eq!((world.flag_state(), world.flag().reason.as_str()), (FlagState::Expired, "ExpiredUnused"));
    assert_eq!((world.reason(), world.around.canaries.len()), ("Counting", 0));
    assert!(world.ready().2.contains("expired at 2026-03-04T07:20:00Z"), "{}", world.ready().2);
    assert!(world.told.is_empty(), "nobody looked while it was armed");
    // Neither does a clock that is put back.
    world.now = at("2026-03-04T03:21:00Z");
    world.settle();
    assert_eq!((world.flag_state(), world.around.canaries.len()), (FlagState::Expired, 0));
}

#[test]
fn only_a_symptom_newer_than_its_expiry_arms_a_flag_again() {
    let mut world = World::new();
    world.now = at("2026-03-04T07:20:00Z");
    world.settle();
    let mut older = night(4);
    older.metadata.name = Some("by-hand".to_owned());
    older.metadata.uid = Some("uid-by-hand".to_owned());
    older.status.as_mut().unwrap().completed_at = Some(at("2026-03-04T07:20:00Z"));
    world.around.runs.push(older);
    world.now = at("2026-03-05T03:00:30Z");
    world.settle();
    assert_eq!(world.flag_state(), FlagState::Expired, "judged at the very instant of the expiry");
    live_through(&mut world, 5);
    world.settle();
    assert_eq!((world.flag_state(), world.flag().armed_at), (FlagState::Armed, Some(at("2026-03-05T03:20:00Z"))));
    assert_eq!(world.tried(), ["incumbent"]);
    assert_eq!(world.told_reasons(), ["ThresholdReached", "MakingCanary"]);
}

#[test]
fn a_flag_that_was_armed_anew_while_nobody_looked_is_told() {
    let mut world = World::new();
    world.spec(|spec| spec["suspend"] = json!({ "reason": "holidays" }));
    world.settle();
    assert_eq!(world.told_reasons(), ["ThresholdReached"]);
    // The operator was away for a day: the flag expired, and the next night armed it again.
    live_through(&mut world, 5);
    world.settle();
    assert_eq!(world.flag().armed_at, Some(at("2026-03-05T03:20:00Z")));
    assert_eq!(world.told_reasons(), ["ThresholdReached", "ThresholdReached"]);
}

#[test]
fn a_later_symptom_does_not_lengthen_an_armed_flag() {
    let mut world = World::new();
    world.spec(|spec| {
        spec["suspend"] = json!({ "reason": "holidays" });
        spec["rules"] = json!([{ "symptom": "vllm_oom", "flagTTL": "30h" }]);
    });
    world.settle();
    let armed = world.flag().clone();
    live_through(&mut world, 5);
    world.settle();
    assert_eq!((world.flag().armed_at, world.flag().expires_at), (armed.armed_at, armed.expires_at));
    assert_eq!(world.flag().evidence, armed.evidence);
    assert_eq!(world.told_reasons(), ["ThresholdReached"]);
}

#[test]
fn a_used_up_flag_takes_as_many_new_symptoms_as_the_first_time() {
    let mut world = World::new();
    world.step(passed(100));
    for _ in 0..4 {
        world.step_on(passed(101));
    }
    assert_eq!(world.outcome().reason, "GainTooSmall");
    let names = |runs: &[CountedRun]| runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>();
    for (day, counted) in [(5, &["n5"][..]), (6, &["n5", "n6"])] {
        live_through(&mut world, day);
        world.settle();
        assert_eq!(world.flag_state(), FlagState::Cleared, "{day}");
        assert_eq!(world.flag().count, i64::from(day) - 4, "{day}");
        assert_eq!(names(&world.flag().counted), counted, "{day}");
        assert_eq!(names(&world.flag().evidence), ["n2", "n3", "n4"], "those that armed it");
        assert_eq!(world.around.canaries.len(), 5, "{day}");
    }
    live_through(&mut world, 7);
    world.settle();
    assert_eq!((world.flag_state(), world.flag().count), (FlagState::Armed, 3));
    assert_eq!(names(&world.flag().evidence), ["n5", "n6", "n7"]);
    assert_eq!(world.newest().spec.consumes, ["uid-n5", "uid-n6", "uid-n7"]);
}

#[test]
fn what_the_incumbent_came_to_says_whether_the_symptoms_are_used_up() {
    type Outcome = fn(&mut serde_json::Value);
    let cases: [(Outcome, FlagState); 4] = [
        (|status| passed(100)(status), FlagState::Cleared),
        (out_of_memory, FlagState::Cleared),
        (infrastructure, FlagState::Armed),
        (aborted, FlagState::Armed),
    ];
    for (outcome, state) in cases {
        let mut world = World::new();
        world.step(outcome);
        assert_eq!(world.flag_state(), state);
    }
}

#[test]
fn a_symptom_that_no_tuning_used_up_counts_again_once_the_flag_is_over() {
    let mut world = World::new();
    world.step(infrastructure);
    assert_eq!(world.outcome().reason, "IncumbentNotMeasured");
    world.now = at("2026-03-04T07:20:00Z");
    world.settle();
    assert_eq!(world.flag_state(), FlagState::Expired);
    live_through(&mut world, 5);
    world.settle();
    assert_eq!(world.flag_state(), FlagState::Armed);
    let incumbents: Vec<&TuningCanary> =
        world.around.canaries.iter().filter(|canary| canary.spec.parameters.is_empty()).collect();
    assert_eq!(incumbents.len(), 2);
    assert_eq!(incumbents[1].spec.consumes, ["uid-n3", "uid-n4", "uid-n5"]);
    assert_eq!((incumbents[1].spec.night.as_str(), incumbents[1].spec.attempt), ("2026-03-05", 0));
}

#[test]
fn only_valid_runs_that_count_and_are_grave_enough_are_counted() {
    let counted = |change: fn(&mut serde_json::Value), rule: serde_json::Value| {
        let mut world = World::new();
        world.spec(|spec| spec["rules"] = json!([rule]));
        world.around.runs[2] = changed(&world.around.runs[2], change);
        world.settle();
        world.flag().count
    };
    let rule = || json!({ "symptom": "vllm_oom" });
    assert_eq!(counted(|_| (), rule()), 3);
    assert_eq!(counted(|run| run["spec"]["counts"] = json!(false), rule()), 2);
    assert_eq!(counted(|run| run["status"]["domains"][0]["valid"] = json!(false), rule()), 2);
    assert_eq!(counted(|run| run["spec"]["targetRef"]["name"] = json!("qwen"), rule()), 2);
    let warning = |run: &mut serde_json::Value| run["status"]["symptoms"][0]["severity"] = json!("warning");
    assert_eq!(counted(warning, rule()), 3);
    assert_eq!(counted(warning, json!({ "symptom": "vllm_oom", "minSeverity": "critical" })), 2);
    let twice = |run: &mut serde_json::Value| {
        let again = run["status"]["symptoms"][0].clone();
        run["status"]["symptoms"].as_array_mut().unwrap().push(again);
    };
    assert_eq!(counted(twice, rule()), 3);
}

#[test]
fn a_phase_that_outlasts_the_window_is_told() {
    let mut world = World::new();
    world.spec(|spec| spec["safety"]["windows"] = json!([{ "start": "01:00", "end": "03:10" }]));
    world.settle();
    let condition = world.condition(&crate::api::condition::ConditionType::PhaseOutlastsWindow).unwrap();
    assert_eq!(condition.reason, "PhaseOutlastsWindow");
    assert!(condition.message.contains("expires at 2026-03-04T07:20:00Z"), "{}", condition.message);
    world.spec(|spec| spec["rules"] = json!([{ "symptom": "vllm_oom", "validThroughNextWindow": true }]));
    world.around.object.status = None;
    world.settle();
    assert_eq!(world.condition(&crate::api::condition::ConditionType::PhaseOutlastsWindow), None);
    assert_eq!(world.flag().expires_at, Some(at("2026-03-05T03:10:00Z")));
}
