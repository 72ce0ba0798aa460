//! A search that goes on in a later night: what was measured under the same conditions is kept.

use serde_json::{Value, json};

use super::world::{World, night, out_of_memory, passed};
use crate::{
    api::TuningCanary,
    controllers::tuning_canary::fixture::{at, changed},
};

/// A first night whose window closed after two candidates, and a flag that three newer nights armed again.
fn second_night(change: impl Fn(&mut TuningCanary)) -> World {
    let mut world = World::new();
    world.step(passed(100));
    world.step_on(passed(110));
    world.finish(passed(120));
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!((world.outcome().reason.as_str(), world.tried().len()), ("WindowClosed", 3));
    world.around.canaries.iter_mut().for_each(change);
    world.around.runs.extend((5..=7).map(night));
    world.now = at("2026-03-07T03:21:00Z");
    world
}

/// What the second night tries.
fn goes_on(world: &mut World) -> Vec<String> {
    let before = world.around.canaries.len();
    world.step(passed(100));
    let ended = |world: &World| world.status().tuning.is_none();
    while !ended(world) {
        world.step_on(passed(130));
    }
    world.tried().split_off(before)
}

fn of(canary: &mut TuningCanary, change: impl FnOnce(&mut Value)) {
    *canary = changed(canary, change);
}

#[test]
fn a_later_night_measures_its_incumbent_anew_and_keeps_the_candidates() {
    let mut world = second_night(|_| ());
    assert_eq!(goes_on(&mut world), ["incumbent", "0.75", "0.77"]);
    let outcome = world.outcome();
    assert_eq!((outcome.night.as_str(), outcome.candidates_tried), ("2026-03-07", 4));
    assert_eq!(outcome.search_ended.as_deref(), Some("EverythingTried"));
}

#[test]
fn what_an_earlier_night_measured_can_win() {
    let mut world = second_night(|canary| {
        if canary.spec.parameters.values().any(|value| value.to_string() == "0.72") {
            of(canary, |canary| passed(195)(&mut canary["status"]));
        }
    });
    goes_on(&mut world);
    let promotion = &world.around.promotions[0];
    assert_eq!(promotion.spec.parameters.values().next().unwrap().to_string(), "0.72");
    let canary =
        world.around.canaries.iter().find(|canary| canary.metadata.name.as_ref() == Some(&promotion.spec.canary_name));
    assert_eq!(canary.unwrap().spec.night, "2026-03-04");
}

#[test]
fn nothing_is_kept_that_was_measured_otherwise() {
    type Case = (&'static str, fn(&mut Value));
    let all = ["incumbent", "0.7", "0.72", "0.75", "0.77"];
    let changes: [Case; 9] = [
        ("slo", |canary| canary["spec"]["slo"] = json!({ "e2e": "3s" })),
        ("workload", |canary| canary["spec"]["workload"]["seed"] = json!(7)),
        ("limits", |canary| canary["spec"]["limits"] = json!({ "minimumRequests": 60 })),
        ("measure", |canary| canary["spec"]["measure"] = json!("9s")),
        ("target", |canary| canary["spec"]["targetUID"] = json!("uid-before")),
        ("template", |canary| canary["spec"]["templateHash"] = json!("before")),
        ("image", |canary| canary["status"]["effective"]["imageDigest"] = json!("sha256:before")),
        ("card", |canary| canary["status"]["effective"]["gpuProduct"] = json!("NVIDIA A100")),
        ("driver", |canary| canary["status"]["effective"]["driverVersion"] = json!("560")),
    ];
    for (what, change) in changes {
        let mut world = second_night(|canary| of(canary, change));
        assert_eq!(goes_on(&mut world), all, "{what}");
    }
}

#[test]
fn what_says_nothing_is_measured_again() {
    for verdict in ["Inconclusive", "Aborted"] {
        let mut world = second_night(|canary| {
            if canary.spec.parameters.values().any(|value| value.to_string() == "0.72") {
                of(canary, |canary| canary["status"]["verdict"] = json!(verdict));
            }
        });
        assert_eq!(goes_on(&mut world), ["incumbent", "0.72", "0.75", "0.77"], "{verdict}");
    }
}

#[test]
fn a_week_old_measurement_is_measured_again() {
    let aged = |created_at: &'static str| {
        let mut world =
            second_night(|canary| of(canary, |canary| canary["metadata"]["creationTimestamp"] = json!(created_at)));
        goes_on(&mut world)
    };
    // A week before the second night's candidates are chosen.
    assert_eq!(aged("2026-02-28T03:26:00Z"), ["incumbent", "0.75", "0.77"]);
    assert_eq!(aged("2026-02-28T03:21:00Z"), ["incumbent", "0.7", "0.72", "0.75", "0.77"]);
}

#[test]
fn a_search_that_had_come_to_its_end_is_begun_anew() {
    let mut world = World::new();
    world.step(passed(100));
    world.step_on(out_of_memory);
    world.step_on(out_of_memory);
    assert_eq!(world.outcome().search_ended.as_deref(), Some("FailuresInARow"));
    world.around.runs.extend((5..=7).map(night));
    world.now = at("2026-03-07T03:21:00Z");
    world.step(passed(100));
    assert_eq!(world.tried().split_off(3), ["incumbent", "0.7"]);
}

#[test]
fn what_led_to_a_promotion_is_not_kept() {
    let mut world = World::new();
    world.step(passed(100));
    for within in [190, 101, 101, 101] {
        world.step_on(passed(within));
    }
    assert_eq!(world.around.promotions.len(), 1);
    world.around.promotions[0] = changed(&world.around.promotions[0], |promotion| {
        promotion["status"] = json!({ "phase": "Superseded" });
    });
    world.around.runs.extend((5..=7).map(night));
    world.now = at("2026-03-07T03:21:00Z");
    assert_eq!(goes_on(&mut world), ["incumbent", "0.7", "0.72", "0.75", "0.77"]);
}
