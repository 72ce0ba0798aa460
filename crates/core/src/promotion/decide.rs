//! The one entry: what to do about a promotion now.

use jiff::{SignedDuration, Timestamp};

use super::{
    Delivery, PromotionFacts, PromotionPhase, PromotionProgress, PromotionReason, apply, config_map,
    fence::fence_open,
    git, landed, rollback,
    standing::{Standing, observe_standing},
};
use crate::{
    plan::{
        Intent, Plan, Wake,
        record::{Notice, NoticeSeverity},
        target::TargetVersion,
    },
    prelude::*,
};

/// The plan of a promotion: its report is the promotion's next status.
pub type PromotionPlan = Plan<PromotionProgress>;

/// How soon a write whose outcome was not seen is looked at again: long enough for a slow API server's answer (3 s per
/// call) to have come, short beside every deadline.
pub const PENDING_RECHECK: SignedDuration = SignedDuration::from_secs(10);

/// What to do about a promotion now.
///
/// The phase is derived from what is observed; the status is asked only for what can't be observed again: that the
/// promotion has ended, that a patch was sent, when the value came, that it is to go back. A terminal phase stays, and
/// then only the finalizer is taken off.
///
/// Guarantees: nothing is written to a target, or to its ConfigMap, that is not exactly as the promotion knows it; at most one
/// foreign write per plan; a plan that is not terminal has an instant at which it goes on.
pub fn decide_promotion(facts: &PromotionFacts, now: Timestamp) -> PromotionPlan {
    let mut plan = if facts.progress.phase.is_terminal() { settle(facts) } else { advance(facts, now) };
    if plan.report.phase != facts.progress.phase {
        plan.intents.push(Intent::RecordEvent(tell(facts, &plan.report)));
    }
    plan
}

/// A promotion that has ended owes nothing any more.
fn settle(facts: &PromotionFacts) -> PromotionPlan {
    let mut plan = Plan::report_only(facts.progress.clone(), Wake::OnChange);
    if facts.finalizer_present {
        plan.intents.push(Intent::RemoveFinalizer(facts.object.clone()));
    }
    plan
}

/// The next step of a promotion that has not ended.
fn advance(facts: &PromotionFacts, now: Timestamp) -> PromotionPlan {
    let standing = observe_standing(facts);
    let known = match standing {
        Standing::Gone | Standing::Replaced { .. } | Standing::Changed { .. } => None,
        Standing::Untouched | Standing::Promoted | Standing::ConfigMapPromoted | Standing::TargetPromoted => {
            facts.target.as_ref()
        }
    };
    let Some(target) = known else {
        let taken_out = config_map::settle_lost(facts, standing, was_in(facts), now);
        return taken_out.unwrap_or_else(|| end_lost(facts, standing, now));
    };
    if let Some(start) = facts.progress.rollback {
        return rollback::continue_rollback(facts, target, start, standing, now);
    }
    let applied = facts.progress.applied_at.is_some();
    match (standing, facts.terms.delivery, facts.terms.patched_config_map()) {
        (Standing::Promoted, _, _) => landed::decide_landed(facts, target, now),
        (_, Delivery::Git, _) => git::decide_delivery(facts, target, now),
        // Nobody decided to go back, so somebody else took half of it out.
        (Standing::TargetPromoted, _, _) => end_overwritten(facts, now),
        _ if applied => end_overwritten(facts, now),
        (Standing::ConfigMapPromoted, _, Some(terms)) => config_map::decide_between(facts, target, terms, now),
        (_, _, Some(terms)) => config_map::decide_before(facts, target, terms, now),
        (_, _, None) => apply::decide_apply(facts, target, now),
    }
}

/// The end of a promotion whose target or values are not as it knows them. Before our value was in, nothing of ours is
/// lost and nothing is owed: `Superseded`. After it, either the value went with the target (`Superseded` too), or
/// somebody's value or our unvalidated one stands in a living object, which is for a person to decide: `Conflict`.
fn end_lost(facts: &PromotionFacts, standing: Standing, now: Timestamp) -> PromotionPlan {
    let target = &facts.terms.target;
    let (phase, reason, message) = match standing {
        Standing::Gone => {
            (PromotionPhase::Superseded, PromotionReason::TargetMissing, format!("{target} is not there"))
        }
        Standing::Replaced { carries_value: false } => {
            let message = format!("{target} was deleted and made again");
            (PromotionPhase::Superseded, PromotionReason::TargetReplaced, message)
        }
        Standing::Replaced { carries_value: true } => {
            let message = format!("{target} was made again with our unvalidated value in it");
            (PromotionPhase::Conflict, PromotionReason::ReplacementCarriesValue, message)
        }
        Standing::Changed { marked } if marked || was_in(facts) => return end_overwritten(facts, now),
        _ => {
            let message = format!("somebody else changed {} where the promotion was to write", facts.terms.places());
            (PromotionPhase::Superseded, PromotionReason::OwnedFieldChanged, message)
        }
    };
    end(facts, phase, reason, message, now)
}

/// Whether our value is known to have been in the target, or to be due there by a merge.
fn was_in(facts: &PromotionFacts) -> bool {
    facts.progress.applied_at.is_some() || facts.progress.rollback.is_some() || git::is_merged(facts)
}

/// Somebody else's value stands where ours stood.
fn end_overwritten(facts: &PromotionFacts, now: Timestamp) -> PromotionPlan {
    let message = format!("somebody else changed what was promoted in {}; their value stays", facts.terms.places());
    end(facts, PromotionPhase::Conflict, PromotionReason::ValueOverwritten, message, now)
}

/// An end: report it, and look again at once to take the finalizer off. A patch that may still land is made harmless before
/// that, and an open pull request for the change is closed, so that nothing of what has ended comes in afterwards.
pub(super) fn end(
    facts: &PromotionFacts,
    phase: PromotionPhase,
    reason: PromotionReason,
    message: String,
    now: Timestamp,
) -> PromotionPlan {
    if let Some(fenced) = fence_open(facts, &message, now) {
        return fenced;
    }
    let mut plan = Plan::report_only(facts.progress.moved(phase, reason, message), Wake::At(now));
    plan.intents.extend(git::close_open_request(facts, reason));
    plan
}

/// The event for a transition.
fn tell(facts: &PromotionFacts, report: &PromotionProgress) -> Notice {
    let severity = match report.phase {
        PromotionPhase::RollingBack | PromotionPhase::RolledBack | PromotionPhase::Conflict => NoticeSeverity::Warning,
        _ => NoticeSeverity::Normal,
    };
    Notice {
        object: facts.object.clone(),
        severity,
        reason: report.reason.name(),
        note: report.message.clone(),
        // The sentence says when something was seen, and a later look sees it later.
        identity: format!("{} -> {}", facts.progress.phase.name(), report.phase.name()),
    }
}

/// The target at the version that was observed.
pub(super) fn target_version(facts: &PromotionFacts, target: &super::ObservedTarget) -> TargetVersion {
    TargetVersion {
        reference: facts.terms.target.clone(),
        uid: target.uid.clone(),
        resource_version: target.resource_version.clone(),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
