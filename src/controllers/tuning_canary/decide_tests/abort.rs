//! What ends a canary from outside. Nothing is concluded from it then, whatever it had shown.

use phaseloop_core::plan::{Intent, pod::TestPodEnd};
use serde_json::json;

use super::world::{World, deeds, measured};
use crate::{
    api::{condition::ConditionType, tuning_canary::status::CanaryPhase},
    controllers::tuning_canary::fixture::{at, changed},
};

/// A canary that measures.
fn measuring() -> World {
    let mut world = World::new();
    world.settle();
    world.start_pod();
    world.settle();
    world.pass(20);
    world
}

fn set_abort(world: &mut World) {
    world.canary.spec.abort = true;
}

fn delete(world: &mut World) {
    world.canary = changed(&world.canary, |canary| canary["metadata"]["deletionTimestamp"] = json!(world.now));
}

fn suspend(world: &mut World) {
    let escalation = world.escalation.as_ref().unwrap();
    world.escalation =
        Some(changed(escalation, |object| object["spec"]["suspend"] = json!({ "reason": "maintenance" })));
}

fn close_window(world: &mut World) {
    let escalation = world.escalation.as_ref().unwrap();
    world.escalation = Some(changed(escalation, |object| {
        object["spec"]["safety"]["windows"] = json!([{ "start": "01:00", "end": "03:15" }]);
    }));
}

fn remove_escalation(world: &mut World) {
    world.escalation = None;
}

#[test]
fn each_end_from_outside_deletes_the_pod_in_the_look_that_sees_it() {
    type Case = (fn(&mut World), &'static str, TestPodEnd);
    let cases: [Case; 5] = [
        (set_abort, "Aborted", TestPodEnd::Aborted),
        (delete, "Aborted", TestPodEnd::Aborted),
        (suspend, "Suspended", TestPodEnd::Aborted),
        (close_window, "WindowClosed", TestPodEnd::PastNotAfter),
        (remove_escalation, "EscalationGone", TestPodEnd::Aborted),
    ];
    for (end, reason, cause) in cases {
        let mut world = measuring();
        end(&mut world);
        let plan = world.plan();
        assert!(
            matches!(deeds(&plan).as_slice(), [Intent::DeleteTestPod(deletion)] if deletion.cause == cause),
            "{reason}"
        );
        assert_eq!(plan.remember.as_ref(), Some(&plan.report), "{reason}: told before it is done");
        let mut follower = world.clone();
        follower.look_without_leading();
        assert!(follower.pods[0].metadata.deletion_timestamp.is_some(), "{reason}: any replica ends it");
        world.look();
        let (verdict, reasons) = world.verdict();
        assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Aborted", reason));
        assert_eq!(world.status().phase, Some(CanaryPhase::Scoring), "{reason}: not given back yet");
    }
}

#[test]
fn an_abort_wins_over_a_result_that_was_not_stored() {
    for end in [set_abort, suspend, close_window] {
        let mut world = measuring();
        world.pass(40);
        world.end_pod(&measured(world.now, 140));
        end(&mut world);
        world.look();
        assert_eq!(world.verdict().0, "Aborted");
        assert_eq!(world.status().fitness, None);
    }
}

#[test]
fn a_stored_result_stays_whatever_is_aborted_then() {
    let mut world = World::new();
    world.measure(|now| measured(now, 140));
    set_abort(&mut world);
    suspend(&mut world);
    world.settle();
    assert_eq!(world.verdict().0, "Passed");
}

#[test]
fn a_suspension_that_is_over_ends_nothing() {
    let mut world = measuring();
    let escalation = world.escalation.as_ref().unwrap();
    world.escalation = Some(changed(escalation, |object| {
        object["spec"]["suspend"] = json!({ "reason": "maintenance", "until": world.now });
    }));
    assert_eq!(world.plan().intents, []);
    world.now = at("2026-03-04T03:21:19Z");
    assert_eq!(deeds(&world.plan()).len(), 1);
}

#[test]
fn an_aborted_canary_that_never_had_a_pod_is_given_back_at_once() {
    let mut world = World::new();
    set_abort(&mut world);
    world.look();
    let used = world.status().used.clone().unwrap();
    assert_eq!((used.hold.to_string(), used.proven), ("0s".to_owned(), true));
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().reason, "Released");
}

#[test]
fn a_canary_is_aborted_when_the_window_closes_and_not_before() {
    let mut world = measuring();
    world.canary = changed(&world.canary, |canary| canary["spec"]["notAfter"] = json!("2026-03-04T08:00:00Z"));
    world.now = at("2026-03-04T06:59:59Z");
    assert_eq!(world.plan().intents, []);
    world.now = at("2026-03-04T07:00:00Z");
    assert_eq!(deeds(&world.plan()).len(), 1);
}
