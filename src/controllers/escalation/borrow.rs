//! A replica of the target, borrowed for the time of a tuning run: before its first canary, not for each; given back when the
//! run has ended, and as soon as nothing more may begin for it now.

use jiff::Timestamp;
use phaseloop_core::{
    borrow::{BorrowObjection, BorrowStep, borrow_step, objection, return_step},
    cycle::{CycleDecision, TuningReason},
    plan::{Intent, record::NewCanary, target::ReplicaBorrow},
    policy::{GateName, StartReason},
};

use super::{ValidEscalation, decide::TuningStep, run::TuningRun};
use crate::{
    api::{Escalation, phase_run::status::Borrowed, workload::Placement},
    controllers::lending::{Settling, asked, has_finalizer, of_note},
};

/// What stands before a canary.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BeforeCanary {
    /// Nothing: nothing is borrowed, or it was had.
    Nothing,
    /// Our finalizer, so that the Escalation can't go before it gave back.
    Finalizer,
    /// A replica is asked for.
    Ask(Box<ReplicaBorrow>),
    /// None can be had now.
    Refused(BorrowObjection),
}

/// Whether a replica has to be borrowed before a canary.
pub(super) fn before_canary(valid: &ValidEscalation, now: Timestamp) -> BeforeCanary {
    let lender = valid.lending.as_ref().and_then(|lending| lending.lender.as_ref());
    let Some(lender) = lender.filter(|_| borrows(valid)) else { return BeforeCanary::Nothing };
    match borrow_step(lender, &valid.identity(), now) {
        BorrowStep::Borrowed => BeforeCanary::Nothing,
        BorrowStep::Ask(_) if !has_finalizer(&valid.object) => BeforeCanary::Finalizer,
        BorrowStep::Ask(borrow) => BeforeCanary::Ask(borrow),
        BorrowStep::Refused(objection) => BeforeCanary::Refused(objection),
    }
}

/// Whether the target has to be read as a lender: it may be asked for a replica (`Some(true)`), or something may be owed to it.
pub(super) fn lender_wanted(escalation: &Escalation) -> Option<bool> {
    let may_ask = escalation.spec.canary.placement == Placement::BorrowReplica;
    (may_ask || has_finalizer(escalation)).then_some(may_ask)
}

fn borrows(valid: &ValidEscalation) -> bool {
    valid.object.spec.canary.placement == Placement::BorrowReplica
}

/// What keeps every tuning run from borrowing until somebody changes it.
pub(super) fn lasting_objection(valid: &ValidEscalation) -> Option<(&'static str, String)> {
    let lending = valid.lending.as_ref().filter(|_| borrows(valid))?;
    if lending.lent_to(&valid.identity()).is_some() {
        return None;
    }
    let objection = objection(lending.lender.as_ref()?).filter(BorrowObjection::is_lasting)?;
    Some(told_objection(&objection))
}

/// An objection as a reason and a sentence.
pub(super) fn told_objection(objection: &BorrowObjection) -> (&'static str, String) {
    (TuningReason::BorrowRefused.name(), format!("{}: {}", objection.reason, objection.message))
}

/// Whether a replica that was borrowed is kept after this step. It is not kept while nothing may begin: production is to have
/// it until then.
pub(super) fn keeps_replica(
    step: &TuningStep,
    run: Option<&TuningRun<'_>>,
    decision: &CycleDecision,
    now: Timestamp,
) -> bool {
    let TuningStep::Going { reason, .. } = step else {
        return matches!(step, TuningStep::Make(_) | TuningStep::Borrow(..));
    };
    let gates = [GateName::NotSuspended, GateName::WindowOpen];
    if decision.gates.gates.iter().any(|gate| gates.contains(&gate.name) && !gate.open) {
        return false;
    }
    if let Some(canary) = run.and_then(TuningRun::going) {
        return !canary.spec.abort && now < canary.spec.not_after;
    }
    let pauses =
        [TuningReason::PhaseRunActive.name(), StartReason::GateClosed.name(), StartReason::WindowClosesTooSoon.name()];
    !pauses.contains(reason)
}

/// What a look does about a replica that was borrowed. `keeps`: it is needed yet.
pub(super) fn settle(valid: &ValidEscalation, keeps: bool, now: Timestamp) -> Settling {
    let tuning = valid.object.status.as_ref().and_then(|status| status.tuning.as_ref());
    let before = tuning.and_then(|tuning| tuning.borrowed.clone());
    let Some(lending) = &valid.lending else { return Settling { borrowed: before, intents: Vec::new() } };
    let identity = valid.identity();
    let open = before.clone().filter(|borrowed| !borrowed.is_settled());
    if keeps {
        // The note is the record; what was remembered may be of an earlier request.
        let borrowed = lending.lent_to(&identity).map(of_note).or(before);
        return Settling { borrowed, intents: Vec::new() };
    }
    let asked_at = open.as_ref().and_then(|borrowed| borrowed.target_resource_version.as_deref());
    let step = return_step(lending.lender.as_ref(), &identity, asked_at);
    Settling::of(&step, identity, has_finalizer(&valid.object), before, now)
}

/// What is remembered, and done, to borrow before a canary.
pub(super) fn borrow_intents(
    valid: &ValidEscalation,
    borrow: Option<&ReplicaBorrow>,
) -> (Option<Borrowed>, Vec<Intent>) {
    let Some(borrow) = borrow else { return (None, vec![Intent::AddFinalizer(valid.identity())]) };
    (Some(asked(borrow)), vec![Intent::ScaleTargetForBorrow(Box::new(borrow.clone()))])
}

/// In words, what comes before a canary: the same with each look until it was done.
pub(super) fn told_borrow(canary: &NewCanary) -> String {
    format!("a replica of {} is borrowed for tuning run {}", canary.target, canary.cycle)
}

/// The same with figures, for the event.
pub(super) fn told_scaling(canary: &NewCanary, ReplicaBorrow { note, .. }: &ReplicaBorrow) -> String {
    format!("{} goes from {} replicas to {} for tuning run {}", canary.target, note.from, note.to, canary.cycle)
}
