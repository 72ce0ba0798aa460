//! What probes and scrapes are told of this replica: its gates, its loops, its leadership, and the objects it watches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use phaseloop_core::plan::OwnKind;

use super::{
    pulse::Pulse,
    readiness::{GateState, Readiness},
};
use crate::{
    cluster::lease::HeldLease,
    controllers::Leadership as _,
    telemetry::{Health, LoopState, ObjectFacts, StateSource},
};

/// Tells the facts of the objects that a store holds.
pub type FactsSource = Box<dyn Fn() -> Vec<(OwnKind, ObjectFacts)> + Send + Sync>;

/// What is known of this replica.
#[allow(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct Vitals {
    /// What it waits for at its start.
    pub readiness: Readiness,
    /// Its leadership.
    pub held: Arc<HeldLease>,
    /// Its loops, by what they do.
    pub pulses: Vec<(&'static str, Pulse)>,
    /// Its stores.
    pub stores: Vec<FactsSource>,
    /// Whether it is ending.
    pub ending: AtomicBool,
}

impl Vitals {
    fn leadership(&self) -> String {
        let holder = self.held.holder();
        match (self.held.is_leader(), holder.is_empty()) {
            (true, _) => "leads\n".to_owned(),
            (false, true) => "follows; nobody is known to lead\n".to_owned(),
            (false, false) => format!("follows {holder}\n"),
        }
    }
}

impl Health for Vitals {
    fn alive(&self) -> Result<String, String> {
        let hang = |(name, pulse): &(&'static str, Pulse)| {
            pulse.hangs().map(|silent| format!("{name}: no sign of life for {} s\n", silent.as_secs()))
        };
        let hanging: String = self.pulses.iter().filter_map(hang).collect();
        if hanging.is_empty() { Ok("alive\n".to_owned()) } else { Err(hanging) }
    }

    fn ready(&self) -> Result<String, String> {
        let text = format!("{}{}", self.readiness.text(), self.leadership());
        if self.ending.load(Ordering::Relaxed) {
            return Err(format!("ending: nothing is begun any more\n{text}"));
        }
        if self.readiness.is_ready() { Ok(text) } else { Err(text) }
    }
}

impl StateSource for Vitals {
    fn state(&self) -> LoopState {
        let mut ready_gates: BTreeMap<String, bool> = BTreeMap::new();
        for (name, state) in self.readiness.gates() {
            *ready_gates.entry(name.what).or_insert(true) &= state == GateState::Open;
        }
        let objects = self.stores.iter().flat_map(|store| store()).collect();
        LoopState { leads: self.held.is_leader(), ready_gates, objects }
    }
}
