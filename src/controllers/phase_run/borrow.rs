//! A replica of the target, borrowed for the time of a run: once per run, before its first test pod with a GPU, and given back
//! when its last domain has ended or nothing more is to come of it.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    borrow::{BorrowObjection, BorrowStep, ReturnStep, borrow_step, return_step},
    plan::target::ReplicaBorrow,
    schedule::{RunReason, later_by},
};

use super::{
    ValidPhaseRun,
    domain::{Unmeasured, domain_of},
    facts::has_ended,
};
use crate::{
    api::{
        PhaseRun, PhaseRunStatus,
        phase_run::status::{Borrowed, DomainStatus},
        workload::Placement,
    },
    controllers::lending::{Settling, given_back, has_finalizer},
};

/// What stands before a test pod with a GPU.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BeforePod {
    /// Nothing: the run borrows nothing, or has what it borrows.
    Nothing,
    /// Our finalizer, so that the run can't go before it gave back.
    Finalizer,
    /// A replica is asked for.
    Ask(Box<ReplicaBorrow>),
    /// None can be had yet.
    Wait(BorrowObjection, Timestamp),
    /// None can be had.
    Refused(Unmeasured),
}

/// Whether a replica has to be borrowed before a test pod that holds a GPU.
pub(super) fn before_pod(valid: &ValidPhaseRun, status: &PhaseRunStatus, now: Timestamp) -> BeforePod {
    let lender = valid.lending.as_ref().and_then(|lending| lending.lender.as_ref());
    let was_given_back = status.borrowed.as_ref().is_some_and(Borrowed::is_settled);
    let Some(lender) = lender.filter(|_| borrows(valid) && !was_given_back) else { return BeforePod::Nothing };
    match borrow_step(lender, &valid.identity(), now) {
        BorrowStep::Borrowed => BeforePod::Nothing,
        BorrowStep::Ask(_) if !has_finalizer(&valid.object) => BeforePod::Finalizer,
        BorrowStep::Ask(borrow) => BeforePod::Ask(borrow),
        BorrowStep::Refused(objection) => {
            let wait: SignedDuration = valid.object.spec.gpu_wait_timeout.into();
            let until = later_by(valid.created_at(), wait);
            if objection.is_lasting() || now >= until {
                let message = format!("{}: {}", objection.reason, objection.message);
                BeforePod::Refused(Unmeasured::unknown(RunReason::BorrowRefused, message))
            } else {
                BeforePod::Wait(objection, until)
            }
        }
    }
}

fn borrows(valid: &ValidPhaseRun) -> bool {
    valid.object.spec.placement == Placement::BorrowReplica
}

/// Whether the target has to be read as a lender: it may be asked for a replica (`Some(true)`), or something may be owed to it.
pub(super) fn lender_wanted(run: &PhaseRun) -> Option<bool> {
    let borrowed = run.status.as_ref().and_then(|status| status.borrowed.as_ref());
    let may_ask = !has_ended(run) && run.spec.placement == Placement::BorrowReplica;
    let owes = has_finalizer(run) || borrowed.is_some_and(|borrowed| !borrowed.is_settled());
    (may_ask || owes).then_some(may_ask)
}

/// Whether a test pod may yet take the place of a replica. By what is stored alone: whoever gives back must know that every
/// result is.
fn needs_replica(valid: &ValidPhaseRun) -> bool {
    let status = valid.object.status.as_ref();
    let row = |name: &str| -> Option<&DomainStatus> { domain_of(status?, name) };
    !has_ended(&valid.object)
        && valid.object.metadata.deletion_timestamp.is_none()
        && !valid.object.spec.abort
        && valid.world.faults.is_empty()
        && valid.object.spec.domains.iter().any(|domain| row(&domain.name).is_none_or(|row| row.ended_at.is_none()))
}

/// What a look does about a replica that was borrowed.
pub(super) fn settle(valid: &ValidPhaseRun, now: Timestamp) -> Settling {
    let before = valid.object.status.as_ref().and_then(|status| status.borrowed.clone());
    let Some(lending) = &valid.lending else { return Settling { borrowed: before, intents: Vec::new() } };
    let open = before.clone().filter(|borrowed| !borrowed.is_settled());
    let identity = valid.identity();
    let asked_at = open.as_ref().and_then(|borrowed| borrowed.target_resource_version.as_deref());
    let step = return_step(lending.lender.as_ref(), &identity, asked_at);
    if needs_replica(valid) {
        let borrowed = match &step {
            ReturnStep::Return(_) => open.map(landed).or(before),
            // It was had: somebody else gave it back, and the run goes on with what it holds.
            ReturnStep::Settled if asked_at.is_none() => open.map(|borrowed| given_back(borrowed, now)).or(before),
            ReturnStep::Settled | ReturnStep::Fence(_) => before,
        };
        return Settling { borrowed, intents: Vec::new() };
    }
    Settling::of(&step, identity, has_finalizer(&valid.object), before, now)
}

/// The request is known to have landed: its note was seen.
fn landed(borrowed: Borrowed) -> Borrowed {
    Borrowed { target_resource_version: None, ..borrowed }
}
