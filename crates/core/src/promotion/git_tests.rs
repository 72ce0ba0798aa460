//! Delivery by pull request: opened once, and every hand-made merge, close and revert respected.

use super::*;
use crate::{
    plan::check_plan,
    promotion::fixture::{ROLLOUT_TIMEOUT, VALIDATE_BY, at, facts},
};

fn git_facts(change: PullRequestState) -> PromotionFacts {
    let mut facts = facts();
    facts.terms.delivery = Delivery::Git;
    facts.git.change = change;
    facts
}

fn decide(facts: &PromotionFacts, now: i64) -> PromotionPlan {
    let plan = decide_delivery(facts, facts.target.as_ref().unwrap(), at(now));
    assert_eq!(check_plan(&plan), []);
    plan
}

fn where_it_stands(plan: &PromotionPlan) -> (PromotionPhase, PromotionReason) {
    (plan.report.phase, plan.report.reason)
}

fn branch(facts: &PromotionFacts) -> String {
    branch_name("models", "llama-8b-x", &facts.object.uid)
}

#[test]
fn a_ready_promotion_opens_one_pull_request_with_exactly_its_changes() {
    let facts = git_facts(PullRequestState::NotOpened);
    let plan = decide(&facts, 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Staged, PromotionReason::OpeningPullRequest));
    let [Intent::OpenPullRequest(opening)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!((&opening.promotion, &opening.branch), (&facts.object, &branch(&facts)));
    let forward: Vec<_> = facts.terms.owned_fields.iter().map(OwnedField::forward).collect();
    assert_eq!((&opening.changes, plan.wake), (&forward, Wake::At(at(70))));
}

#[test]
fn what_stands_against_it_is_heard_before_the_request_is_opened() {
    let mut facts = git_facts(PullRequestState::NotOpened);
    facts.suspended = true;
    let plan = decide(&facts, 60);
    assert_eq!((where_it_stands(&plan), plan.intents.len()), ((PromotionPhase::Staged, PromotionReason::Suspended), 0));
}

#[test]
fn an_open_request_waits_for_people_whatever_gate_closes_meanwhile() {
    let mut facts = git_facts(PullRequestState::Open);
    facts.suspended = true;
    let plan = decide(&facts, 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::AwaitingReview, PromotionReason::AwaitingMerge));
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::At(at(VALIDATE_BY - ROLLOUT_TIMEOUT))));
}

#[test]
fn an_open_request_is_closed_when_its_promotion_ends() {
    let late = VALIDATE_BY - ROLLOUT_TIMEOUT;
    let facts = git_facts(PullRequestState::Open);
    let plan = decide(&facts, late);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Expired, PromotionReason::TooLateToValidate));
    let [Intent::ClosePullRequest(closing)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
    assert_eq!((&closing.promotion, &closing.branch), (&facts.object, &branch(&facts)));
    assert_eq!(closing.note, PromotionReason::TooLateToValidate.meaning());
    assert_eq!(decide(&facts, late - 1).report.phase, PromotionPhase::AwaitingReview);
}

#[test]
fn a_request_closed_by_hand_rejects_the_promotion_and_is_left_alone() {
    let plan = decide(&git_facts(PullRequestState::Closed), 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::Rejected, PromotionReason::PullRequestClosed));
    assert_eq!(plan.intents, []);
}

#[test]
fn a_merged_request_is_first_seen_and_then_awaited() {
    let mut facts = git_facts(PullRequestState::Merged);
    facts.deletion_requested = true;
    let first = decide(&facts, 60);
    assert_eq!(where_it_stands(&first), (PromotionPhase::Applying, PromotionReason::AwaitingSync));
    assert_eq!((first.wake, first.intents.len()), (Wake::At(at(60)), 0));
    facts.progress = first.report;
    facts.deletion_requested = false;
    let then = decide(&facts, 61);
    assert_eq!((where_it_stands(&then).1, then.wake), (PromotionReason::AwaitingSync, Wake::At(at(VALIDATE_BY))));
}

#[test]
fn a_merged_request_is_reverted_when_its_promotion_may_not_stay() {
    let mut facts = git_facts(PullRequestState::Merged);
    facts.progress.phase = PromotionPhase::Applying;
    assert_eq!(decide(&facts, VALIDATE_BY - 1).report.phase, PromotionPhase::Applying);
    let reverted = |facts: &PromotionFacts, now: i64, cause: PromotionReason| {
        let plan = decide(facts, now);
        assert_eq!(where_it_stands(&plan), (PromotionPhase::RollingBack, cause));
        let [Intent::OpenRevertPullRequest(opening)] = plan.intents.as_slice() else { panic!("{:?}", plan.intents) };
        let backward: Vec<_> = facts.terms.owned_fields.iter().map(OwnedField::backward).collect();
        assert_eq!((&opening.branch, &opening.changes), (&format!("{}-revert", branch(facts)), &backward));
    };
    reverted(&facts, VALIDATE_BY, PromotionReason::ValidationDeadlinePassed);
    facts.review.decision = ReviewDecision::Rejected;
    reverted(&facts, 60, PromotionReason::DecisionRejected);
    facts.deletion_requested = true;
    reverted(&facts, 60, PromotionReason::DeletionRequested);
}

#[test]
fn an_old_value_that_is_back_was_put_there_by_hand() {
    let mut facts = git_facts(PullRequestState::Merged);
    facts.progress.applied_at = Some(at(5));
    let plan = decide(&facts, 60);
    assert_eq!(where_it_stands(&plan), (PromotionPhase::RolledBack, PromotionReason::RevertedByHand));
}

#[test]
fn only_an_open_request_of_a_git_delivery_is_closed() {
    use PullRequestState::{Closed, Merged, NotOpened, Open};

    let closes = |delivery, change, revert| {
        let mut facts = git_facts(change);
        facts.terms.delivery = delivery;
        facts.git.revert = revert;
        close_open_request(&facts, PromotionReason::TargetMissing).is_some()
    };
    assert!(closes(Delivery::Git, Open, NotOpened));
    assert!(closes(Delivery::Git, Merged, Open));
    assert!(!closes(Delivery::Git, Merged, NotOpened));
    assert!(!closes(Delivery::Git, NotOpened, NotOpened));
    assert!(!closes(Delivery::Git, Closed, Merged));
    assert!(!closes(Delivery::Patch, Open, Open));
}

#[test]
fn only_a_git_delivery_can_be_merged() {
    assert!(is_merged(&git_facts(PullRequestState::Merged)));
    assert!(!is_merged(&git_facts(PullRequestState::Open)));
    let mut patch = git_facts(PullRequestState::Merged);
    patch.terms.delivery = Delivery::Patch;
    assert!(!is_merged(&patch));
}
