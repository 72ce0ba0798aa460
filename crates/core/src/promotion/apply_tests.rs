//! Before the value is in: waiting, sending the patch, trying again, and withdrawing it.

use super::*;
use crate::{
    plan::{FieldValue, check_plan, target::TargetFence},
    promotion::{
        facts::ReviewDecision,
        fixture::{ROLLOUT_TIMEOUT, VALIDATE_BY, at, attempted, facts, untouched_target},
    },
    value::Uid,
};

fn decide(facts: &PromotionFacts, now: i64) -> PromotionPlan {
    let plan = decide_apply(facts, facts.target.as_ref().unwrap(), at(now));
    assert_eq!(check_plan(&plan), []);
    plan
}

fn where_it_stands(plan: &PromotionPlan) -> (PromotionPhase, PromotionReason) {
    (plan.report.phase, plan.report.reason)
}

#[test]
fn the_attempt_is_remembered_before_the_patch_is_sent() {
    let plan = decide(&facts(), 60);
    let remembered = plan.remember.clone().unwrap();
    assert_eq!(remembered, plan.report);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::Patching));
    let attempt = ApplyAttempt { since: at(60), target_resource_version: "100".into(), target_generation: 7 };
    assert_eq!(remembered.attempt, Some(attempt));
    assert_eq!(plan.wake, Wake::At(at(70)));
}

#[test]
fn the_patch_tests_all_that_it_rests_on() {
    let plan = decide(&facts(), 60);
    let [Intent::PatchTarget(write)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!((write.target.uid.as_str(), write.target.resource_version.as_str()), ("target", "100"));
    assert_eq!(write.annotation_from, Some(Uid::new("earlier")));
    assert_eq!(write.annotation_to, Some(Uid::new("promotion")));
    assert_eq!(write.remembered, Remembered::InThisPlan);
    let changes: Vec<_> = write.changes.iter().map(|change| (change.from.clone(), change.to.clone())).collect();
    assert_eq!(
        changes,
        [(FieldValue::present("032"), FieldValue::present("64")), (FieldValue::Absent, FieldValue::present("0.80")),]
    );
    assert_eq!(
        plan.report.message,
        "Deployment/llama-8b gets args[--max-num-seqs]: 032 -> 64, args[--gpu-memory-utilization]: (absent) -> 0.80"
    );
}

#[test]
fn an_unanswered_patch_is_not_sent_again_at_once() {
    let waiting = decide(&attempted(), 9);
    assert_eq!(waiting, Plan::report_only(attempted().progress, Wake::At(at(10))));
    let again = decide(&attempted(), 10);
    assert_eq!(again.intents.len(), 1);
    assert_eq!(again.report.attempt.as_ref().map(|attempt| attempt.since), Some(at(10)));
}

#[test]
fn a_patch_that_can_no_longer_land_is_sent_again_at_once() {
    let mut facts = attempted();
    facts.target.as_mut().unwrap().resource_version = "101".into();
    let plan = decide(&facts, 1);
    let attempt = plan.report.attempt.clone().unwrap();
    assert_eq!((attempt.since, attempt.target_resource_version.as_str()), (at(1), "101"));
    assert!(matches!(plan.intents.as_slice(), [Intent::PatchTarget(_)]));
}

#[test]
fn an_unanswered_patch_is_made_harmless_before_anything_else() {
    let alterations: [fn(&mut PromotionFacts); 4] = [
        |facts| facts.window.open = false,
        |facts| facts.suspended = true,
        |facts| facts.deletion_requested = true,
        |facts| facts.review.decision = ReviewDecision::Rejected,
    ];
    for alter in alterations {
        let mut facts = attempted();
        alter(&mut facts);
        let plan = decide(&facts, 60);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::Applying, PromotionReason::Withdrawing));
        let target = target_version(&facts, &untouched_target());
        let fence = TargetFence { target, promotion: Uid::new("promotion") };
        assert_eq!(plan.intents, [Intent::FenceTarget(Box::new(fence))]);
        assert_eq!((plan.remember, plan.report.attempt.is_some(), plan.wake), (None, true, Wake::At(at(70))));
    }
}

#[test]
fn once_the_patch_is_harmless_the_objection_is_followed() {
    let mut facts = attempted();
    facts.target.as_mut().unwrap().resource_version = "101".into();
    facts.window.open = false;
    let plan = decide(&facts, 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Staged, PromotionReason::WindowClosed));
    assert_eq!((plan.report.attempt, plan.intents.len()), (None, 0));
    facts.deletion_requested = true;
    assert_eq!(where_it_stands(&decide(&facts, 60)), (PromotionPhase::Expired, PromotionReason::DeletionRequested));
}

#[test]
fn waiting_ends_when_the_window_opens_or_when_it_is_too_late() {
    let last = VALIDATE_BY - ROLLOUT_TIMEOUT;
    let mut facts = facts();
    facts.window.open = false;
    for (opens_at, wakes_at) in [(None, last), (Some(500), 500), (Some(last - 1), last - 1), (Some(last + 1), last)] {
        facts.window.opens_at = opens_at.map(at);
        assert_eq!(decide(&facts, 60).wake, Wake::At(at(wakes_at)), "{opens_at:?}");
    }
}

#[test]
fn a_missing_finalizer_is_put_on_and_nothing_else_is_done() {
    let mut facts = facts();
    facts.finalizer_present = false;
    let plan = decide(&facts, 60);
    assert_eq!(plan.intents, [Intent::AddFinalizer(facts.object.clone())]);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Staged, PromotionReason::FinalizerMissing));
    facts.finalizer_present = true;
    facts.suspended = true;
    assert_eq!(decide(&facts, 60).intents, []);
}

#[test]
fn a_late_approval_waits_for_the_window() {
    let mut facts = facts();
    facts.terms.approval = crate::promotion::ApprovalMode::Manual;
    facts.window.open = false;
    assert_eq!(where_it_stands(&decide(&facts, 60)).0, PromotionPhase::AwaitingReview);
    facts.review.decision = ReviewDecision::Approved;
    facts.review.approved_by = Some("jo".into());
    assert_eq!(where_it_stands(&decide(&facts, 60)), (PromotionPhase::Staged, PromotionReason::WindowClosed));
    facts.window.open = true;
    assert_eq!(where_it_stands(&decide(&facts, 60)), (PromotionPhase::Applying, PromotionReason::Patching));
}
