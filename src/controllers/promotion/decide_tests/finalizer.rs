//! The finalizer: there before anything is written, and gone once nothing is owed.

use phaseloop_core::plan::{Intent, Wake};
use serde_json::json;

use super::world::{Answer, World};
use crate::api::promotion::status::PromotionPhase;

#[test]
fn nothing_is_written_before_the_finalizer_is_there() {
    let mut world = World::automatic();
    world.metadata(|metadata| metadata["finalizers"] = json!(["example.com/x"]));
    world.look();
    let plan = world.look();
    assert!(matches!(plan.intents.as_slice(), [Intent::AddFinalizer(_)]), "{:?}", plan.intents);
    assert_eq!((world.stands(), world.written.len()), ((PromotionPhase::Staged, "FinalizerMissing"), 0));
    assert_eq!(world.object.metadata.finalizers.clone().unwrap(), ["example.com/x", "phaseloop.dev/cleanup"]);
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
}

#[test]
fn it_goes_after_the_end_was_reported_with_the_whole_chain_exported_first() {
    let mut world = World::rolled_out();
    world.metadata(|metadata| metadata["finalizers"] = json!(["example.com/x", "phaseloop.dev/cleanup"]));
    world.run("n5", ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z"), "Healthy", |_| ());
    world.look();
    assert_eq!((world.phase(), world.exported.len()), (PromotionPhase::Validated, 0));
    assert_eq!(world.object.metadata.finalizers.as_ref().unwrap().len(), 2);
    let plan = world.look();
    assert!(matches!(plan.intents.as_slice(), [Intent::RemoveFinalizer(_)]));
    assert_eq!(world.exported, ["Staged", "Applying", "Applied", "Validated"]);
    assert_eq!(world.object.metadata.finalizers.clone().unwrap(), ["example.com/x"], "another's stays");
    let plan = world.settle();
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::OnChange));
    assert_eq!(world.exported.len(), 4, "once");
}

#[test]
fn one_that_is_deleted_before_its_value_was_in_goes_with_nothing_written() {
    for reported in [true, false] {
        let mut world = World::new();
        if reported {
            world.settle();
        }
        world.delete();
        world.look();
        assert_eq!(world.stands(), (PromotionPhase::Expired, "DeletionRequested"));
        assert!(!world.is_gone, "its end is on record first");
        world.settle();
        assert!(world.is_gone);
        assert_eq!((world.written.len(), world.exported.last().map(String::as_str)), (0, Some("Expired")));
    }
}

#[test]
fn one_that_is_deleted_unvalidated_is_rolled_back_first() {
    for start in [World::applied as fn() -> World, World::rolled_out] {
        let mut world = start();
        world.delete();
        world.answer = Answer::Lost;
        world.look();
        assert_eq!(world.stands(), (PromotionPhase::RollingBack, "DeletionRequested"));
        world.pass(10);
        world.look();
        assert!(!world.is_gone, "while the value is in it does not go");
        world.answer = Answer::Given;
        world.pass(10);
        world.settle();
        assert!(world.is_gone);
        assert_eq!((world.phase(), world.mark()), (PromotionPhase::RolledBack, None));
        assert_eq!(world.arguments()[1], "--gpu-memory-utilization=0.92");
        let exported: Vec<&str> = world.exported.iter().rev().take(2).map(String::as_str).collect();
        assert_eq!(exported, ["RolledBack", "RollingBack"]);
    }
}

#[test]
fn one_that_is_validated_goes_and_leaves_its_value() {
    let mut world = World::rolled_out();
    world.run("n5", ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z"), "Healthy", |_| ());
    world.look();
    world.delete();
    world.settle();
    assert!(world.is_gone);
    assert_eq!(
        (world.arguments()[1].as_str(), world.mark().as_deref()),
        ("--gpu-memory-utilization=0.75", Some("uid-x"))
    );
}

#[test]
fn a_deletion_goes_through_whatever_became_of_the_target() {
    for start in [World::applied as fn() -> World, World::rolled_out] {
        let mut world = start();
        world.around.target = None;
        world.delete();
        world.settle();
        assert!(world.is_gone);
        let mut world = start();
        world.change_target(|target| {
            target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.80");
        });
        world.delete();
        world.settle();
        assert!(world.is_gone);
        assert_eq!(world.phase(), PromotionPhase::Conflict);
    }
}

#[test]
fn a_finalizer_that_somebody_took_off_is_put_on_before_the_next_write() {
    let mut world = World::new();
    world.settle();
    world.metadata(|metadata| metadata["finalizers"] = json!([]));
    world.decide("Approved", Some("jane"));
    world.look();
    assert_eq!(world.written.len(), 0);
    assert_eq!(world.object.metadata.finalizers.as_ref().unwrap().len(), 1);
    world.settle();
    assert_eq!(world.written.len(), 1);
}
