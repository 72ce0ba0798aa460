//! An engine in production: it starts, or refuses to, and serves until it is asked to end. What production's own clients
//! do to it is not simulated.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    engine_run::EngineRunner,
    helper::{life_of, obeys},
};
use crate::simulation::cluster::kubelet::{Changes, Ending, PodProgram};

/// The programs of a pod of production.
#[derive(Debug, Clone)]
pub(super) struct Production {
    pod: Pod,
    engines: BTreeMap<String, EngineRunner>,
}

impl Production {
    pub(super) const fn new(pod: Pod, engines: BTreeMap<String, EngineRunner>) -> Self {
        Self { pod, engines }
    }
}

impl PodProgram for Production {
    fn started(&mut self, container: &str, _run: u32, at: Timestamp) -> Changes {
        let life = match self.engines.get_mut(container) {
            Some(engine) => engine.started(at),
            None => life_of(&self.pod, container, at),
        };
        vec![(container.to_owned(), life)]
    }

    fn reached(&mut self, container: &str, _at: Timestamp) -> Changes {
        if let Some(engine) = self.engines.get_mut(container) {
            engine.became_ready();
        }
        Vec::new()
    }

    fn ended(&mut self, container: &str, _at: Timestamp, _exit_code: i32) -> Changes {
        if let Some(engine) = self.engines.get_mut(container) {
            engine.ended();
        }
        Vec::new()
    }

    fn signalled(&mut self, container: &str, at: Timestamp) -> Option<Ending> {
        Some(self.engines.get_mut(container).map_or_else(|| obeys(at), |engine| engine.signalled(at)))
    }

    fn is_ready(&self, container: &str) -> bool {
        self.engines.get(container).is_none_or(EngineRunner::is_ready)
    }

    fn output(&self, container: &str, previous: bool, until: Timestamp) -> String {
        self.engines.get(container).map(|engine| engine.output(previous, until)).unwrap_or_default()
    }
}
