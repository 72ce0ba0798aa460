//! What a replica waits for at its start, by name, and whether it is there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Whether one thing is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// It is not; what is waited for.
    Waiting(String),
    /// It is.
    Open,
}

/// A gate's name: what is waited for, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateName {
    /// The kind, or `APIServer`.
    pub what: String,
    /// Where, as in `namespace chat`; empty where there is only one.
    pub place: String,
}

impl std::fmt::Display for GateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() { f.write_str(&self.what) } else { write!(f, "{} in {}", self.what, self.place) }
    }
}

/// All gates of a replica. Clones are the same gates.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<GateName, GateState>>>,
}

/// One gate: whoever holds it opens and closes it.
#[derive(Debug)]
pub struct Gate {
    name: GateName,
    readiness: Readiness,
    opened: watch::Sender<bool>,
}

impl Readiness {
    /// A new gate, closed.
    pub fn gate(&self, what: &str, place: &str, waits_for: &str) -> Gate {
        let name = GateName { what: what.to_owned(), place: place.to_owned() };
        self.with(|gates| gates.insert(name.clone(), GateState::Waiting(waits_for.to_owned())));
        Gate { name, readiness: self.clone(), opened: watch::Sender::new(false) }
    }

    /// Every gate, with its state.
    pub fn gates(&self) -> BTreeMap<GateName, GateState> {
        self.with(|gates| gates.clone())
    }

    /// Whether all are open.
    pub fn is_ready(&self) -> bool {
        self.with(|gates| gates.values().all(|state| *state == GateState::Open))
    }

    /// One line per gate, those that are closed first.
    pub fn text(&self) -> String {
        let gates = self.gates();
        let closed = gates.iter().filter_map(|(name, state)| match state {
            GateState::Waiting(what) => Some(format!("waits   {name}: {what}\n")),
            GateState::Open => None,
        });
        let open = gates.iter().filter(|(_, state)| **state == GateState::Open);
        closed.chain(open.map(|(name, _)| format!("ready   {name}\n"))).collect()
    }

    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<GateName, GateState>) -> R) -> R {
        // Each change is one insertion: whoever panicked meanwhile left a whole map.
        act(&mut self.gates.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gate {
    /// What it waited for is there.
    pub fn open(&self) {
        self.set(GateState::Open);
        self.opened.send_replace(true);
    }

    /// What it waits for, where it is closed; nothing else changes. Says whether it is closed.
    pub fn explain(&self, waits_for: &str) -> bool {
        let is_open = self.readiness.with(|gates| gates.get(&self.name) == Some(&GateState::Open));
        if !is_open {
            self.set(GateState::Waiting(waits_for.to_owned()));
        }
        !is_open
    }

    /// It is closed, also where it was open before: something is missing that can't come back by itself.
    pub fn close(&self, waits_for: &str) {
        self.set(GateState::Waiting(waits_for.to_owned()));
    }

    /// Tells when it was opened for the first time.
    pub fn opened(&self) -> watch::Receiver<bool> {
        self.opened.subscribe()
    }

    fn set(&self, state: GateState) {
        self.readiness.with(|gates| gates.insert(self.name.clone(), state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_ready_once_every_gate_is_open_and_says_what_is_waited_for() {
        let readiness = Readiness::default();
        let runs = readiness.gate("PhaseRun", "namespace chat", "the first list");
        let pods = readiness.gate("Pod", "namespace chat", "the first list");
        pods.open();
        assert!(!readiness.is_ready());
        assert!(runs.explain("CustomResourceDefinition phaseruns.phaseloop.dev"));
        let text = "waits   PhaseRun in namespace chat: CustomResourceDefinition phaseruns.phaseloop.dev\n\
                    ready   Pod in namespace chat\n";
        assert_eq!(readiness.text(), text);
        runs.open();
        assert!(readiness.is_ready() && *runs.opened().borrow());
    }

    #[test]
    fn a_gate_that_was_open_is_closed_by_what_is_gone_and_not_by_an_explanation() {
        let readiness = Readiness::default();
        let gate = readiness.gate("PhaseRun", "", "the first list");
        gate.open();
        assert!(!gate.explain("no answer"), "a watch that failed once has seen everything before");
        assert!(readiness.is_ready());
        gate.close("the definition is gone");
        assert_eq!(readiness.text(), "waits   PhaseRun: the definition is gone\n");
        gate.open();
        assert!(readiness.is_ready());
    }
}
