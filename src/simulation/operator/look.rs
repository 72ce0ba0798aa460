//! Which controller looks at which kind.

use phaseloop_core::plan::{OwnKind, Wake};

use super::item::WorkItem;
use crate::controllers::{
    Context, ReconcileError, escalation::Escalations, phase_run::PhaseRuns, phase_schedule::PhaseSchedules,
    promotion::Promotions, reconcile, tuning_canary::TuningCanaries,
};

/// Looks at one object, as the cluster's controllers do.
///
/// # Errors
/// As [`reconcile`].
pub async fn look(context: Context, item: WorkItem) -> Result<Wake, ReconcileError> {
    match item.kind {
        OwnKind::PhaseSchedule => Box::pin(reconcile::<PhaseSchedules>(&context, &item.key)).await,
        OwnKind::PhaseRun => Box::pin(reconcile::<PhaseRuns>(&context, &item.key)).await,
        OwnKind::Escalation => Box::pin(reconcile::<Escalations>(&context, &item.key)).await,
        OwnKind::TuningCanary => Box::pin(reconcile::<TuningCanaries>(&context, &item.key)).await,
        OwnKind::Promotion => Box::pin(reconcile::<Promotions>(&context, &item.key)).await,
    }
}
