//! The simulated world: one API server, a cluster around it, replicas of the operator, people, and faults.
//!
//! **What lives here**: the loop that lets the next thing happen, whatever it is; what people do and what goes wrong, at
//! instants that are known beforehand; what is shown to the oracles.
//!
//! **What must not**: the format of scenarios, and what is told of a run (`timeline`).

mod act;
mod decider;
mod export;
mod fork;
mod observe;
mod run;
mod settings;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

pub use act::{Action, RefusedDecision};
pub use decider::{DecisionTerms, Decisions};
pub use export::MemoryExport;
pub use observe::Instants;
pub use run::WorldFailure;
pub use settings::{OperatorTerms, WorldSettings};

use self::run::WorldEvent;
use super::{
    agenda::{Agenda, Place},
    api_server::{ApiServer, StatusError},
    chance::Chance,
    cluster::{Controllers, kubelet::Kubelets, node_object},
    operator::{Interruption, Replica, ReplicaParts, RequestGate},
    oracle::Oracles,
    program::Programs,
    virtual_clock::VirtualClock,
};
use crate::{
    cluster::Clock as _,
    controllers::OperatorSettings,
    workload::contract::{PRIORITY_CLASS, PRIORITY_VALUE},
};

/// The user who sets a cluster up and applies manifests.
pub const ADMINISTRATOR: &str = "administrator";
/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "phaseloop-system";

/// The simulated world.
pub struct World {
    /// The clock.
    pub clock: Arc<VirtualClock>,
    /// The API server.
    pub server: ApiServer,
    /// The programs that containers run.
    pub programs: Programs,
    /// What watches.
    pub oracles: Oracles,
    /// Audit records that the operator exported.
    pub export: Arc<MemoryExport>,
    /// When each revision was made.
    pub instants: Instants,
    gate: Arc<RequestGate>,
    operator: Arc<OperatorSettings>,
    controllers: Controllers,
    replicas: Vec<Replica>,
    lease_holder: Option<usize>,
    decisions: Decisions,
    agenda: Agenda<WorldEvent>,
    planned: Planned,
    actions: Vec<Action>,
    /// Writes of people that the API server refused, with the reason.
    refused: Vec<String>,
    refused_decisions: Vec<RefusedDecision>,
    events: u64,
    seen_container_events: usize,
}

/// What the agenda holds already.
#[derive(Debug, Clone, Default)]
struct Planned {
    cluster: Option<Place>,
    looks: Vec<Option<Place>>,
    notices: Vec<bool>,
    revision: u64,
}

impl World {
    /// A world at its beginning: the cluster is set up, the operator is started, nothing has happened.
    ///
    /// # Errors
    /// The API server's refusal of something that the settings say of the cluster.
    pub fn new(settings: WorldSettings) -> Result<Self, StatusError> {
        let clock = Arc::new(VirtualClock::new(settings.start));
        let server = ApiServer::new(clock.clone(), settings.of_server());
        Self::on(clock, server, settings)
    }

    /// A world at its beginning on an API server that goes by its clock and has the namespace of the target.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn on(clock: Arc<VirtualClock>, server: ApiServer, settings: WorldSettings) -> Result<Self, StatusError> {
        let seed = settings.catalog.seed;
        set_up(&server, &settings)?;
        let programs = if settings.comparable { Programs::comparable } else { Programs::new }(settings.catalog);
        let kubelets = Kubelets::new(settings.images, Box::new(programs.clone()), clock.clone());
        server.set_log_source(kubelets.log_source());
        let gate = Arc::new(RequestGate::new(clock.clone(), Chance::of(seed, "requests")));
        server.set_interceptor(Some(gate.clone()));
        let export = Arc::new(MemoryExport::default());
        let operator = Arc::new(OperatorSettings::for_image(&settings.operator.image));
        let parts = ReplicaParts {
            server: server.clone(),
            gate: gate.clone(),
            clock: clock.clone(),
            export: export.clone(),
            settings: operator.clone(),
        };
        let replicas: Vec<Replica> = (0..settings.operator.replicas)
            .map(|index| {
                let notices = settings.operator.notices(seed, index);
                Replica::start(
                    &format!("phaseloop-{index}"),
                    parts.clone(),
                    index == 0,
                    notices,
                    settings.operator.skips_idle_looks,
                )
            })
            .collect();
        let agenda =
            if settings.operator.draws_lots { Agenda::by_lot(Chance::of(seed, "lots")) } else { Agenda::in_order() };
        let planned =
            Planned { looks: vec![None; replicas.len()], notices: vec![false; replicas.len()], ..Planned::default() };
        Ok(Self {
            clock,
            server,
            programs,
            oracles: Oracles::default(),
            export,
            instants: Instants::default(),
            gate,
            operator,
            controllers: Controllers::new(kubelets),
            replicas,
            lease_holder: Some(0),
            decisions: Decisions::new(settings.decisions),
            agenda,
            planned,
            actions: Vec::new(),
            refused: Vec::new(),
            refused_decisions: Vec::new(),
            events: 0,
            seen_container_events: 0,
        })
    }

    /// Adds something that happens at an instant.
    pub fn add_action(&mut self, at: Timestamp, action: Action) {
        let place = self.actions.len();
        self.actions.push(action);
        self.agenda.add(at.max(self.clock.now()), WorldEvent::Act(place));
    }

    /// Lets something befall whichever replica sends this write, counted from 0 over all replicas.
    pub fn interrupt_at_write(&self, write: u64, interruption: Interruption) {
        self.gate.interrupt_at_write(write, interruption);
    }

    /// The writes that the replicas of the operator have sent, in order.
    pub fn operator_writes(&self) -> Vec<String> {
        self.gate.writes()
    }

    /// The cluster's own controllers.
    pub const fn controllers(&self) -> &Controllers {
        &self.controllers
    }

    /// The replicas of the operator.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// How many things have happened.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Decisions about promotions that the API server refused.
    pub fn refused_decisions(&self) -> &[RefusedDecision] {
        &self.refused_decisions
    }

    /// What else people wanted and the API server refused.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }
}

/// What a cluster has before anything happens: nodes, and the priority class of test pods.
fn set_up(server: &ApiServer, settings: &WorldSettings) -> Result<(), StatusError> {
    let administrator = server.actor(ADMINISTRATOR);
    for node in &settings.nodes {
        let object = node_object(node, settings.start);
        administrator.create(&object)?;
        administrator.update_status(&object)?;
    }
    administrator.create(&json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": PRIORITY_CLASS },
        "value": PRIORITY_VALUE, "preemptionPolicy": "Never",
        "description": "Test pods of phaseloop: they preempt nothing, and everything else goes before them.",
    }))?;
    Ok(())
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.clock.now())
            .field("events", &self.events)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod scaling_tests;
#[cfg(test)]
mod tests;
