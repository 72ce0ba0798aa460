//! The status of a promotion.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    audit::EvidenceReference,
    plan::{OwnKind, OwnedField},
    promotion::{ApprovalMode, Delivery, PromotionPhase, PromotionProgress},
};

use super::{ValidPromotion, condition::conditions, progress::status_with};
use crate::{
    api::{
        PromotionStatus,
        promotion::{
            Decision,
            status::{PromotionSummary, Validation, ValidationDelta},
        },
        schema::VALUE_LENGTH_MAX,
    },
    controllers::Report,
};

crate::kind_status!(PromotionStatus, lives_on: false, state: |status| status.phase.map(|phase| format!("{phase:?}")));

/// Most deltas that a status carries.
const DELTAS_MAX: usize = 64;

/// The report of what a promotion remembers.
pub(super) fn report(valid: &ValidPromotion, progress: &PromotionProgress, now: Timestamp) -> Report<PromotionStatus> {
    let before = valid.status();
    let rolled_back = (progress.phase == PromotionPhase::RolledBack).then_some(now);
    let mut status = PromotionStatus {
        approval_guarded: valid.approval_guarded(),
        rolled_back_at: before.rolled_back_at.or(rolled_back),
        summary: Some(summary(valid)),
        ..status_with(before, progress)
    };
    if let Some(validation) = &mut status.validation {
        add_deltas(valid, validation);
    }
    status.conditions = conditions(valid, progress);
    let message = if progress.message.is_empty() { progress.reason.meaning() } else { &progress.message };
    Report {
        cycle: Some(valid.object.spec.cycle.clone()),
        evidence: evidence(valid, progress),
        ..Report::new(status, progress.reason.name(), message)
    }
}

/// What the state rests on: the canary that won, and the run that decided.
fn evidence(valid: &ValidPromotion, progress: &PromotionProgress) -> Vec<EvidenceReference> {
    let canary = valid.world.canary_uid.as_ref().map(|uid| EvidenceReference {
        kind: OwnKind::TuningCanary.name().to_owned(),
        name: valid.object.spec.canary_name.clone(),
        uid: Some(uid.clone()),
    });
    let run = progress.validation.as_ref().map(|run| EvidenceReference {
        kind: OwnKind::PhaseRun.name().to_owned(),
        name: run.name.clone(),
        uid: Some(run.uid.clone()),
    });
    canary.into_iter().chain(run).collect()
}

/// How the metrics of the promotion's domains moved, as the run has it; kept as they are where they are there already.
fn add_deltas(valid: &ValidPromotion, validation: &mut Validation) {
    let run = valid.world.runs.iter().find(|run| run.uid().as_ref() == Some(&validation.phase_run_uid));
    let Some(run) = run.and_then(|run| run.status.as_ref()).filter(|_| validation.deltas.is_empty()) else { return };
    let covered = run.domains.iter().filter(|domain| valid.terms.domains.contains_key(&domain.name));
    let deltas = covered.flat_map(|domain| {
        domain.deltas.iter().map(|delta| ValidationDelta {
            domain: domain.name.clone(),
            metric: delta.metric,
            current: delta.current,
            baseline: delta.baseline,
            delta_percent: delta.delta_percent,
        })
    });
    validation.deltas = deltas.take(DELTAS_MAX).collect();
}

/// One line per column: `0.92 -> 0.75`, with the parameter's name where there are several.
fn summary(valid: &ValidPromotion) -> PromotionSummary {
    let fields: Vec<&OwnedField> = valid.terms.all_fields().collect();
    let named = fields.len() > 1;
    let changes: Vec<String> = fields
        .iter()
        .map(|field| {
            let name = if named { format!("{} ", field.parameter) } else { String::new() };
            format!("{name}{} -> {}", field.before, field.promoted)
        })
        .collect();
    let fits = usize::try_from(VALUE_LENGTH_MAX).unwrap_or(usize::MAX);
    let delivery = match valid.terms.delivery {
        Delivery::Patch => "Patch",
        Delivery::Git => "Git",
    };
    PromotionSummary {
        change: Some(changes.join(", ").chars().take(fits).collect()),
        delivery: Some(delivery.to_owned()),
        decision: Some(decision(valid.terms.approval, valid.object.spec.decision)),
    }
}

/// What holds: `spec.decision` alone would say Pending for ever of a promotion that waits for nobody.
fn decision(approval: ApprovalMode, decision: Decision) -> String {
    match (approval, decision) {
        (ApprovalMode::Automatic, Decision::Pending | Decision::Approved) => format!("{:?}", ApprovalMode::Automatic),
        (ApprovalMode::Manual, _) | (_, Decision::Rejected) => format!("{decision:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_tells_what_holds_and_not_what_nobody_will_ever_decide() {
        for (approval, decided, told) in [
            (ApprovalMode::Automatic, Decision::Pending, "Automatic"),
            (ApprovalMode::Automatic, Decision::Approved, "Automatic"),
            (ApprovalMode::Automatic, Decision::Rejected, "Rejected"),
            (ApprovalMode::Manual, Decision::Pending, "Pending"),
            (ApprovalMode::Manual, Decision::Approved, "Approved"),
            (ApprovalMode::Manual, Decision::Rejected, "Rejected"),
        ] {
            assert_eq!(decision(approval, decided), told, "{approval:?} {decided:?}");
        }
    }
}
