//! PhaseSchedule: when runs start, and which of the ended ones are kept.
//!
//! **What lives here**: what a schedule reads, the start of its runs, the pruning of ended ones, its status.
//!
//! **What must not**: the arithmetic of cron and of missed starts (the core's `schedule`), and anything that happens in a
//! run once it exists (`phase_run`).

mod build;
mod decide;
mod observe;
mod retention;
mod status;
mod validate;

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, OwnKind, Plan};

pub use self::{build::run_of_schedule, observe::ObservedPhaseSchedule, validate::ValidPhaseSchedule};
use super::{Kind, OperatorSettings, Report};
use crate::{
    api::{PhaseSchedule, PhaseScheduleStatus},
    cluster::{ClusterError, Effect, Reader},
};

/// The kind PhaseSchedule.
#[derive(Debug, Clone, Copy)]
pub struct PhaseSchedules;

impl Kind for PhaseSchedules {
    type Object = PhaseSchedule;
    type Status = PhaseScheduleStatus;
    type Observed = ObservedPhaseSchedule;
    type Valid = ValidPhaseSchedule;

    const KIND: OwnKind = OwnKind::PhaseSchedule;

    fn status(object: &PhaseSchedule) -> Option<&PhaseScheduleStatus> {
        object.status.as_ref()
    }

    fn set_status(object: &mut PhaseSchedule, status: PhaseScheduleStatus) {
        object.status = Some(status);
    }

    async fn observe(reader: Reader<'_>, object: PhaseSchedule) -> Result<ObservedPhaseSchedule, ClusterError> {
        observe::observe(reader, object).await
    }

    fn validate(observed: ObservedPhaseSchedule, _settings: &OperatorSettings) -> ValidPhaseSchedule {
        validate::validate(observed)
    }

    fn decide(valid: &ValidPhaseSchedule, now: Timestamp) -> Plan<Report<PhaseScheduleStatus>> {
        decide::decide(valid, now)
    }

    fn build(valid: &ValidPhaseSchedule, intent: &Intent, now: Timestamp) -> Vec<Effect> {
        build::build(valid, intent, now).into_iter().collect()
    }

    fn decide_refused(
        valid: &ValidPhaseSchedule,
        effect: &Effect,
        error: &ClusterError,
        now: Timestamp,
    ) -> Option<Plan<Report<PhaseScheduleStatus>>> {
        decide::decide_refused(valid, effect, error, now)
    }
}
