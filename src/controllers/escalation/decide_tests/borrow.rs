//! Borrowing a replica for a tuning run: once for all its canaries, and given back as soon as nothing may begin for it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use phaseloop_core::plan::Intent;
use serde_json::json;

use super::world::{World, aborted, night, passed};
use crate::{
    api::escalation::status::EscalationState,
    controllers::{fixture, tuning_canary::fixture::changed},
};

/// An armed flag, every gate open, and a Deployment of two ready replicas to borrow from.
fn world() -> World {
    let mut world = World::new();
    world.spec(|spec| spec["canary"]["placement"] = json!("BorrowReplica"));
    world.change_target(fixture::of_two_replicas);
    world
}

/// `replicas` of the target, and whether it carries the note.
fn stands(world: &World) -> (i64, bool) {
    fixture::stands(world.around.target.as_ref())
}

fn has_finalizer(world: &World) -> bool {
    world.around.object.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty())
}

/// How often the target was scaled down, and up again.
fn scalings(world: &World) -> (usize, usize) {
    let count = |wanted: &str| world.told_reasons().iter().filter(|reason| **reason == wanted).count();
    (count("BorrowingReplica"), count("ReplicaGivenBack"))
}

fn names(intents: &[Intent]) -> Vec<&'static str> {
    intents.iter().map(Intent::name).filter(|name| *name != "RecordEvent").collect()
}

#[test]
fn a_replica_is_borrowed_once_for_all_canaries_of_a_run() {
    let mut world = world();
    world.look();
    assert!(has_finalizer(&world) && world.around.canaries.is_empty(), "it may not go before it gave back");
    assert_eq!((world.state(), world.reason()), (EscalationState::Tuning, "BorrowingReplica"));
    world.look();
    assert_eq!((stands(&world), world.around.canaries.len()), ((1, true), 0));
    let remembered = world.status().tuning.as_ref().unwrap().borrowed.as_ref().unwrap();
    assert_eq!((remembered.from, remembered.to), (2, 1));
    for within in [100, 110, 120, 180, 130] {
        world.settle();
        assert_eq!(stands(&world), (1, true));
        world.finish(passed(within));
    }
    world.settle();
    assert_eq!(world.tried().len(), 5);
    assert!(world.outcome().promotion_name.is_some(), "{:?}", world.outcome());
    assert_eq!((stands(&world), has_finalizer(&world), scalings(&world)), ((2, false), false, (1, 1)));
}

#[test]
fn that_it_is_to_be_given_back_is_durable_before_the_request() {
    let mut world = world();
    world.look();
    let plan = world.plan();
    assert_eq!(names(&plan.intents), ["ScaleTargetForBorrow"]);
    let remembered = plan.remember.unwrap().status.tuning.unwrap().borrowed.unwrap();
    assert_eq!((remembered.target_resource_version.as_deref(), remembered.given_back_at), (Some("3"), None));
}

#[test]
fn the_promotion_and_the_replica_come_with_the_same_look() {
    let mut world = world();
    for within in [100, 110, 120, 180] {
        world.step(passed(within));
    }
    world.settle();
    world.finish(passed(130));
    assert_eq!(names(&world.look().intents), ["GiveBackReplica", "CreatePromotion", "RemoveFinalizer"]);
}

#[test]
fn a_run_that_died_anywhere_borrows_and_gives_back_once() {
    for writes in 0..6 {
        let mut world = world();
        while world.around.canaries.is_empty() {
            world.look_up_to(writes);
            world.look();
        }
        assert_eq!(stands(&world), (1, true), "after {writes} writes");
        world.settle();
        world.finish(aborted);
        world.look_up_to(writes);
        world.settle();
        assert_eq!((stands(&world), has_finalizer(&world)), ((2, false), false), "after {writes} writes");
    }
}

#[test]
fn a_target_that_can_lend_nothing_now_is_waited_for() {
    let mut world = world();
    world.change_target(|target| target["status"]["readyReplicas"] = json!(1));
    world.settle();
    assert_eq!((world.state(), world.reason()), (EscalationState::Armed, "BorrowRefused"));
    assert!(world.ready().2.contains("TooFewReady: 1 of 2 replicas"), "{}", world.ready().2);
    world.change_target(|target| target["status"]["readyReplicas"] = json!(2));
    world.settle();
    assert_eq!((stands(&world), world.tried()), ((1, true), vec!["incumbent".to_owned()]));
}

#[test]
fn a_canary_that_was_aborted_or_is_past_its_time_keeps_no_replica() {
    let start = || {
        let mut world = world();
        world.settle();
        let canary = world.around.canaries.last_mut().unwrap();
        *canary = changed(canary, |canary| canary["status"] = json!({ "phase": "Measuring" }));
        world.settle();
        assert_eq!(stands(&world), (1, true));
        world
    };
    let mut world = start();
    let canary = world.around.canaries.last_mut().unwrap();
    canary.spec.abort = true;
    world.look();
    assert_eq!(stands(&world), (2, false), "although its containers are not seen to end");
    let mut world = start();
    world.now = world.newest().spec.not_after;
    world.look();
    assert_eq!(stands(&world), (2, false));
}

#[test]
fn nothing_is_kept_while_nothing_may_begin() {
    let suspended: fn(&mut World) = |world| world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711" }));
    let stalled: fn(&mut World) = |world| world.around.schedules.clear();
    let closed: fn(&mut World) = |world| world.now = "2026-03-04T07:00:00Z".parse().unwrap();
    let changed_target: fn(&mut World) = |world| {
        world.change_target(|target| target["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other"));
    };
    let busy: fn(&mut World) = |world| {
        world.around.runs.push(changed(&night(4), |run| {
            run["metadata"]["name"] = json!("by-hand");
            run["metadata"]["uid"] = json!("uid-by-hand");
            run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T03:22:30Z" });
        }));
    };
    for (what, change) in [
        ("suspended", suspended),
        ("stalled", stalled),
        ("the window closed", closed),
        ("the target changed", changed_target),
        ("a run is on the target", busy),
    ] {
        let mut world = world();
        world.step(passed(100));
        world.finish(passed(180));
        change(&mut world);
        world.settle();
        assert_eq!((stands(&world), has_finalizer(&world)), ((2, false), false), "{what}");
    }
}

#[test]
fn a_run_that_waited_for_another_borrows_again() {
    let mut world = world();
    world.step(passed(100));
    world.finish(passed(180));
    let by_hand = changed(&night(4), |run| {
        run["metadata"]["name"] = json!("by-hand");
        run["metadata"]["uid"] = json!("uid-by-hand");
        run["status"] = json!({ "phase": "Running", "startedAt": "2026-03-04T03:22:30Z" });
    });
    world.around.runs.push(by_hand);
    world.settle();
    let given_back = world.status().tuning.as_ref().unwrap().borrowed.as_ref().unwrap();
    assert!(given_back.given_back_at.is_some());
    world.around.runs.pop();
    world.settle();
    assert_eq!((stands(&world), world.tried().len(), scalings(&world)), ((1, true), 3, (2, 1)));
}

#[test]
fn an_escalation_that_is_deleted_gives_back_before_it_goes() {
    let mut world = world();
    world.step(passed(100));
    world.around.object.metadata.deletion_timestamp = Some(Time(world.now));
    assert_eq!(names(&world.plan().intents), ["GiveBackReplica", "RemoveFinalizer"]);
    world.around.object.status = None;
    world.look();
    assert_eq!(stands(&world), (2, false), "also without its status: the note on the target tells");
}

#[test]
fn a_request_that_may_yet_land_is_fenced_before_nothing_is_owed() {
    let mut world = world();
    world.look();
    world.look_up_to(1);
    assert_eq!(stands(&world), (2, false), "remembered, and not sent");
    world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711" }));
    assert_eq!(names(&world.plan().intents), ["FenceTarget"]);
    world.look();
    assert!(has_finalizer(&world));
    world.settle();
    assert_eq!((stands(&world), has_finalizer(&world), scalings(&world)), ((2, false), false, (0, 0)));
}

#[test]
fn replicas_that_somebody_else_has_set_stay_and_are_told() {
    let mut world = world();
    world.step(passed(100));
    world.change_target(|target| target["spec"]["replicas"] = json!(5));
    world.spec(|spec| spec["suspend"] = json!({ "reason": "incident 4711" }));
    world.settle();
    assert_eq!((stands(&world), has_finalizer(&world)), ((5, false), false));
    assert!(world.told_reasons().contains(&"GiveBackConflict"));
}

#[test]
fn an_escalation_that_takes_spare_gpus_alone_never_writes_to_its_target() {
    let mut world = world();
    world.spec(|spec| {
        spec["canary"].as_object_mut().unwrap().remove("placement");
    });
    for within in [100, 110, 120, 180, 130] {
        world.step(passed(within));
    }
    assert_eq!((stands(&world), has_finalizer(&world), scalings(&world)), ((2, false), false, (0, 0)));
}
