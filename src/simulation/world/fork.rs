//! A second world that goes on from where this one stands: what happened before need not happen again.

use std::sync::Arc;

use super::World;
use crate::{
    cluster::Clock as _,
    simulation::{
        operator::{Replica, ReplicaParts},
        virtual_clock::VirtualClock,
    },
};

impl World {
    /// A world with the same past that shares nothing with this one; `None` while a replica is in the middle of a look.
    /// It is made in the executor that is to run it.
    pub fn fork(&self) -> Option<Self> {
        let clock = Arc::new(VirtualClock::new(self.clock.now()));
        let server = self.server.fork(clock.clone());
        let programs = self.programs.fork();
        let kubelets = self.controllers.kubelets.fork(Box::new(programs.clone()), clock.clone());
        server.set_log_source(kubelets.log_source());
        let gate = Arc::new(self.gate.fork(clock.clone()));
        server.set_interceptor(Some(gate.clone()));
        let export = Arc::new(self.export.fork());
        let parts = ReplicaParts {
            server: server.clone(),
            gate: gate.clone(),
            clock: clock.clone(),
            export: export.clone(),
            settings: self.operator.clone(),
        };
        let replicas =
            self.replicas.iter().map(|replica| replica.fork(parts.clone())).collect::<Option<Vec<Replica>>>()?;
        Some(Self {
            clock,
            server,
            programs,
            oracles: self.oracles.clone(),
            export,
            instants: self.instants.clone(),
            gate,
            operator: self.operator.clone(),
            controllers: self.controllers.fork(kubelets),
            replicas,
            lease_holder: self.lease_holder,
            decisions: self.decisions.clone(),
            agenda: self.agenda.clone(),
            planned: self.planned.clone(),
            actions: self.actions.clone(),
            refused: self.refused.clone(),
            refused_decisions: self.refused_decisions.clone(),
            events: self.events,
            seen_container_events: self.seen_container_events,
        })
    }
}
