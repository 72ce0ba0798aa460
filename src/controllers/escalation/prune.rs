//! Which canaries may go: those that owe nothing any more, once no night, gate or promotion can look at them.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    plan::{Intent, OwnKind, OwnObject, label::FINALIZER, record::AuditExport},
    policy::ledger::LEDGER_MEMORY,
    schedule::later_by,
    value::Uid,
};

use super::{Basis, validate::is_over};
use crate::{api::TuningCanary, controllers::tuning_canary::facts::is_released};

/// Most canaries that one look prunes: the next look goes on.
const PRUNED_AT_ONCE_MAX: usize = 8;

/// Each canary that goes, after the export of its records.
pub(super) fn prunings(basis: &Basis, now: Timestamp) -> Vec<Intent> {
    let gone = basis.canaries.iter().filter(|canary| is_prunable(basis, canary, now)).take(PRUNED_AT_ONCE_MAX);
    gone.flat_map(|canary| {
        let uid = Uid::new(canary.uid().unwrap_or_default());
        let object = OwnObject::new(OwnKind::TuningCanary, canary.name_any(), uid);
        let last = canary.status.as_ref().and_then(|status| status.history.as_ref()?.records.last());
        let through_sequence = last.map(|record| record.sequence.unsigned_abs()).unwrap_or_default();
        let export = AuditExport { object: object.clone(), through_sequence };
        [Intent::ExportAudit(export), Intent::DeleteFinished(object)]
    })
    .collect()
}

fn is_prunable(basis: &Basis, canary: &TuningCanary, now: Timestamp) -> bool {
    let name = canary.name_any();
    let released_at = canary.status.as_ref().and_then(|status| status.released_at);
    let is_old = released_at.is_some_and(|released_at| now >= later_by(released_at, LEDGER_MEMORY));
    let stands_behind =
        |promotion: &std::sync::Arc<crate::api::Promotion>| promotion.spec.canary_name == name && !is_over(promotion);
    is_old
        && is_released(canary)
        && canary.metadata.deletion_timestamp.is_none()
        && canary.spec.escalation_name == basis.name
        && !canary.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
        && !basis.promotions.iter().any(stands_behind)
}
