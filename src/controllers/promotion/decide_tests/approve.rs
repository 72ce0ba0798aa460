//! Who has to agree, and what an approval is worth.

use phaseloop_core::plan::Wake;
use serde_json::json;

use super::world::{APPLY_BY, World};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        promotion::status::PromotionPhase,
    },
    controllers::tuning_canary::fixture::at,
};

fn approved(world: &World) -> (ConditionStatus, &str, &str) {
    let condition = world.whole_condition(&ConditionType::Approved).unwrap();
    (condition.status, condition.reason.as_str(), condition.message.as_str())
}

#[test]
fn a_promotion_is_shown_before_anybody_can_decide() {
    let mut world = World::new();
    let plan = world.look();
    assert_eq!((plan.remember, plan.intents.len(), plan.wake), (None, 0, Wake::At(world.now)));
    assert_eq!(world.stands(), (PromotionPhase::Staged, "JustMade"));
    assert_eq!(world.status().summary.as_ref().unwrap().change.as_deref(), Some("0.92 -> 0.75"));
    assert_eq!(approved(&world).0, ConditionStatus::Unknown, "whether the policy is in force was not asked yet");
    assert_eq!(world.status().approval_guarded, None);
    assert_eq!(world.condition(&ConditionType::Reconciling), Some((ConditionStatus::True, "JustMade")));
}

#[test]
fn it_waits_for_a_person_and_says_what_to_set() {
    let mut world = World::new();
    let plan = world.settle();
    assert_eq!(world.stands(), (PromotionPhase::AwaitingReview, "AwaitingApproval"));
    assert_eq!(world.message(), "set spec.decision to Approved or Rejected");
    assert_eq!(approved(&world).0, ConditionStatus::False);
    assert_eq!((world.status().approval_guarded, world.written.len()), (Some(true), 0));
    assert_eq!(world.condition(&ConditionType::Ready), Some((ConditionStatus::False, "AwaitingApproval")));
    assert_eq!(world.condition(&ConditionType::Stalled), None, "it is a matter of course");
    // It is a person's decision that wakes it; time alone only ends it.
    assert_eq!(plan.wake, Wake::At(at("2026-03-06T08:56:00Z")));
    assert_eq!(world.told, [("Normal".to_owned(), "AwaitingApproval".to_owned(), world.message().to_owned())]);
    world.settle();
    assert_eq!(world.told.len(), 1, "told once");
}

#[test]
fn an_approval_sends_the_patch_and_names_the_person() {
    let mut world = World::new();
    world.settle();
    world.decide("Approved", Some("jane"));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"));
    assert_eq!(approved(&world), (ConditionStatus::True, "ApprovedByPerson", "approved by jane"));
    assert_eq!(world.status().approval_guarded, Some(true), "it was in force while nobody had decided");
}

#[test]
fn a_rejection_ends_it_before_anything_is_written() {
    let mut world = World::new();
    world.settle();
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Rejected, "DecisionRejected"));
    assert_eq!(approved(&world), (ConditionStatus::False, "DecisionRejected", "rejected by jane"));
    assert_eq!(world.written.len(), 0);
    // Also where no approval was needed.
    let mut world = World::automatic();
    world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }]));
    world.settle();
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Rejected);
}

#[test]
fn without_the_admission_policy_no_approval_is_trusted() {
    let mut world = World::new();
    world.guarded = false;
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::AwaitingReview, "ApprovalUnprotected"));
    assert_eq!(world.condition(&ConditionType::Stalled), Some((ConditionStatus::True, "ApprovalUnprotected")));
    let (status, reason, message) = approved(&world);
    assert_eq!((status, reason), (ConditionStatus::False, "ApprovalUnprotected"));
    assert!(message.contains("delivery Git"), "{message}");
    world.decide("Approved", Some("jane"));
    world.settle();
    assert_eq!((world.stands(), world.written.len()), ((PromotionPhase::AwaitingReview, "ApprovalUnprotected"), 0));
    // Not even once it is installed: the decision was made while it was not.
    world.guarded = true;
    world.settle();
    assert_eq!((world.reason(), world.written.len()), ("ApprovalUnprotected", 0));
}

#[test]
fn a_policy_that_is_installed_before_anybody_decides_is_enough() {
    let mut world = World::new();
    world.guarded = false;
    world.settle();
    world.guarded = true;
    world.settle();
    assert_eq!(world.reason(), "AwaitingApproval");
    world.decide("Approved", Some("jane"));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
}

#[test]
fn an_approval_by_nobody_is_none() {
    for by in [None, Some("")] {
        let mut world = World::new();
        world.settle();
        world.decide("Approved", by);
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::AwaitingReview, "ApproverUnknown"), "{by:?}");
        assert_eq!(world.condition(&ConditionType::Stalled).map(|(_, reason)| reason), Some("ApproverUnknown"));
        assert_eq!(approved(&world).1, "ApproverUnknown");
        assert_eq!(world.written.len(), 0);
    }
}

#[test]
fn automatic_approval_asks_nobody() {
    let mut world = World::automatic();
    world.guarded = false;
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
    assert_eq!(approved(&world).1, "ApprovalNotNeeded");
    assert_eq!(world.status().approval_guarded, None);
}

#[test]
fn a_late_approval_waits_for_the_window_like_any_other() {
    let mut world = World::new();
    world.settle();
    world.now = at("2026-03-04T09:00:00Z");
    world.decide("Approved", Some("jane"));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Staged, "WindowClosed"));
    assert_eq!(world.message(), "no promotion window is open; the next one opens at 2026-03-05T03:00:00Z");
    assert_eq!(approved(&world).0, ConditionStatus::True);
    world.now = at("2026-03-05T02:59:59Z");
    assert_eq!(world.settle().wake, Wake::At(at("2026-03-05T03:00:00Z")));
    assert_eq!(world.written.len(), 0);
    world.now = at("2026-03-05T03:00:00Z");
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
}

#[test]
fn one_that_nobody_decides_on_expires() {
    let mut world = World::new();
    world.now = at("2026-03-06T08:55:59Z");
    let plan = world.settle();
    assert_eq!((world.phase(), plan.wake), (PromotionPhase::AwaitingReview, Wake::At(at(APPLY_BY))));
    world.now = at(APPLY_BY);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Expired, "TooLateToValidate"));
    assert_eq!(world.condition(&ConditionType::Stalled).map(|(_, reason)| reason), Some("TooLateToValidate"));
}
