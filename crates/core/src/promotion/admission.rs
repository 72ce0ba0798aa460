//! What stands against applying a promotion now: one ordered chain of checks.
//!
//! The order is the order in which a user should hear of it: first what ends the promotion, then what only a change of
//! the target or its owner can mend, then the person who has to agree, then what passes by itself.

use jiff::Timestamp;

use super::{
    ApprovalMode, Delivery, ObservedConfigMap, ObservedTarget, PromotionFacts, PromotionPhase, PromotionReason,
    facts::{PullRequestState, ReviewDecision},
    observed::RolloutStrategy,
    rollout,
    standing::{ConfigMapStanding, config_map_standing},
    terms::ConfigMapTerms,
};
use crate::{
    plan::{Chain, Check, target::fence_text, wake::instant_after},
    prelude::*,
};

/// What the checks look at.
pub struct Admission<'a> {
    /// The promotion and its world.
    pub facts: &'a PromotionFacts,
    /// The target, which is untouched. Of a value that lies in a ConfigMap the ConfigMap may hold it already.
    pub target: &'a ObservedTarget,
    /// The instant of the decision.
    pub now: Timestamp,
}

/// Why a promotion is not applied now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Where the promotion stands for it. A terminal phase ends it.
    pub phase: PromotionPhase,
    /// The reason.
    pub reason: PromotionReason,
    /// The reason with names, values and instants.
    pub message: String,
    /// When time alone may change it; absent where only a change can.
    pub passes_at: Option<Timestamp>,
}

/// The last instant at which applying makes sense: a rollout that takes all its time still ends before the deadline.
pub fn apply_by(facts: &PromotionFacts) -> Timestamp {
    instant_after(facts.terms.validate_by, -facts.terms.rollout_timeout)
}

/// Every check, in its order.
pub fn apply_checks<'a>() -> [Check<Admission<'a>, Objection>; 24] {
    [
        Check { name: "deleted", check: deleted },
        Check { name: "rejected", check: rejected },
        Check { name: "pull_request_closed", check: pull_request_closed },
        Check { name: "nothing_to_change", check: nothing_to_change },
        Check { name: "template_changed", check: template_changed },
        Check { name: "configuration_changed", check: configuration_changed },
        Check { name: "changed_while_applying", check: changed_while_applying },
        Check { name: "config_map_changed_while_applying", check: config_map_changed_while_applying },
        Check { name: "another_promotion_first", check: another_promotion_first },
        Check { name: "too_late", check: too_late },
        Check { name: "deliverable", check: deliverable },
        Check { name: "evidence", check: evidence },
        Check { name: "managed", check: managed },
        Check { name: "config_map_managed", check: config_map_managed },
        Check { name: "paused", check: paused },
        Check { name: "on_delete", check: on_delete },
        Check { name: "partitioned", check: partitioned },
        Check { name: "cannot_surge", check: cannot_surge },
        Check { name: "interrupts", check: interrupts },
        Check { name: "approval", check: approval },
        Check { name: "finalizer", check: finalizer },
        Check { name: "suspended", check: suspended },
        Check { name: "target_busy", check: target_busy },
        Check { name: "window", check: window },
    ]
}

/// The first objection to applying, if there is any.
pub fn first_objection(admission: &Admission<'_>) -> Option<Objection> {
    Chain::new(&apply_checks()).first(admission).map(|found| found.violation)
}

/// An objection that time alone does not lift.
fn objection(phase: PromotionPhase, reason: PromotionReason, message: String) -> Objection {
    Objection { phase, reason, message, passes_at: None }
}

/// An objection that only keeps the promotion staged.
fn wait(reason: PromotionReason, message: String) -> Objection {
    objection(PromotionPhase::Staged, reason, message)
}

/// Whether we write to the target ourselves. What a merged pull request brings is not ours to time or to refuse.
fn is_patch(admission: &Admission<'_>) -> bool {
    admission.facts.terms.delivery == Delivery::Patch
}

fn deleted(admission: &Admission<'_>) -> Option<Objection> {
    admission.facts.deletion_requested.then(|| {
        let message = "deleted before anything was written to the target".to_owned();
        objection(PromotionPhase::Expired, PromotionReason::DeletionRequested, message)
    })
}

fn rejected(admission: &Admission<'_>) -> Option<Objection> {
    (admission.facts.review.decision == ReviewDecision::Rejected).then(|| {
        let message = "spec.decision is Rejected; the candidate is denied in this environment".to_owned();
        objection(PromotionPhase::Rejected, PromotionReason::DecisionRejected, message)
    })
}

fn pull_request_closed(admission: &Admission<'_>) -> Option<Objection> {
    let closed = !is_patch(admission) && admission.facts.git.change == PullRequestState::Closed;
    closed.then(|| {
        let message = "the pull request was closed without being merged".to_owned();
        objection(PromotionPhase::Rejected, PromotionReason::PullRequestClosed, message)
    })
}

fn nothing_to_change(admission: &Admission<'_>) -> Option<Objection> {
    admission.facts.terms.all_fields().all(|field| field.before == field.promoted).then(|| {
        let message = "the promoted values are those that stand in the target already".to_owned();
        objection(PromotionPhase::Superseded, PromotionReason::NothingToChange, message)
    })
}

fn template_changed(admission: &Admission<'_>) -> Option<Objection> {
    let (seen, measured) = (&admission.target.template_hash, &admission.facts.terms.template_hash);
    (seen != measured).then(|| {
        let message = format!("the pod template is {seen}, the canary was built from {measured}");
        objection(PromotionPhase::Superseded, PromotionReason::TemplateChanged, message)
    })
}

/// Other data of the ConfigMap than the promotion was made with gives another hash than the one in its terms.
fn configuration_changed(admission: &Admission<'_>) -> Option<Objection> {
    let terms = admission.facts.terms.patched_config_map()?;
    (!is_as_promoted(terms, admission.facts.config_map.as_ref())).then(|| {
        let message = format!("other data of {} changed since the promotion was made", terms.reference());
        objection(PromotionPhase::Superseded, PromotionReason::ConfigurationChanged, message)
    })
}

/// Whether nobody changed other data of the ConfigMap.
pub(super) fn is_as_promoted(terms: &ConfigMapTerms, map: Option<&ObservedConfigMap>) -> bool {
    let hash = map.and_then(|map| map.hash_with_promoted.as_deref());
    hash.is_some() && hash == terms.promoted_hash()
}

/// A ConfigMap has no generation: one that looks untouched, but was touched since our patch was sent, may have had our value
/// and lost it again, unless our fence was the first to touch it, or we took the value out ourselves.
fn config_map_changed_while_applying(admission: &Admission<'_>) -> Option<Objection> {
    let facts = admission.facts;
    let attempt = facts.progress.config_map_attempt.as_ref()?;
    let map = facts.config_map.as_ref()?;
    let fence = fence_text(&facts.object.uid, &attempt.resource_version);
    let explained = config_map_standing(facts) == Some(ConfigMapStanding::Promoted)
        || map.resource_version == attempt.resource_version
        || map.fence.as_ref() == Some(&fence)
        || facts.progress.taking_out_since.is_some();
    (!explained).then(|| {
        let message = format!("the ConfigMap was touched since the patch was sent at {}", attempt.since);
        objection(PromotionPhase::Superseded, PromotionReason::TargetChangedWhileApplying, message)
    })
}

/// Our patch moves the generation on by one. A target that looks untouched at two or more above the attempt's
/// generation may have had our value and lost it again; below that it can't have had it, and trying again is safe.
fn changed_while_applying(admission: &Admission<'_>) -> Option<Objection> {
    let attempt = admission.facts.progress.attempt.as_ref()?;
    let moved_on = admission.target.generation.saturating_sub(attempt.target_generation);
    (moved_on > GENERATION_STEPS_PROVING_NO_LANDING_MAX).then(|| {
        let message =
            format!("the target's generation moved on by {moved_on} since the patch was sent at {}", attempt.since);
        objection(PromotionPhase::Superseded, PromotionReason::TargetChangedWhileApplying, message)
    })
}

/// One step may be somebody else's change; landing and being undone takes two.
const GENERATION_STEPS_PROVING_NO_LANDING_MAX: i64 = 1;

/// Of several unfinished promotions of a target one goes on: that which holds the target, else the oldest, else the one
/// with the smaller uid. All of them come to the same answer.
fn another_promotion_first(admission: &Admission<'_>) -> Option<Objection> {
    let facts = admission.facts;
    let own_rank = (!facts.progress.phase.holds_target(), facts.created_at, &facts.object.uid);
    let first = facts.others.iter().find(|other| {
        !other.phase.is_terminal() && (!other.phase.holds_target(), other.created_at, &other.uid) < own_rank
    })?;
    let message = format!("promotion {} of the same target is {} and goes first", first.name, first.phase);
    Some(objection(PromotionPhase::Superseded, PromotionReason::AnotherPromotionFirst, message))
}

fn too_late(admission: &Admission<'_>) -> Option<Objection> {
    let last = apply_by(admission.facts);
    (admission.now >= last).then(|| {
        let validate_by = admission.facts.terms.validate_by;
        let message = format!("not applied by {last}; a run could no longer validate it by {validate_by}");
        objection(PromotionPhase::Expired, PromotionReason::TooLateToValidate, message)
    })
}

fn deliverable(admission: &Admission<'_>) -> Option<Objection> {
    let undeliverable = admission.facts.undeliverable.clone()?;
    Some(wait(undeliverable.reason, undeliverable.message))
}

fn evidence(admission: &Admission<'_>) -> Option<Objection> {
    let terms = &admission.facts.terms;
    let proven = admission.facts.canary.as_ref().is_some_and(|canary| {
        canary.passed
            && canary.parameters == terms.parameters
            && canary.target_uid == terms.target_uid
            && canary.template_hash == terms.template_hash
    });
    (!proven).then(|| {
        let message = "no canary is there that passed with these values on this target and template".to_owned();
        wait(PromotionReason::EvidenceMissing, message)
    })
}

fn managed(admission: &Admission<'_>) -> Option<Objection> {
    let manager = admission.target.managed_by?;
    (is_patch(admission) && !admission.facts.terms.allow_managed).then(|| {
        let message = format!("{manager} manages the target; use delivery Git, or set allowManaged");
        wait(PromotionReason::TargetManaged, message)
    })
}

fn config_map_managed(admission: &Admission<'_>) -> Option<Objection> {
    let terms = admission.facts.terms.patched_config_map()?;
    let manager = admission.facts.config_map.as_ref()?.managed_by?;
    (!admission.facts.terms.allow_managed).then(|| {
        let message = format!("{manager} manages {}; use delivery Git, or set allowManaged", terms.reference());
        wait(PromotionReason::ConfigMapManaged, message)
    })
}

fn paused(admission: &Admission<'_>) -> Option<Objection> {
    (is_patch(admission) && admission.target.rollout.paused)
        .then(|| wait(PromotionReason::RolloutPaused, "the target's rollout is paused; resume it".to_owned()))
}

fn on_delete(admission: &Admission<'_>) -> Option<Objection> {
    (is_patch(admission) && admission.target.rollout.strategy == RolloutStrategy::OnDelete).then(|| {
        let message = "the target replaces pods only when they are deleted; use RollingUpdate".to_owned();
        wait(PromotionReason::RolloutOnDelete, message)
    })
}

fn partitioned(admission: &Admission<'_>) -> Option<Objection> {
    (is_patch(admission) && admission.target.rollout.partitioned).then(|| {
        let message = "a partition keeps some pods back; set it to 0".to_owned();
        wait(PromotionReason::RolloutPartitioned, message)
    })
}

fn cannot_surge(admission: &Admission<'_>) -> Option<Objection> {
    (is_patch(admission) && rollout::cannot_surge(&admission.target.rollout)).then(|| {
        let message = "the rollout needs a spare GPU and none was found; allow maxUnavailable 1 or free one".to_owned();
        wait(PromotionReason::RolloutCannotSurge, message)
    })
}

fn interrupts(admission: &Admission<'_>) -> Option<Objection> {
    let interrupts = rollout::interrupts_service(&admission.target.rollout);
    (is_patch(admission) && interrupts && !admission.facts.terms.allow_downtime).then(|| {
        let message = "no replica would serve during the rollout; add replicas or set allowDowntime".to_owned();
        wait(PromotionReason::RolloutInterrupts, message)
    })
}

fn approval(admission: &Admission<'_>) -> Option<Objection> {
    if !is_patch(admission) || admission.facts.terms.approval == ApprovalMode::Automatic {
        return None;
    }
    let review = &admission.facts.review;
    let (reason, message) = if !review.policy_in_force {
        (PromotionReason::ApprovalUnprotected, "the admission policy for approvals is not in force; install it")
    } else if review.decision != ReviewDecision::Approved {
        (PromotionReason::AwaitingApproval, "set spec.decision to Approved or Rejected")
    } else if review.approved_by.as_ref().is_none_or(String::is_empty) {
        (PromotionReason::ApproverUnknown, "spec.decision is Approved but spec.approvedBy is empty")
    } else {
        return None;
    };
    Some(objection(PromotionPhase::AwaitingReview, reason, message.to_owned()))
}

fn finalizer(admission: &Admission<'_>) -> Option<Objection> {
    (!admission.facts.finalizer_present).then(|| {
        let message = "the finalizer is put on before anything is written to the target".to_owned();
        wait(PromotionReason::FinalizerMissing, message)
    })
}

fn suspended(admission: &Admission<'_>) -> Option<Objection> {
    (admission.facts.suspended)
        .then(|| wait(PromotionReason::Suspended, "phaseloop is suspended for this target".to_owned()))
}

fn target_busy(admission: &Admission<'_>) -> Option<Objection> {
    if !is_patch(admission) {
        return None;
    }
    if admission.target.borrowed {
        let message = "a replica of the target is borrowed and not given back yet".to_owned();
        return Some(wait(PromotionReason::TargetBorrowed, message));
    }
    rollout::is_rolling_out(admission.target).then(|| {
        let message = "the target is rolling out another change".to_owned();
        wait(PromotionReason::TargetRollingOut, message)
    })
}

fn window(admission: &Admission<'_>) -> Option<Objection> {
    let window = admission.facts.window;
    (is_patch(admission) && !window.open).then(|| {
        let message = window.opens_at.map_or_else(
            || "no promotion window is open, and none will open".to_owned(),
            |opens_at| format!("no promotion window is open; the next one opens at {opens_at}"),
        );
        Objection { passes_at: window.opens_at, ..wait(PromotionReason::WindowClosed, message) }
    })
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
