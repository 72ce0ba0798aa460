//! Candidates that failed in production are not tried again in their environment.

use serde_json::{Value, json};

use super::world::{World, earlier_canary, earlier_promotion, environment, passed};
use crate::controllers::tuning_canary::fixture::{at, changed};

/// A promotion of 0.72 that ended so, and the canary that it rested on.
fn denied(world: &mut World, name: &str, phase: &str, created_at: &str, value: &str) {
    let promotion = earlier_promotion(&json!({ "phase": phase }));
    world.around.promotions.push(changed(&promotion, |promotion| {
        promotion["metadata"]["name"] = json!(name);
        promotion["metadata"]["uid"] = json!(format!("uid-{name}"));
        promotion["metadata"]["creationTimestamp"] = json!(created_at);
        promotion["spec"]["canaryName"] = json!("earlier");
        promotion["spec"]["parameters"] = json!({ "gpu-memory-utilization": value });
    }));
}

fn with_canary(world: &mut World, effective: &Value) {
    world.around.canaries.push(earlier_canary(|canary| {
        canary["spec"]["escalationName"] = json!("other");
        canary["status"]["effective"] = effective.clone();
    }));
}

/// What is tried in the night of the fourth.
fn tried(world: &mut World) -> Vec<String> {
    world.step(passed(100));
    while world.status().tuning.is_some() {
        world.step_on(passed(101));
    }
    world.tried().into_iter().filter(|value| *value != "incumbent").collect()
}

#[test]
fn what_was_rolled_back_or_rejected_is_denied_with_the_promotion_that_failed() {
    for (phase, what) in [("RolledBack", "rolled back"), ("Rejected", "rejected")] {
        let mut world = World::new();
        denied(&mut world, "p", phase, "2026-03-03T03:40:00Z", "0.72");
        let tried = tried(&mut world);
        assert_eq!(tried, ["0.7", "0.75", "0.77"], "{phase}");
        let [entry] = world.status().denied.as_slice() else { panic!("{:?}", world.status().denied) };
        assert_eq!(
            (entry.reason.as_str(), entry.promotion_name.as_deref()),
            (&*format!("promotion p was {what}"), Some("p"))
        );
    }
}

#[test]
fn any_other_end_of_a_promotion_denies_nothing() {
    for phase in ["Validated", "Superseded", "Expired", "Conflict"] {
        let mut world = World::new();
        denied(&mut world, "p", phase, "2026-03-03T03:40:00Z", "0.72");
        assert_eq!(tried(&mut world), ["0.7", "0.72", "0.75", "0.77"], "{phase}");
        assert_eq!(world.status().denied, []);
    }
}

#[test]
fn another_card_or_image_is_another_environment() {
    let mut same = World::new();
    with_canary(&mut same, &environment());
    denied(&mut same, "p", "RolledBack", "2026-03-03T03:40:00Z", "0.72");
    let tried_on_same: Vec<String> = tried(&mut same);
    assert_eq!(tried_on_same, ["0.7", "0.75", "0.77"]);
    for (field, value) in
        [("gpuProduct", "NVIDIA H100"), ("imageDigest", "sha256:other"), ("model", "other"), ("driverVersion", "580")]
    {
        let mut world = World::new();
        let mut effective = environment();
        effective[field] = json!(value);
        with_canary(&mut world, &effective);
        denied(&mut world, "p", "RolledBack", "2026-03-03T03:40:00Z", "0.72");
        assert_eq!(tried(&mut world), ["0.7", "0.72", "0.75", "0.77"], "{field}");
        assert_eq!(world.status().denied.len(), 1, "{field}: it is told all the same");
    }
}

#[test]
fn the_environment_is_kept_when_the_canary_is_gone() {
    let mut world = World::new();
    let mut other = environment();
    other["gpuProduct"] = json!("NVIDIA H100");
    with_canary(&mut world, &other);
    denied(&mut world, "p", "RolledBack", "2026-03-03T03:40:00Z", "0.72");
    world.spec(|spec| spec["suspend"] = json!({ "reason": "holidays" }));
    world.settle();
    let kept = world.status().denied.clone();
    world.around.canaries.clear();
    world.settle();
    assert_eq!(world.status().denied, kept);
    world.spec(|spec| spec["suspend"] = Value::Null);
    assert_eq!(tried(&mut world), ["0.7", "0.72", "0.75", "0.77"]);
    // Where nothing tells any more, the environment of today does.
    let mut world = World::new();
    denied(&mut world, "p", "RolledBack", "2026-03-03T03:40:00Z", "0.72");
    assert_eq!(tried(&mut world), ["0.7", "0.75", "0.77"]);
}

#[test]
fn one_candidate_is_listed_once_and_the_newest_64_are_kept() {
    let mut world = World::new();
    denied(&mut world, "first", "RolledBack", "2026-03-01T03:40:00Z", "0.72");
    denied(&mut world, "again", "Rejected", "2026-03-02T03:40:00Z", "0.72");
    world.settle();
    let names: Vec<&str> = world.status().denied.iter().filter_map(|entry| entry.promotion_name.as_deref()).collect();
    assert_eq!(names, ["first"]);
    let mut world = World::new();
    for place in 0..70_u32 {
        let created = at("2026-03-01T00:00:00Z") + jiff::SignedDuration::from_mins(place.into());
        denied(&mut world, &format!("p{place}"), "RolledBack", &created.to_string(), &format!("0.1{place:03}"));
    }
    world.settle();
    let names: Vec<&str> = world.status().denied.iter().filter_map(|entry| entry.promotion_name.as_deref()).collect();
    assert_eq!((names.len(), names[0], names[63]), (64, "p6", "p69"));
}
