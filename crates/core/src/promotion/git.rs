//! Delivery by pull request: people merge, close and revert, and each of that is respected.

use jiff::Timestamp;

use super::{
    Delivery, ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    admission::{Admission, apply_by, first_objection},
    apply::hold,
    decide::{PENDING_RECHECK, end},
    facts::{PullRequestState, ReviewDecision},
    rollback::begin_rollback,
};
use crate::{
    plan::{
        Intent, OwnedField, Plan, Wake,
        name::{branch_name, revert_branch_name},
        target::{PullRequestClosing, PullRequestOpening},
    },
    prelude::*,
};

/// What to do while the target does not hold the value, for delivery Git.
pub(super) fn decide_delivery(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    if facts.progress.applied_at.is_some() {
        let message = format!("the old value is back in {}, put there by hand", facts.terms.target);
        return end(facts, PromotionPhase::RolledBack, PromotionReason::RevertedByHand, message, now);
    }
    if is_merged(facts) {
        return await_sync(facts, target, now);
    }
    let objection = first_objection(&Admission { facts, target, now });
    match (facts.git.change, objection) {
        (PullRequestState::Open, Some(objection)) if objection.phase.is_terminal() => hold(facts, objection, now),
        (PullRequestState::Open, _) => {
            let message = "merge the pull request, or close it to reject the promotion".to_owned();
            let report = facts.progress.moved(PromotionPhase::AwaitingReview, PromotionReason::AwaitingMerge, message);
            Plan::report_only(report, Wake::At(apply_by(facts)))
        }
        (_, Some(objection)) => hold(facts, objection, now),
        (_, None) => open_request(facts, now),
    }
}

/// Whether the pull request that brings the value was merged.
pub(super) fn is_merged(facts: &PromotionFacts) -> bool {
    facts.terms.delivery == Delivery::Git && facts.git.change == PullRequestState::Merged
}

/// Opens the pull request.
fn open_request(facts: &PromotionFacts, now: Timestamp) -> PromotionPlan {
    let opening = PullRequestOpening {
        promotion: facts.object.clone(),
        branch: branch_name(&facts.namespace, &facts.object.name, &facts.object.uid),
        changes: facts.terms.all_fields().map(OwnedField::forward).collect(),
    };
    let message = format!("branch {}", opening.branch);
    Plan {
        remember: None,
        intents: vec![Intent::OpenPullRequest(Box::new(opening))],
        report: facts.progress.moved(PromotionPhase::Staged, PromotionReason::OpeningPullRequest, message),
        wake: Wake::after(now, PENDING_RECHECK),
    }
}

/// Merged, but the value is not in the target yet. It may come at any time, so an end has to go through a revert.
fn await_sync(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    let seen_before = facts.progress.phase == PromotionPhase::Applying;
    if seen_before && let Some(cause) = reason_to_revert(facts, now) {
        return begin_rollback(facts, target, &facts.progress, cause, now);
    }
    let message = format!("merged; {} does not hold the value yet", facts.terms.target);
    let report = facts.progress.moved(PromotionPhase::Applying, PromotionReason::AwaitingSync, message);
    let wake = if seen_before { facts.terms.validate_by } else { now };
    Plan::report_only(report, Wake::At(wake))
}

/// What forbids waiting for the value any longer.
fn reason_to_revert(facts: &PromotionFacts, now: Timestamp) -> Option<PromotionReason> {
    if facts.deletion_requested {
        Some(PromotionReason::DeletionRequested)
    } else if facts.review.decision == ReviewDecision::Rejected {
        Some(PromotionReason::DecisionRejected)
    } else if now >= facts.terms.validate_by {
        Some(PromotionReason::ValidationDeadlinePassed)
    } else {
        None
    }
}

/// The pull request that puts the pre-image back.
pub(super) fn revert_request(facts: &PromotionFacts) -> Intent {
    Intent::OpenRevertPullRequest(Box::new(PullRequestOpening {
        promotion: facts.object.clone(),
        branch: revert_branch_name(&facts.namespace, &facts.object.name, &facts.object.uid),
        changes: facts.terms.all_fields().map(OwnedField::backward).collect(),
    }))
}

/// Takes an unmerged pull request back when its promotion ends: that of the change, or, where the old value is back
/// already, that of the revert.
pub(super) fn close_open_request(facts: &PromotionFacts, reason: PromotionReason) -> Option<Intent> {
    if facts.terms.delivery != Delivery::Git {
        return None;
    }
    let branch = if facts.git.change == PullRequestState::Open {
        branch_name(&facts.namespace, &facts.object.name, &facts.object.uid)
    } else if facts.git.revert == PullRequestState::Open {
        revert_branch_name(&facts.namespace, &facts.object.name, &facts.object.uid)
    } else {
        return None;
    };
    let note = reason.meaning().to_owned();
    Some(Intent::ClosePullRequest(PullRequestClosing { promotion: facts.object.clone(), branch, note }))
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
