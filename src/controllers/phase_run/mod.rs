//! PhaseRun: one run over its domains, and its verdict.
//!
//! **What lives here**: what a run reads (`observe`, `validate`), how its domains go on (`decide`, `domain`), the replica that it
//! borrows (`borrow`), how they end
//! (`record`, `release`, `judge`), how that becomes status (`verdict`, `fit`, `status`), what of it people are told (`tell`), and
//! how other kinds read runs (`facts`).
//!
//! **What must not**: judging (the core does it), the shape of a test pod (`workload`).

mod borrow;
mod build;
mod decide;
mod domain;
pub mod facts;
mod fit;
mod judge;
mod observe;
mod record;
mod release;
mod status;
mod tell;
mod validate;
mod verdict;

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, OwnKind, Plan};

pub use self::{
    observe::{ObservedPhaseRun, ObservedWorld},
    validate::{ValidPhaseRun, ValidWorld},
};
use super::{Kind, OperatorSettings, Report};
use crate::{
    api::{PhaseRun, PhaseRunStatus},
    cluster::{ClusterError, Effect, Reader},
};

/// The kind PhaseRun.
#[derive(Debug, Clone, Copy)]
pub struct PhaseRuns;

impl Kind for PhaseRuns {
    type Object = PhaseRun;
    type Status = PhaseRunStatus;
    type Observed = ObservedPhaseRun;
    type Valid = ValidPhaseRun;

    const KIND: OwnKind = OwnKind::PhaseRun;

    fn status(object: &PhaseRun) -> Option<&PhaseRunStatus> {
        object.status.as_ref()
    }

    fn set_status(object: &mut PhaseRun, status: PhaseRunStatus) {
        object.status = Some(status);
    }

    async fn observe(reader: Reader<'_>, object: PhaseRun) -> Result<ObservedPhaseRun, ClusterError> {
        observe::observe(reader, object).await
    }

    fn validate(observed: ObservedPhaseRun, settings: &OperatorSettings) -> ValidPhaseRun {
        validate::validate(observed, settings)
    }

    fn decide(valid: &ValidPhaseRun, now: Timestamp) -> Plan<Report<PhaseRunStatus>> {
        decide::decide(valid, now)
    }

    fn build(valid: &ValidPhaseRun, intent: &Intent, now: Timestamp) -> Vec<Effect> {
        build::build(valid, intent, now)
    }

    fn decide_refused(
        valid: &ValidPhaseRun,
        effect: &Effect,
        error: &ClusterError,
        now: Timestamp,
    ) -> Option<Plan<Report<PhaseRunStatus>>> {
        decide::decide_refused(valid, effect, error, now)
    }
}

#[cfg(test)]
pub(crate) mod fixture;
