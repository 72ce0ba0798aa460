//! While the value is in the target: the rollout, and then the run that decides.

use jiff::Timestamp;

use super::{
    ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionProgress, PromotionReason,
    admission::is_as_promoted,
    facts::ReviewDecision,
    rollback::begin_rollback,
    rollout::{RolloutState, rollout_state_by},
    validation::judge,
};
use crate::{
    plan::{Plan, Wake, wake::instant_after},
    prelude::*,
};

/// What to do while the target holds the promoted value.
pub(super) fn decide_landed(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    let mut progress = facts.progress.clone();
    if progress.promoted_template_hash.is_none() && is_otherwise_unchanged(facts, target) {
        progress.promoted_template_hash = Some(target.template_hash.clone());
    }
    let Some(applied_at) = progress.applied_at else {
        progress.applied_at = Some(now);
        let message = format!("{} holds the promoted value", facts.terms.target);
        let report = progress.moved(PromotionPhase::Applying, PromotionReason::RollingOut, message);
        return Plan::report_only(report, Wake::At(now));
    };
    if let Some(cause) = withdrawn(facts) {
        return begin_rollback(facts, target, &progress, cause, now);
    }
    match progress.rolled_out_at {
        None => await_rollout(facts, target, progress, applied_at, now),
        Some(rolled_out_at) => await_validation(facts, target, &progress, rolled_out_at, now),
    }
}

/// Whether nobody changed another part of the template, or other data of the ConfigMap.
fn is_otherwise_unchanged(facts: &PromotionFacts, target: &ObservedTarget) -> bool {
    target.template_hash_with_pre_image == facts.terms.template_hash && is_configured_alike(facts)
}

/// Whether nobody changed other data of the ConfigMap. Runs say which template they saw, and nothing of what it reads: while
/// the ConfigMap is another, no run can be judged.
fn is_configured_alike(facts: &PromotionFacts) -> bool {
    facts.terms.patched_config_map().is_none_or(|terms| is_as_promoted(terms, facts.config_map.as_ref()))
}

/// Whether a person took the promotion back: by deleting it, or by a late refusal.
fn withdrawn(facts: &PromotionFacts) -> Option<PromotionReason> {
    if facts.deletion_requested {
        Some(PromotionReason::DeletionRequested)
    } else if facts.review.decision == ReviewDecision::Rejected {
        Some(PromotionReason::DecisionRejected)
    } else {
        None
    }
}

/// Watches the rollout. It is timed from the moment the patch was sent, or, where a merge brought the value, from the
/// moment it was seen.
fn await_rollout(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    mut progress: PromotionProgress,
    applied_at: Timestamp,
    now: Timestamp,
) -> PromotionPlan {
    let validate_by = facts.terms.validate_by;
    let began = progress.attempt.as_ref().map_or(applied_at, |attempt| attempt.since);
    let deadline = instant_after(began, facts.terms.rollout_timeout);
    match rollout_state_by(target, deadline, now) {
        RolloutState::Failed(cause) => begin_rollback(facts, target, &progress, cause, now),
        RolloutState::UnderWay if now >= validate_by => {
            begin_rollback(facts, target, &progress, PromotionReason::ValidationDeadlinePassed, now)
        }
        RolloutState::UnderWay => {
            let message = format!("rolling out since {began}; rolled back if not finished by {deadline}");
            let report = progress.moved(PromotionPhase::Applying, PromotionReason::RollingOut, message);
            Plan::report_only(report, Wake::At(deadline.min(validate_by)))
        }
        RolloutState::Finished => {
            progress.rolled_out_at = Some(now);
            let message = format!("rolled out; the first run that starts after {now} decides, by {validate_by}");
            let report = progress.moved(PromotionPhase::Applied, PromotionReason::AwaitingValidation, message);
            Plan::report_only(report, Wake::At(validate_by))
        }
    }
}

/// Waits for the run that decides, no longer than to the deadline.
fn await_validation(
    facts: &PromotionFacts,
    target: &ObservedTarget,
    progress: &PromotionProgress,
    rolled_out_at: Timestamp,
    now: Timestamp,
) -> PromotionPlan {
    let seen = progress.promoted_template_hash.as_ref().filter(|_| is_configured_alike(facts));
    let judgement = seen.and_then(|hash| judge(facts, rolled_out_at, hash));
    if let Some(judgement) = judgement {
        let judged = PromotionProgress { validation: Some(judgement.run.clone()), ..progress.clone() };
        if judgement.reason != PromotionReason::Improved {
            return begin_rollback(facts, target, &judged, judgement.reason, now);
        }
        let message = format!("run {} found the symptom gone and nothing worse", judgement.run.name);
        let report = judged.moved(PromotionPhase::Validated, judgement.reason, message);
        return Plan::report_only(report, Wake::At(now));
    }
    let validate_by = facts.terms.validate_by;
    if now >= validate_by {
        return begin_rollback(facts, target, progress, PromotionReason::ValidationDeadlinePassed, now);
    }
    let (reason, message) = if is_otherwise_unchanged(facts, target) {
        let message = format!("waits for a valid run that starts after {rolled_out_at}, by {validate_by}");
        (PromotionReason::AwaitingValidation, message)
    } else {
        let changed = if is_configured_alike(facts) { "the template" } else { "the ConfigMap" };
        let message = format!("another part of {changed} changed; unless that is undone, rolled back at {validate_by}");
        (PromotionReason::TemplateChangedAfterApply, message)
    };
    Plan::report_only(progress.moved(PromotionPhase::Applied, reason, message), Wake::At(validate_by))
}

#[cfg(test)]
#[path = "landed_tests.rs"]
mod tests;
