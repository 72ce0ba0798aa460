//! A pod of which nothing is known: its main containers run until they are asked to end.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::helper::{life_of, obeys};
use crate::simulation::cluster::kubelet::{Changes, Ending, PodProgram};

/// The programs of such a pod.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) pod: Pod,
}

impl PodProgram for Plain {
    fn started(&mut self, container: &str, _run: u32, at: Timestamp) -> Changes {
        vec![(container.to_owned(), life_of(&self.pod, container, at))]
    }

    fn reached(&mut self, _container: &str, _at: Timestamp) -> Changes {
        Vec::new()
    }

    fn ended(&mut self, _container: &str, _at: Timestamp, _exit_code: i32) -> Changes {
        Vec::new()
    }

    fn signalled(&mut self, _container: &str, at: Timestamp) -> Option<Ending> {
        Some(obeys(at))
    }

    fn is_ready(&self, _container: &str) -> bool {
        true
    }

    fn output(&self, _container: &str, _previous: bool, _until: Timestamp) -> String {
        String::new()
    }
}
