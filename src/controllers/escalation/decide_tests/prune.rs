//! Which canaries go, when, and that their records are exported first.

use phaseloop_core::plan::Intent;
use serde_json::{Value, json};

use super::world::{World, earlier_canary, earlier_promotion};
use crate::{
    api::TuningCanary,
    controllers::tuning_canary::fixture::{at, changed},
};

/// 28 days after the canary of these tests was given back.
const DUE: &str = "2026-03-31T03:31:00Z";

/// A canary that owes nothing any more, with two records.
fn old() -> TuningCanary {
    earlier_canary(|canary| {
        canary["metadata"]["finalizers"] = json!([]);
        let record = |sequence: u32, to: &str| {
            json!({
                "sequence": sequence, "at": "2026-03-03T03:30:00Z", "to": to, "reason": "x", "message": "",
                "previousHash": "p", "hash": format!("h{sequence}"),
            })
        };
        canary["status"]["history"] = json!({ "head": "h1", "records": [record(0, "Pending"), record(1, "Done")] });
    })
}

fn world(canary: TuningCanary) -> World {
    let mut world = World::new();
    world.around.runs.clear();
    world.around.canaries = vec![canary];
    world.now = at(DUE);
    world
}

#[test]
fn a_canary_goes_after_28_days_with_its_records_exported_first() {
    let mut world = world(old());
    world.now = at("2026-03-31T03:30:59Z");
    world.settle();
    assert_eq!(world.around.canaries.len(), 1);
    world.now = at(DUE);
    let plan = world.plan();
    let [Intent::ExportAudit(export), Intent::DeleteFinished(object)] = plan.intents.as_slice() else {
        panic!("{:?}", plan.intents)
    };
    assert_eq!((export.through_sequence, &export.object), (1, object));
    assert_eq!((object.name.as_str(), object.uid.as_str()), ("earlier", "uid-earlier"));
    world.settle();
    assert_eq!(
        (world.around.canaries.len(), world.exported.as_slice()),
        (0, &["earlier".to_owned(), "earlier".to_owned()][..])
    );
}

#[test]
fn what_is_owed_or_rests_on_a_canary_keeps_it() {
    let kept = |change: fn(&mut Value)| {
        let mut world = world(changed(&old(), change));
        world.settle();
        world.around.canaries.len() == 1
    };
    assert!(!kept(|_| ()));
    assert!(kept(|canary| canary["metadata"]["finalizers"] = json!(["phaseloop.dev/cleanup"])), "it is not folded");
    assert!(!kept(|canary| canary["metadata"]["finalizers"] = json!(["example.com/x"])), "that is another's matter");
    assert!(kept(|canary| canary["spec"]["escalationName"] = json!("other")));
    assert!(kept(|canary| canary["spec"]["targetRef"]["name"] = json!("qwen")));
    assert!(kept(|canary| canary["metadata"]["deletionTimestamp"] = json!("2026-03-31T00:00:00Z")), "it goes already");
    assert!(kept(|canary| canary["status"]["releasedAt"] = Value::Null));
    for (phase, keeps) in [("Applied", true), ("Staged", true), ("RolledBack", false), ("Validated", false)] {
        let mut world = world(old());
        let promotion = earlier_promotion(&json!({ "phase": phase }));
        world
            .around
            .promotions
            .push(changed(&promotion, |promotion| promotion["spec"]["canaryName"] = json!("earlier")));
        world.settle();
        assert_eq!(world.around.canaries.len() == 1, keeps, "{phase}");
    }
}

#[test]
fn one_look_prunes_eight_and_the_next_goes_on() {
    let mut world = world(old());
    world.around.canaries = (0..10)
        .map(|place| {
            changed(&old(), |canary| {
                canary["metadata"]["name"] = json!(format!("earlier-{place}"));
                canary["metadata"]["uid"] = json!(format!("uid-{place}"));
                canary["spec"]["attempt"] = json!(place);
            })
        })
        .collect();
    world.look();
    assert_eq!(world.around.canaries.len(), 2);
    world.look();
    assert_eq!(world.around.canaries.len(), 0);
}
