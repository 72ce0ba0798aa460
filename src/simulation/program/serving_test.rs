//! A serving test: an engine and the probe beside it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    engine_run::EngineRunner,
    helper::{life_of, obeys},
    probe_run::ProbeRunner,
};
use crate::{
    simulation::cluster::kubelet::{Changes, Ending, PodProgram},
    workload::contract::CONTAINER_PROBE,
};

/// The programs of a test pod.
#[derive(Debug, Clone)]
pub(super) struct ServingTestRun {
    pod: Pod,
    engine_name: String,
    engine: EngineRunner,
    probe: ProbeRunner,
}

impl ServingTestRun {
    pub(super) const fn new(pod: Pod, engine_name: String, engine: EngineRunner, probe: ProbeRunner) -> Self {
        Self { pod, engine_name, engine, probe }
    }

    /// Both are there: what becomes of them.
    fn serve(&mut self, at: Timestamp) -> Changes {
        let (engine, probe) = self.probe.serves(at, &mut self.engine);
        vec![(self.engine_name.clone(), engine), (CONTAINER_PROBE.to_owned(), probe)]
    }
}

impl PodProgram for ServingTestRun {
    fn started(&mut self, container: &str, _run: u32, at: Timestamp) -> Changes {
        if container == self.engine_name {
            return vec![(container.to_owned(), self.engine.started(at))];
        }
        if container != CONTAINER_PROBE {
            return vec![(container.to_owned(), life_of(&self.pod, container, at))];
        }
        let waiting = self.probe.started(at, &self.engine);
        if self.engine.is_ready() {
            return self.serve(at);
        }
        vec![(container.to_owned(), waiting)]
    }

    fn reached(&mut self, container: &str, at: Timestamp) -> Changes {
        if container != self.engine_name {
            return Vec::new();
        }
        self.engine.became_ready();
        if self.probe.is_watching() { self.serve(at) } else { Vec::new() }
    }

    fn ended(&mut self, container: &str, at: Timestamp, exit_code: i32) -> Changes {
        if container == CONTAINER_PROBE {
            self.probe.ended();
        }
        if container != self.engine_name {
            return Vec::new();
        }
        let by_itself = !self.engine.asked_to_end;
        self.engine.ended();
        if by_itself && self.probe.is_watching() {
            return vec![(CONTAINER_PROBE.to_owned(), self.probe.saw_death(at, exit_code, &self.engine))];
        }
        Vec::new()
    }

    fn signalled(&mut self, container: &str, at: Timestamp) -> Option<Ending> {
        if container == CONTAINER_PROBE {
            return Some(self.probe.signalled(at, &mut self.engine));
        }
        if container == self.engine_name {
            return Some(self.engine.signalled(at));
        }
        Some(obeys(at))
    }

    fn is_ready(&self, container: &str) -> bool {
        container != self.engine_name || self.engine.is_ready()
    }

    fn output(&self, container: &str, previous: bool, until: Timestamp) -> String {
        if container == self.engine_name { self.engine.output(previous, until) } else { String::new() }
    }
}
