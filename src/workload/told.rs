//! What the containers of a test pod are told, read back from the pod: so that whoever reads a pod needs nothing but the
//! pod, and whoever plays its kubelet hears what the programs in it would hear.

use k8s_openapi::api::core::v1::{Container, Pod};
use phaseloop_core::plan::label::ANNOTATION_ENGINE_CONTAINER;

use super::contract::{CONTAINER_COLLECTOR, CONTAINER_PREFLIGHT, CONTAINER_PROBE, PROGRAM_PATH};
use crate::probe::{CollectRequest, GuardRequest, PreflightRequest, ProbeRequest};

/// Every container of a pod, those that run first first.
pub fn containers_of(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers))
}

/// Name of the container that runs the engine; absent in a pod of a custom domain.
pub fn engine_name(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(ANNOTATION_ENGINE_CONTAINER).map(String::as_str)
}

/// The container that runs the engine, as it stands in the pod: under its guard, where it has one.
pub fn engine_of(pod: &Pod) -> Option<&Container> {
    let name = engine_name(pod)?;
    containers_of(pod).find(|container| container.name == name)
}

/// What the probe is told; absent in a pod of a custom domain.
pub fn probe_request(pod: &Pod) -> Option<ProbeRequest> {
    ProbeRequest::read(words_of(pod, CONTAINER_PROBE)?).ok()
}

/// What the preflight is told.
pub fn preflight_request(pod: &Pod) -> Option<PreflightRequest> {
    PreflightRequest::read(words_of(pod, CONTAINER_PREFLIGHT)?).ok()
}

/// What the collector is told; absent in a pod of a serving test.
pub fn collect_request(pod: &Pod) -> Option<CollectRequest> {
    CollectRequest::read(words_of(pod, CONTAINER_COLLECTOR)?).ok()
}

/// What the guard in the engine's container is told; absent where the engine runs without one.
pub fn guard_request(engine: &Container) -> Option<GuardRequest> {
    let (program, words) = engine.command.as_ref()?.split_first()?;
    if program == PROGRAM_PATH { GuardRequest::read(words).ok() } else { None }
}

/// The engine's container as it would stand without its guard: what the engine itself is started with.
pub fn unguarded(engine: &Container) -> Container {
    match guard_request(engine) {
        Some(guard) => Container { command: Some(guard.command), ..engine.clone() },
        None => engine.clone(),
    }
}

fn words_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a [String]> {
    containers_of(pod).find(|container| container.name == name)?.args.as_deref()
}
