//! The conditions of a promotion. `Ready`, `Reconciling` and `Stalled` follow kstatus: a promotion that ended otherwise
//! than validated is stalled, since nothing goes on with it.

use phaseloop_core::promotion::{
    ApprovalMode, PromotionConditionReason as Told, PromotionPhase, PromotionProgress, PromotionReason, cause_told,
};

use super::ValidPromotion;
use crate::{
    api::{
        condition::{Condition, ConditionStatus, ConditionType},
        promotion::Decision,
    },
    controllers::condition,
};

/// The conditions, from the object and its progress alone: an ended promotion keeps the same ones.
pub(super) fn conditions(valid: &ValidPromotion, progress: &PromotionProgress) -> Vec<Condition> {
    let mut conditions = kstatus(progress);
    conditions.extend([approved(valid), rolled_out(valid, progress), validated(valid, progress)]);
    conditions
}

/// A condition whose reason is that of the phase.
fn of_phase(type_: ConditionType, status: ConditionStatus, progress: &PromotionProgress) -> Condition {
    let message = if progress.message.is_empty() { progress.reason.meaning() } else { &progress.message };
    condition(type_, status, progress.reason.name(), message)
}

fn told(type_: ConditionType, status: ConditionStatus, reason: Told, message: Option<String>) -> Condition {
    condition(type_, status, reason.name(), message.unwrap_or_else(|| reason.meaning().to_owned()))
}

fn kstatus(progress: &PromotionProgress) -> Vec<Condition> {
    let ready = |status| of_phase(ConditionType::Ready, status, progress);
    let also = |type_| of_phase(type_, ConditionStatus::True, progress);
    if progress.phase == PromotionPhase::Validated {
        return vec![ready(ConditionStatus::True)];
    }
    let type_ = if progress.phase.is_terminal() || needs_person(progress.reason) {
        ConditionType::Stalled
    } else {
        ConditionType::Reconciling
    };
    vec![ready(ConditionStatus::False), also(type_)]
}

/// Whether only a person can lift the reason. What a person is asked for as a matter of course is none of these.
const fn needs_person(reason: PromotionReason) -> bool {
    use PromotionReason::{
        ApprovalUnprotected, ApproverUnknown, ConfigMapImmutable, ConfigMapManaged, ConfigMapNotUsed, ConfigMapShared,
        EvidenceMissing, FieldNotAllowed, FieldNotWritable, GitNotDelivered, PatchRefused, PolicyUnreadable,
        RolloutCannotSurge, RolloutInterrupts, RolloutOnDelete, RolloutPartitioned, RolloutPaused, SpecInvalid,
        Suspended, TargetManaged,
    };
    matches!(
        reason,
        ApprovalUnprotected
            | ApproverUnknown
            | ConfigMapImmutable
            | ConfigMapManaged
            | ConfigMapNotUsed
            | ConfigMapShared
            | EvidenceMissing
            | FieldNotAllowed
            | FieldNotWritable
            | GitNotDelivered
            | PatchRefused
            | PolicyUnreadable
            | RolloutCannotSurge
            | RolloutInterrupts
            | RolloutOnDelete
            | RolloutPartitioned
            | RolloutPaused
            | SpecInvalid
            | Suspended
            | TargetManaged
    )
}

/// Whether the change is approved, or needs no approval.
fn approved(valid: &ValidPromotion) -> Condition {
    use ConditionStatus::{False, True, Unknown};
    let spec = &valid.object.spec;
    let of =
        |status, reason: PromotionReason| condition(ConditionType::Approved, status, reason.name(), reason.meaning());
    if spec.decision == Decision::Rejected {
        let by = spec.approved_by.as_deref().unwrap_or("nobody who is named");
        let reason = PromotionReason::DecisionRejected;
        return condition(ConditionType::Approved, False, reason.name(), format!("rejected by {by}"));
    }
    if valid.terms.approval == ApprovalMode::Automatic {
        return told(ConditionType::Approved, True, Told::ApprovalNotNeeded, None);
    }
    match (valid.approval_guarded(), spec.decision, spec.approved_by.as_deref().filter(|name| !name.is_empty())) {
        (Some(true), Decision::Approved, Some(by)) => {
            told(ConditionType::Approved, True, Told::ApprovedByPerson, Some(format!("approved by {by}")))
        }
        (Some(true), Decision::Approved, None) => of(False, PromotionReason::ApproverUnknown),
        (Some(true), _, _) => of(False, PromotionReason::AwaitingApproval),
        (Some(false), _, _) => of(False, PromotionReason::ApprovalUnprotected),
        (None, _, _) => of(Unknown, PromotionReason::JustMade),
    }
}

/// Whether the new pods are rolled out.
fn rolled_out(valid: &ValidPromotion, progress: &PromotionProgress) -> Condition {
    use ConditionStatus::{False, True};
    let type_ = ConditionType::RolledOut;
    match (progress.phase, progress.rolled_out_at, progress.applied_at) {
        (PromotionPhase::RollingBack | PromotionPhase::RolledBack, _, _) => taken_back(type_, valid, progress),
        (_, Some(at), _) => told(type_, True, Told::RolloutFinished, Some(format!("seen finished at {at}"))),
        (_, None, Some(_)) => of_phase(type_, False, progress),
        (_, None, None) => told(type_, False, Told::NothingApplied, None),
    }
}

/// Whether a later run has confirmed it.
fn validated(valid: &ValidPromotion, progress: &PromotionProgress) -> Condition {
    use ConditionStatus::{False, True, Unknown};
    let type_ = ConditionType::Validated;
    match (progress.phase, progress.applied_at) {
        (PromotionPhase::Validated, _) => of_phase(type_, True, progress),
        (PromotionPhase::RollingBack | PromotionPhase::RolledBack, _) => taken_back(type_, valid, progress),
        (phase, Some(_)) if !phase.is_terminal() => {
            let by = valid.terms.validate_by;
            let reason = PromotionReason::AwaitingValidation;
            let message = match progress.rolled_out_at {
                Some(at) => format!("the first valid run that starts after {at} decides, by {by}"),
                None => format!("the first valid run after the rollout decides, by {by}"),
            };
            condition(type_, Unknown, reason.name(), message)
        }
        (_, Some(_)) => of_phase(type_, False, progress),
        (_, None) => told(type_, False, Told::NothingApplied, None),
    }
}

/// The value is on its way back, or gone: with the cause of that, not with what happens on the way.
fn taken_back(type_: ConditionType, valid: &ValidPromotion, progress: &PromotionProgress) -> Condition {
    match &progress.rollback {
        Some(rollback) => {
            let message =
                format!("taken back since {}: {}", rollback.since, cause_told(rollback.cause, progress, &valid.terms));
            condition(type_, ConditionStatus::False, rollback.cause.name(), message)
        }
        None => told(type_, ConditionStatus::False, Told::TakenBack, None),
    }
}
