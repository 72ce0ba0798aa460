//! A server with a clock, and clients of it.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Error, core::Status};
use serde_json::{Value, json};

use super::super::{ApiServer, Settings};
use crate::simulation::virtual_clock::VirtualClock;

/// The namespace that tests work in.
pub(super) const NAMESPACE: &str = "default";

/// A server and its clock, which stands at a fixed instant.
pub(super) struct World {
    pub(super) clock: Arc<VirtualClock>,
    pub(super) server: ApiServer,
}

pub(super) fn world() -> World {
    let start: Timestamp = "2026-03-04T01:00:00.25Z".parse().unwrap();
    let clock = Arc::new(VirtualClock::new(start));
    let server = ApiServer::new(clock.clone(), Settings::default());
    World { clock, server }
}

impl World {
    pub(super) fn client(&self, user: &str) -> Client {
        Client::new(self.server.service_for(user), NAMESPACE)
    }

    pub(super) fn config_maps(&self) -> Api<ConfigMap> {
        Api::default_namespaced(self.client("jane"))
    }
}

/// Runs a test on one thread.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

/// An object from JSON.
pub(super) fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A ConfigMap.
pub(super) fn config_map(name: &str, data: &Value) -> ConfigMap {
    typed(json!({ "metadata": { "name": name }, "data": data }))
}

/// A small Deployment as a user writes it.
pub(super) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "engine", "image": "vllm:1", "args": ["--max-num-seqs", "64"] }] },
            },
        },
    })
}

/// The status of a refusal.
pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Status {
    match result {
        Err(Error::Api(status)) => *status,
        other => panic!("no refusal: {other:?}"),
    }
}
