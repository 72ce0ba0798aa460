//! What ends a promotion before its value was in, or when nothing of it is left.

use std::sync::Arc;

use phaseloop_core::plan::Wake;
use serde_json::{Value, json};

use super::world::{APPLY_BY, World};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        promotion::status::PromotionPhase,
    },
    controllers::tuning_canary::fixture::{at, changed},
};

type Change = fn(&mut World);

/// What ends it, how, and a part of the sentence.
type Row = (Change, PromotionPhase, &'static str, &'static str);

fn engine(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.change_target(|target| change(&mut target["spec"]["template"]["spec"]["containers"][0]));
}

fn another(world: &mut World, name: &str, created_at: &str, phase: &str) {
    let other = changed(&world.object, |other| {
        other["metadata"]["name"] = json!(name);
        other["metadata"]["uid"] = json!(format!("uid-{name}"));
        other["metadata"]["creationTimestamp"] = json!(created_at);
        other["status"] = json!({ "phase": phase });
    });
    world.around.promotions.push(Arc::new(other));
}

const ROWS: [Row; 9] = [
    (|world| world.around.target = None, PromotionPhase::Superseded, "TargetMissing", "Deployment/llama is not there"),
    (
        |world| world.change_target(|target| target["metadata"]["uid"] = json!("uid-another")),
        PromotionPhase::Superseded,
        "TargetReplaced",
        "was deleted and made again",
    ),
    (
        |world| engine(world, |engine| engine["image"] = json!("vllm/vllm-openai:v0.33.1")),
        PromotionPhase::Superseded,
        "TemplateChanged",
        "the canary was built from",
    ),
    (
        |world| engine(world, |engine| engine["args"][1] = json!("--gpu-memory-utilization=0.90")),
        PromotionPhase::Superseded,
        "OwnedFieldChanged",
        "somebody else changed Deployment/llama where the promotion was to write",
    ),
    (
        |world| engine(world, |engine| engine["args"] = json!(["m"])),
        PromotionPhase::Superseded,
        "OwnedFieldChanged",
        "",
    ),
    (
        |world| {
            world.change_target(|target| {
                target["metadata"]["annotations"] = json!({ "phaseloop.dev/promotion": "uid-another" });
            });
        },
        PromotionPhase::Superseded,
        "OwnedFieldChanged",
        "",
    ),
    (
        |world| another(world, "older", "2026-03-04T03:00:00Z", "AwaitingReview"),
        PromotionPhase::Superseded,
        "AnotherPromotionFirst",
        "promotion older of the same target is AwaitingReview and goes first",
    ),
    (
        |world| world.now = at(APPLY_BY),
        PromotionPhase::Expired,
        "TooLateToValidate",
        "not applied by 2026-03-06T08:56:00Z",
    ),
    (World::delete, PromotionPhase::Expired, "DeletionRequested", "before anything was written"),
];

#[test]
fn each_end_before_the_value_was_in_has_its_reason_and_writes_nothing() {
    for waiting in [true, false] {
        for (change, phase, reason, part) in ROWS {
            let mut world = if waiting { World::new() } else { World::automatic() };
            if waiting {
                world.settle();
                assert_eq!(world.phase(), PromotionPhase::AwaitingReview);
            }
            change(&mut world);
            let before = world.target();
            // The end is reported, and its finalizer goes in the look after it.
            let mut plan = world.look();
            if world.reason() == "JustMade" {
                plan = world.look();
            }
            assert_eq!(world.stands(), (phase, reason), "{}", world.message());
            assert!(world.message().contains(part), "{reason}: {}", world.message());
            assert_eq!(plan.wake, Wake::At(world.now), "{reason}");
            assert!(!world.is_gone && world.object.metadata.finalizers.as_ref().unwrap().len() == 1, "{reason}");
            world.settle();
            assert_eq!((world.target(), world.written.len()), (before, 0), "{reason}");
            assert_eq!(world.told.last().unwrap().1, reason);
            assert_eq!(world.condition(&ConditionType::Ready), Some((ConditionStatus::False, reason)));
            assert_eq!(world.condition(&ConditionType::Stalled), Some((ConditionStatus::True, reason)));
            assert_eq!(world.condition(&ConditionType::Reconciling), None, "{reason}");
        }
    }
}

#[test]
fn values_that_stand_there_already_are_nothing_to_change() {
    let mut world = World::automatic();
    world.spec(|spec| {
        spec["previous"][0]["promoted"] = json!("0.92");
        spec["parameters"] = json!({ "gpu-memory-utilization": "0.92" });
    });
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Superseded, "NothingToChange"));
}

#[test]
fn of_several_promotions_one_goes_on_and_all_agree_which() {
    // Whether this one goes on beside another of that age, phase and name.
    let goes_on = |created_at: &str, phase: &str, name: &str| {
        let mut world = World::new();
        another(&mut world, name, created_at, phase);
        world.settle();
        world.phase() == PromotionPhase::AwaitingReview
    };
    assert!(goes_on("2026-03-04T03:26:01Z", "AwaitingReview", "a"), "it is the older");
    assert!(!goes_on("2026-03-04T03:25:59Z", "AwaitingReview", "z"));
    assert!(goes_on("2026-03-04T03:26:00Z", "AwaitingReview", "z"), "of one second, its uid is the smaller");
    assert!(!goes_on("2026-03-04T03:26:00Z", "AwaitingReview", "a"));
    for phase in ["Applying", "Applied", "RollingBack"] {
        assert!(!goes_on("2026-03-04T05:00:00Z", phase, "z"), "{phase}: it holds the target");
    }
    for phase in ["Validated", "RolledBack", "Rejected", "Superseded", "Expired", "Conflict"] {
        assert!(goes_on("2026-03-01T00:00:00Z", phase, "a"), "{phase}: it has ended");
    }
    let mut world = World::new();
    another(&mut world, "older", "2026-03-04T03:00:00Z", "AwaitingReview");
    let elsewhere = changed(world.around.promotions[0].as_ref(), |other| {
        other["spec"]["targetRef"]["name"] = json!("qwen");
    });
    world.around.promotions[0] = Arc::new(elsewhere);
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::AwaitingReview, "another target's is in nobody's way");
    world.around.promotions = vec![Arc::new(world.object.clone())];
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::AwaitingReview, "nor is it in its own");
}

#[test]
fn an_end_stays_whatever_is_observed() {
    let mut world = World::new();
    world.settle();
    world.decide("Rejected", Some("jane"));
    world.settle();
    let (status, events) = (world.status().clone(), world.told.len());
    world.around.target = None;
    world.delete();
    world.metadata(|metadata| metadata["deletionTimestamp"] = Value::Null);
    world.spec(|spec| spec["decision"] = json!("Approved"));
    world.pass(86_400);
    let plan = world.settle();
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::OnChange));
    assert_eq!(world.told.len(), events);
    assert_eq!((world.status().phase, world.status().reason.clone()), (status.phase, status.reason));
}
