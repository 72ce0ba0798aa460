//! Before the value is in the target: waiting, ending, or sending the patch.

use jiff::Timestamp;

use super::{
    ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    admission::{Admission, Objection, apply_by, first_objection},
    decide::{PENDING_RECHECK, end, target_version},
    progress::ApplyAttempt,
};
use crate::{
    plan::{
        Intent, Plan, Wake,
        target::{Remembered, TargetFence, TargetWrite},
        wake::instant_after,
    },
    prelude::*,
};

/// What to do while the target is untouched, for delivery Patch.
pub(super) fn decide_apply(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    let open_attempt = open_attempt(facts, target);
    match (first_objection(&Admission { facts, target, now }), open_attempt) {
        (Some(objection), Some(_)) => withdraw(facts, target, &objection, now),
        (Some(objection), None) => hold(facts, objection, now),
        (None, Some(attempt)) if now < instant_after(attempt.since, PENDING_RECHECK) => {
            let wake = Wake::At(instant_after(attempt.since, PENDING_RECHECK));
            Plan::report_only(facts.progress.clone(), wake)
        }
        (None, _) => patch(facts, target, now),
    }
}

/// The attempt whose patch may still land: it tests a resourceVersion that the target still has.
fn open_attempt<'a>(facts: &'a PromotionFacts, target: &ObservedTarget) -> Option<&'a ApplyAttempt> {
    facts.progress.attempt.as_ref().filter(|attempt| attempt.target_resource_version == target.resource_version)
}

/// Stands still, or ends, for the reason that the objection gives.
pub(super) fn hold(facts: &PromotionFacts, objection: Objection, now: Timestamp) -> PromotionPlan {
    let Objection { phase, reason, message, passes_at } = objection;
    if phase.is_terminal() {
        return end(facts, phase, reason, message, now);
    }
    let mut report = facts.progress.moved(phase, reason, message);
    report.attempt = None;
    let last = apply_by(facts);
    let mut plan = Plan::report_only(report, Wake::At(passes_at.map_or(last, |instant| instant.min(last))));
    if reason == PromotionReason::FinalizerMissing {
        plan.intents.push(Intent::AddFinalizer(facts.object.clone()));
    }
    plan
}

/// Makes a patch harmless before anything else is done: a paused leader may still send it. The fence moves the
/// resourceVersion on; the next look finds no open attempt and follows the objection.
fn withdraw(facts: &PromotionFacts, target: &ObservedTarget, objection: &Objection, now: Timestamp) -> PromotionPlan {
    let message = format!("the patch is withdrawn: {}", objection.message);
    let fence = TargetFence { target: target_version(facts, target), promotion: facts.object.uid.clone() };
    Plan {
        remember: None,
        intents: vec![Intent::FenceTarget(Box::new(fence))],
        report: facts.progress.moved(PromotionPhase::Applying, PromotionReason::Withdrawing, message),
        wake: Wake::after(now, PENDING_RECHECK),
    }
}

/// Remembers the attempt, then sends the patch.
fn patch(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    let terms = &facts.terms;
    let write = TargetWrite {
        target: target_version(facts, target),
        changes: terms.owned_fields.iter().map(crate::plan::OwnedField::forward).collect(),
        annotation_from: terms.annotation_before.clone(),
        annotation_to: Some(facts.object.uid.clone()),
        remembered: Remembered::InThisPlan,
    };
    let message = format!("{} gets {}", terms.target, describe(&write));
    let mut report = facts.progress.moved(PromotionPhase::Applying, PromotionReason::Patching, message);
    report.attempt = Some(ApplyAttempt {
        since: now,
        target_resource_version: target.resource_version.clone(),
        target_generation: target.generation,
    });
    Plan {
        remember: Some(report.clone()),
        intents: vec![Intent::PatchTarget(Box::new(write))],
        report,
        wake: Wake::after(now, PENDING_RECHECK),
    }
}

/// The changes of a write in words: `address: old -> new`.
pub(super) fn describe(write: &TargetWrite) -> String {
    let changes: Vec<String> =
        write.changes.iter().map(|change| format!("{}: {} -> {}", change.address, change.from, change.to)).collect();
    changes.join(", ")
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
