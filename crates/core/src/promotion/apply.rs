//! Before the value is in the target: waiting, ending, or sending the patch.

use jiff::Timestamp;

use super::{
    ObservedTarget, PromotionFacts, PromotionPhase, PromotionPlan, PromotionReason,
    admission::{Admission, Objection, apply_by, first_objection},
    decide::{PENDING_RECHECK, end, target_version},
    fence::{fence_open, open_attempt},
    progress::ApplyAttempt,
};
use crate::{
    plan::{
        Intent, Plan, Wake,
        target::{Remembered, TargetWrite},
        wake::instant_after,
    },
    prelude::*,
};

/// What to do while the target is untouched and holds all that is promoted itself, for delivery Patch.
pub(super) fn decide_apply(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    match first_objection(&Admission { facts, target, now }) {
        Some(objection) => hold(facts, objection, now),
        None => apply_to_target(facts, target, now),
    }
}

/// Sends the target's patch, unless the one before may still be answered.
pub(super) fn apply_to_target(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    match open_attempt(facts) {
        Some(attempt) if now < instant_after(attempt.since, PENDING_RECHECK) => {
            let wake = Wake::At(instant_after(attempt.since, PENDING_RECHECK));
            Plan::report_only(facts.progress.clone(), wake)
        }
        _ => patch(facts, target, now),
    }
}

/// Stands still, or ends, for the reason that the objection gives. A patch that may still land is made harmless first.
pub(super) fn hold(facts: &PromotionFacts, objection: Objection, now: Timestamp) -> PromotionPlan {
    let Objection { phase, reason, message, passes_at } = objection;
    if let Some(fenced) = fence_open(facts, &message, now) {
        return fenced;
    }
    if phase.is_terminal() {
        return end(facts, phase, reason, message, now);
    }
    let mut report = facts.progress.moved(phase, reason, message);
    (report.attempt, report.config_map_attempt, report.taking_out_since) = (None, None, None);
    let last = apply_by(facts);
    let mut plan = Plan::report_only(report, Wake::At(passes_at.map_or(last, |instant| instant.min(last))));
    if reason == PromotionReason::FinalizerMissing {
        plan.intents.push(Intent::AddFinalizer(facts.object.clone()));
    }
    plan
}

/// Remembers the attempt, then sends the patch.
fn patch(facts: &PromotionFacts, target: &ObservedTarget, now: Timestamp) -> PromotionPlan {
    let terms = &facts.terms;
    let write = TargetWrite {
        target: target_version(facts, target),
        changes: terms.target_changes(),
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
