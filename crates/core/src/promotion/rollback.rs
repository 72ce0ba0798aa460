//! Putting the pre-image back, to the letter: absent becomes absent, and nothing that somebody else wrote is touched.

use jiff::Timestamp;

use super::{
    Delivery, ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionProgress, PromotionReason,
    PromotionTerms,
    apply::describe,
    config_map,
    decide::{PENDING_RECHECK, end, target_version},
    facts::PullRequestState,
    git,
    progress::RollbackStart,
    standing::Standing,
};
use crate::{
    plan::{
        FieldChange, Intent, Plan, Wake,
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
    let write = restoring_write(facts, target, Standing::Promoted, Remembered::InThisPlan);
    let why = cause_told(cause, progress, &facts.terms);
    let message = format!("{} gets back {}: {why}", write.target.reference, describe(&write));
    let mut report = progress.moved(PromotionPhase::RollingBack, cause, message);
    report.rollback = Some(RollbackStart { cause, since: now });
    let intents = match (facts.terms.delivery, facts.git.revert) {
        (Delivery::Patch, _) => vec![Intent::RestoreTarget(Box::new(write))],
        (Delivery::Git, PullRequestState::NotOpened) => vec![git::revert_request(facts)],
        (Delivery::Git, _) => Vec::new(),
    };
    Plan { remember: Some(report.clone()), intents, report, wake: next_look(facts, now) }
}

/// Goes on with a rollback that was decided before. The target is either at the promoted values or at the pre-image, and so is
/// its ConfigMap, which goes first: a target that is restored before it would start pods of the old template with the new value.
pub(super) fn continue_rollback(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    start: RollbackStart,
    standing: Standing,
    now: Timestamp,
) -> PromotionPlan {
    match (facts.terms.delivery, standing) {
        (Delivery::Patch, Standing::Untouched) => end_restored(facts, start, now),
        (Delivery::Patch, _) => {
            let write = restoring_write(facts, target, standing, Remembered::Earlier);
            keep_going(facts, Some(Intent::RestoreTarget(Box::new(write))), now)
        }
        (Delivery::Git, _) => continue_revert(facts, start, standing == Standing::Promoted, now),
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
    let target = &facts.terms.target;
    let message = match facts.terms.patched_config_map() {
        Some(map) => format!("{} and {target} are as they were before: {why}", map.reference()),
        None => format!("{target} is as it was before: {why}"),
    };
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

/// When it is seen whether the write took effect: at once where another follows it.
fn next_look(facts: &PromotionFacts, now: Timestamp) -> Wake {
    if facts.terms.patched_config_map().is_some() { Wake::At(now) } else { Wake::after(now, PENDING_RECHECK) }
}

/// Still going back.
fn keep_going(facts: &PromotionFacts, intent: Option<Intent>, now: Timestamp) -> PromotionPlan {
    let wake = next_look(facts, now);
    Plan { intents: intent.into_iter().collect(), ..Plan::report_only(facts.progress.clone(), wake) }
}

/// The next write that puts a pre-image and the earlier annotation back, only where ours still stand: that of the ConfigMap
/// while it holds our value, then that of the target.
fn restoring_write(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    standing: Standing,
    remembered: Remembered,
) -> TargetWrite {
    let of_config_map = facts
        .terms
        .patched_config_map()
        .filter(|_| standing != Standing::TargetPromoted)
        .and_then(|terms| config_map::restoring_write(facts, terms, remembered));
    of_config_map.unwrap_or_else(|| TargetWrite {
        target: target_version(facts, target),
        changes: facts.terms.target_changes().iter().map(FieldChange::reversed).collect(),
        annotation_from: Some(facts.object.uid.clone()),
        annotation_to: facts.terms.annotation_before.clone(),
        remembered,
    })
}

#[cfg(test)]
#[path = "rollback_tests.rs"]
mod tests;
