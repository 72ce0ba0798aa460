//! The ledger as an Escalation's status tells it: what was folded, without what can matter no more, and what canaries that
//! exist add to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    policy::{Ledger, NightId},
    schedule::later_by,
    value::Uid,
};

use super::Basis;
use crate::api::escalation::status::{Ledger as WireLedger, NightLedger};

/// The ledger to write.
pub(super) fn written(basis: &Basis, now: Timestamp) -> WireLedger {
    let ledger = tidied(basis, now);
    let safety = &basis.policy.safety;
    let balance = |night: &NightId| {
        let balance = ledger.balance(&basis.canary_facts, night, safety.budget);
        (balance.used, balance.reserved)
    };
    let mut wire = WireLedger::of(&ledger, balance);
    // Nights of which nothing was folded yet.
    let seen: BTreeSet<&NightId> = basis.canary_facts.iter().map(|canary| &canary.night).collect();
    let unfolded = seen.into_iter().filter(|night| !ledger.nights.contains_key(night) && is_recent(basis, night, now));
    let mut nights: BTreeMap<String, NightLedger> = wire.nights.drain(..).map(|row| (row.night.clone(), row)).collect();
    for night in unfolded {
        let (used, reserved) = balance(night);
        let row = NightLedger {
            night: night.date.to_string(),
            used: used.into(),
            reserved: reserved.into(),
            folded: Vec::new(),
        };
        nights.insert(row.night.clone(), row);
    }
    wire.nights = nights.into_values().rev().collect();
    let ended = ledger.tuning_runs(&basis.canary_facts).into_iter().filter_map(|run| run.ended_at).max();
    wire.cooldown_until = ended.map(|ended| later_by(ended, safety.cooldown)).filter(|until| *until > now);
    wire
}

/// Whether the ledger still keeps a night.
fn is_recent(basis: &Basis, night: &NightId, now: Timestamp) -> bool {
    let mut probe = Ledger { nights: [(night.clone(), BTreeMap::new())].into(), ..Ledger::default() };
    probe.forget_old(&BTreeSet::new(), longest_gate(basis), now);
    !probe.nights.is_empty()
}

fn longest_gate(basis: &Basis) -> jiff::SignedDuration {
    basis.policy.safety.cooldown.max(basis.policy.safety.rate_period)
}

/// Without what can matter no more. Consumed runs are kept while they exist, or stand behind a flag.
fn tidied(basis: &Basis, now: Timestamp) -> Ledger {
    let existing = basis.runs.iter().filter_map(|run| run.uid()).map(Uid::new);
    let behind_flags = basis.flags_before.iter().flat_map(|flag| flag.evidence.iter().map(|run| run.uid.clone()));
    let keep: BTreeSet<Uid> = existing.chain(behind_flags).collect();
    let mut ledger = basis.ledger.clone();
    ledger.forget_old(&keep, longest_gate(basis), now);
    ledger
}
