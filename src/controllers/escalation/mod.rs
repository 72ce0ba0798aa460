//! Escalation: the policy of one target, and whoever acts on it. It counts what PhaseRuns found, arms and clears flags,
//! and while a flag permits it and every gate is open it makes one canary after the other, then one Promotion or none, and
//! says why. PhaseRuns are judged elsewhere, canaries run by themselves, Promotions live their own life. It is looked at
//! when its runs, schedules, canaries, promotions, its target or the administrator's policy change. It never makes two
//! canaries at a time, never begins a tuning run twice, and never writes to the target but to borrow a replica and to give it
//! back.
//!
//! **What lives here**: what an Escalation reads (`observe`, `validate`, `basis`, `target`), the tuning run that goes on
//! (`run`, `search`), the replica that
//! it borrows (`borrow`), its end (`conclude`), what begins (`decide`), what is remembered (`ledger`), what is pruned (`prune`),
//! and how all of it becomes status.
//!
//! **What must not**: rules of counting, gates, budgets, candidates and ranking (the core has them, and `decide_cycle` is
//! the one place to ask).

mod basis;
mod borrow;
mod build;
mod conclude;
mod decide;
mod flag;
mod ledger;
mod load;
mod observe;
mod prune;
mod run;
mod search;
mod status;
mod summary;
mod target;
mod validate;

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, OwnKind, Plan};

pub use self::{
    basis::Basis,
    observe::ObservedEscalation,
    target::TargetBasis,
    validate::{Standing, ValidEscalation},
};
use super::{Kind, OperatorSettings, Report};
use crate::{
    api::{Escalation, EscalationStatus},
    cluster::{ClusterError, Effect, Reader},
};

/// The kind Escalation.
#[derive(Debug, Clone, Copy)]
pub struct Escalations;

impl Kind for Escalations {
    type Object = Escalation;
    type Status = EscalationStatus;
    type Observed = ObservedEscalation;
    type Valid = ValidEscalation;

    const KIND: OwnKind = OwnKind::Escalation;

    fn status(object: &Escalation) -> Option<&EscalationStatus> {
        object.status.as_ref()
    }

    fn set_status(object: &mut Escalation, status: EscalationStatus) {
        object.status = Some(status);
    }

    async fn observe(reader: Reader<'_>, object: Escalation) -> Result<ObservedEscalation, ClusterError> {
        observe::observe(reader, object).await
    }

    fn validate(observed: ObservedEscalation, settings: &OperatorSettings) -> ValidEscalation {
        validate::validate(observed, settings)
    }

    fn decide(valid: &ValidEscalation, now: Timestamp) -> Plan<Report<EscalationStatus>> {
        decide::decide(valid, now)
    }

    fn build(valid: &ValidEscalation, intent: &Intent, now: Timestamp) -> Vec<Effect> {
        build::build(valid, intent, now).into_iter().collect()
    }

    fn decide_refused(
        valid: &ValidEscalation,
        effect: &Effect,
        error: &ClusterError,
        now: Timestamp,
    ) -> Option<Plan<Report<EscalationStatus>>> {
        decide::decide_refused(valid, effect, error, now)
    }
}
