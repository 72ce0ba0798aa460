//! What the kubelet says of each container.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod,
};

use crate::workload::{
    contract::{CONTAINER_COLLECTOR, CONTAINER_PREFLIGHT, CONTAINER_PROBE},
    told::{collect_request, engine_name},
};

/// The statuses of a pod's containers.
pub(super) struct Statuses<'a> {
    all: Vec<&'a ContainerStatus>,
    engine_name: Option<&'a str>,
    /// The container whose message is the result.
    result_name: &'static str,
    /// Names of the ordinary init containers of the template.
    init_names: Vec<&'a str>,
}

impl<'a> Statuses<'a> {
    pub(super) fn of(pod: &'a Pod) -> Self {
        let status = pod.status.iter();
        let all = status.flat_map(|status| {
            status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
        });
        let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let init_names = init
            .filter(|container| container.restart_policy.is_none() && container.name != CONTAINER_PREFLIGHT)
            .map(|container| container.name.as_str());
        Self {
            all: all.collect(),
            engine_name: engine_name(pod),
            result_name: if collect_request(pod).is_some() { CONTAINER_COLLECTOR } else { CONTAINER_PROBE },
            init_names: init_names.collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a ContainerStatus> {
        self.all.iter().copied()
    }

    fn named(&self, name: &str) -> Option<&'a ContainerStatus> {
        self.all().find(|status| status.name == name)
    }

    pub(super) fn preflight(&self) -> Option<&'a ContainerStatus> {
        self.named(CONTAINER_PREFLIGHT)
    }

    pub(super) fn engine(&self) -> Option<&'a ContainerStatus> {
        self.named(self.engine_name?)
    }

    pub(super) const fn tests_an_engine(&self) -> bool {
        self.engine_name.is_some()
    }

    pub(super) fn result(&self) -> Option<&'a ContainerStatus> {
        self.named(self.result_name)
    }

    pub(super) fn probe(&self) -> Option<&'a ContainerStatus> {
        self.named(CONTAINER_PROBE)
    }

    /// The template's own init containers, those that end before the engine starts.
    pub(super) fn init(&self) -> impl Iterator<Item = &'a ContainerStatus> {
        self.init_names.iter().filter_map(|name| self.named(name))
    }
}

pub(super) fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// The end before the present state.
pub(super) fn terminated_before(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.last_state.as_ref()?.terminated.as_ref()
}

pub(super) fn waiting(status: &ContainerStatus) -> Option<&ContainerStateWaiting> {
    status.state.as_ref()?.waiting.as_ref()
}

pub(super) fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// Whether the container ever ran.
pub(super) fn has_started(status: &ContainerStatus) -> bool {
    let ran = |state: &Option<ContainerState>| {
        state.as_ref().is_some_and(|state| {
            state.running.is_some() || state.terminated.as_ref().is_some_and(|end| began_at(end).is_some())
        })
    };
    status.restart_count > 0 || ran(&status.state) || ran(&status.last_state)
}

/// When the present run of the container started, or the one that has just ended.
pub(super) fn started_at(status: &ContainerStatus) -> Option<Timestamp> {
    let state = status.state.as_ref()?;
    let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    running.map(|time| time.0).or_else(|| state.terminated.as_ref().and_then(began_at))
}

/// When an ended run began. The kubelet gives 1970 to one that the runtime could not begin.
pub(super) fn began_at(end: &ContainerStateTerminated) -> Option<Timestamp> {
    end.started_at.as_ref().map(|time| time.0).filter(|time| time.as_second() > 0)
}

pub(super) fn finished_at(end: &ContainerStateTerminated) -> Option<Timestamp> {
    end.finished_at.as_ref().map(|time| time.0)
}
