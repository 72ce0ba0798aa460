//! Putting the pre-image back, to the letter: absent becomes absent, and nothing that somebody else wrote is touched.

use jiff::Timestamp;

use super::{
    Delivery, ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionProgress, PromotionReason,
    PromotionTerms,
    apply::describe,
    decide::{PENDING_RECHECK, end, target_version},
    facts::PullRequestState,
    git,
    progress::RollbackStart,
};
use crate::{
    plan::{
        Intent, OwnedField, Plan, Wake,
        target::{Remembered, TargetWrite},
    },
    prelude::*,
};

/// Decides to go back: remembers it with its cause, then asks for the pre-image. From here nothing leads to `Validated`.
/// No window is waited for: an unvalidated value is worse at any hour.
pub(super) fn begin_rollback(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    progress: &PromotionProgress,
    cause: PromotionReason,
    now: Timestamp,
) -> PromotionPlan {
    let write = restoring_write(facts, target, Remembered::InThisPlan);
    let why = cause_told(cause, progress, &facts.terms);
    let message = format!("{} gets back {}: {why}", facts.terms.target, describe(&write));
    let mut report = progress.moved(PromotionPhase::RollingBack, cause, message);
    report.rollback = Some(RollbackStart { cause, since: now });
    let intents = match (facts.terms.delivery, facts.git.revert) {
        (Delivery::Patch, _) => vec![Intent::RestoreTarget(Box::new(write))],
        (Delivery::Git, PullRequestState::NotOpened) => vec![git::revert_request(facts)],
        (Delivery::Git, _) => Vec::new(),
    };
    Plan { remember: Some(report.clone()), intents, report, wake: Wake::after(now, PENDING_RECHECK) }
}

/// Goes on with a rollback that was decided before. The target is either at the promoted values or at the pre-image.
pub(super) fn continue_rollback(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    start: RollbackStart,
    promoted: bool,
    now: Timestamp,
) -> PromotionPlan {
    match (facts.terms.delivery, promoted) {
        (Delivery::Patch, false) => end_restored(facts, start, now),
        (Delivery::Patch, true) => {
            let write = restoring_write(facts, target, Remembered::Earlier);
            keep_going(facts, Some(Intent::RestoreTarget(Box::new(write))), now)
        }
        (Delivery::Git, _) => continue_revert(facts, start, promoted, now),
    }
}

/// The same through Git. A target that looks untouched is back for good only if our value had been there, or if the
/// revert is merged: else what syncs the repository may still bring the value.
fn continue_revert(facts: &PromotionFacts, start: RollbackStart, promoted: bool, now: Timestamp) -> PromotionPlan {
    let revert = facts.git.revert;
    let back_for_good = facts.progress.applied_at.is_some() || revert == PullRequestState::Merged;
    if !promoted && back_for_good {
        return end_restored(facts, start, now);
    }
    match revert {
        PullRequestState::NotOpened => keep_going(facts, Some(git::revert_request(facts)), now),
        PullRequestState::Open | PullRequestState::Merged => keep_going(facts, None, now),
        PullRequestState::Closed => {
            let message = format!("the revert was closed; the unvalidated value stays in {}", facts.terms.target);
            end(facts, PromotionPhase::Conflict, PromotionReason::RevertRefused, message, now)
        }
    }
}

/// The pre-image is back; the cause of the rollback is what is told.
fn end_restored(facts: &PromotionFacts, start: RollbackStart, now: Timestamp) -> PromotionPlan {
    let why = cause_told(start.cause, &facts.progress, &facts.terms);
    let message = format!("{} is as it was before: {why}", facts.terms.target);
    end(facts, PromotionPhase::RolledBack, start.cause, message, now)
}

/// Why the value is taken back, with the run that decided it where one did.
pub fn cause_told(cause: PromotionReason, progress: &PromotionProgress, terms: &PromotionTerms) -> String {
    match (cause, &progress.validation) {
        (PromotionReason::SymptomPersists, Some(run)) => {
            format!("run {} still found {}", run.name, terms.symptom.name())
        }
        (PromotionReason::SomethingElseWorse, Some(run)) => format!("run {} found something else worse", run.name),
        _ => cause.meaning().to_owned(),
    }
}

/// Still going back.
fn keep_going(facts: &PromotionFacts, intent: Option<Intent>, now: Timestamp) -> PromotionPlan {
    let wake = Wake::after(now, PENDING_RECHECK);
    Plan { intents: intent.into_iter().collect(), ..Plan::report_only(facts.progress.clone(), wake) }
}

/// The write that puts the pre-image and the earlier annotation back, only where ours still stand.
fn restoring_write(facts: &PromotionFacts, target: &ObservedTarget, remembered: Remembered) -> TargetWrite {
    TargetWrite {
        target: target_version(facts, target),
        changes: facts.terms.owned_fields.iter().map(OwnedField::backward).collect(),
        annotation_from: Some(facts.object.uid.clone()),
        annotation_to: facts.terms.annotation_before.clone(),
        remembered,
    }
}

#[cfg(test)]
#[path = "rollback_tests.rs"]
mod tests;
