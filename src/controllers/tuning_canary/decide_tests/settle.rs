//! What a canary owes: its use and what it consumes in the ledger, then its finalizer.

use phaseloop_core::{
    plan::{Intent, Wake},
    value::Uid,
};
use serde_json::{Value, json};

use super::world::World;
use crate::{
    api::escalation::status::Ledger,
    controllers::tuning_canary::fixture::{at, canary, changed, done},
};

/// An incumbent that is done.
fn done_incumbent(change: impl FnOnce(&mut Value)) -> World {
    let mut world = World::new();
    world.canary = done(&canary(0, &json!({})), change);
    world.now = at("2026-03-04T03:30:00Z");
    world
}

fn ledger(world: &World) -> Ledger {
    let status = world.escalation.as_ref().unwrap().status.clone();
    status.and_then(|status| status.ledger).unwrap_or_default()
}

#[test]
fn a_released_canary_is_folded_under_the_version_that_was_read() {
    let world = done_incumbent(|_| ());
    let plan = world.plan();
    let [Intent::FoldCanaryIntoLedger(fold)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!(fold.escalation_resource_version, "9");
    assert_eq!((fold.night.to_string(), fold.attempt), ("2026-03-04".to_owned(), 0));
    assert_eq!(fold.consumed, ["n2", "n3", "n4"].map(Uid::new));
    assert_eq!((fold.used.measure.as_secs(), fold.used.hold.as_secs()), (8, 60));
}

#[test]
fn the_fold_holds_what_was_reserved_and_used_and_consumed_once() {
    let mut world = done_incumbent(|_| ());
    world.settle();
    let ledger = ledger(&world);
    let [night] = ledger.nights.as_slice() else { panic!("{ledger:?}") };
    assert_eq!((night.night.as_str(), night.used.hold.to_string()), ("2026-03-04", "1m".to_owned()));
    assert_eq!(night.folded.len(), 1);
    assert_eq!(night.folded[0].reserved.hold.to_string(), "2m18s");
    assert_eq!(ledger.consumed, ["n2", "n3", "n4"]);
    assert_eq!(ledger.runs.iter().map(|run| run.cycle.as_str()).collect::<Vec<_>>(), ["nightly-20260304"]);
}

#[test]
fn an_incumbent_that_says_nothing_is_folded_and_consumes_nothing() {
    let mut world = done_incumbent(|status| status["verdict"] = json!("Inconclusive"));
    world.settle();
    let ledger = ledger(&world);
    assert_eq!((ledger.nights[0].folded.len(), ledger.consumed.len()), (1, 0));
}

#[test]
fn the_finalizer_stays_until_the_night_is_over() {
    let mut world = done_incumbent(|_| ());
    let plan = world.settle();
    assert_eq!((plan.intents.as_slice(), plan.wake), (&[][..], Wake::At(at("2026-03-04T07:00:00Z"))));
    world.now = at("2026-03-04T06:59:59Z");
    assert_eq!(world.plan().intents, []);
    world.now = at("2026-03-04T07:00:00Z");
    assert_eq!(world.plan().intents, [Intent::RemoveFinalizer(world.valid().identity())]);
    world.settle();
    assert_eq!(world.canary.metadata.finalizers, Some(vec![]));
}

#[test]
fn no_name_is_held_of_a_kind_whose_definition_is_deleted_and_the_fold_comes_first() {
    let mut world = done_incumbent(|_| ());
    world.definition_ends = true;
    assert!(matches!(world.plan().intents.as_slice(), [Intent::FoldCanaryIntoLedger(_)]));
    world.settle();
    assert_eq!(ledger(&world).nights[0].folded.len(), 1);
    assert_eq!(world.canary.metadata.finalizers, Some(vec![]));
}

#[test]
fn a_finalizer_of_others_stays() {
    let mut world = done_incumbent(|_| ());
    world.canary = changed(&world.canary, |canary| {
        canary["metadata"]["finalizers"] = json!(["example.com/x", "phaseloop.dev/cleanup"]);
    });
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    assert_eq!(world.canary.metadata.finalizers, Some(vec!["example.com/x".to_owned()]));
}

#[test]
fn no_finalizer_goes_before_the_fold() {
    let mut world = done_incumbent(|_| ());
    world.now = at("2026-03-05T07:00:00Z");
    assert!(matches!(world.plan().intents.as_slice(), [Intent::FoldCanaryIntoLedger(_)]));
}

#[test]
fn with_its_escalation_gone_nothing_is_owed() {
    let mut world = done_incumbent(|_| ());
    world.escalation = None;
    assert_eq!(world.plan().intents, [Intent::RemoveFinalizer(world.valid().identity())]);
    let mut world = done_incumbent(|_| ());
    let going = changed(world.escalation.as_ref().unwrap(), |escalation| {
        escalation["metadata"]["deletionTimestamp"] = json!("2026-03-04T03:29:00Z");
    });
    world.escalation = Some(going);
    assert_eq!(world.plan().intents, [Intent::RemoveFinalizer(world.valid().identity())]);
}

#[test]
fn another_escalation_of_the_same_name_is_not_its_own() {
    let mut world = done_incumbent(|_| ());
    let other = changed(world.escalation.as_ref().unwrap(), |escalation| {
        escalation["metadata"]["uid"] = json!("another");
    });
    world.escalation = Some(other);
    world.settle();
    assert_eq!(ledger(&world), Ledger::default());
    assert_eq!(world.canary.metadata.finalizers, Some(vec![]));
}

#[test]
fn a_canary_that_owes_nothing_asks_for_nothing() {
    let mut world = done_incumbent(|_| ());
    world.now = at("2026-03-04T07:00:00Z");
    world.settle();
    let plan = world.plan();
    assert_eq!((plan.intents.as_slice(), plan.wake), (&[][..], Wake::OnChange));
}
