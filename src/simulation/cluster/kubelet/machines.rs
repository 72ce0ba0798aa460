//! All pods on all nodes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::{
    images::ImageStore,
    life::ProgramSource,
    machine::{Ground, PodMachine, RunningPod},
    record::ContainerLog,
    status::status_of,
    stop::StopCause,
};
use crate::simulation::{
    api_server::{LogSource, StatusError},
    cluster::{
        node::NodeWatch,
        owned::{has_ended, key_of, uid_of},
        view::ClusterView,
        write::{ClusterWrite, POD},
    },
};

/// A pod on a node, with what was last reported of it.
#[derive(Debug, Clone)]
struct Kept {
    machine: PodMachine,
    /// How much of what happened to it is reported.
    reported: u64,
    /// Whether the API server knows the pod no more: its containers end, and nobody is told.
    orphaned: bool,
}

/// What others ask a kubelet for while it works: the output of containers.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Kept>>>);

/// The kubelets of all nodes.
#[derive(Debug)]
pub struct Kubelets {
    pods: Shelf,
    /// The images on the nodes.
    pub images: ImageStore,
    programs: Box<dyn ProgramSource>,
    log: ContainerLog,
    clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
}

impl Kubelets {
    /// Kubelets without pods.
    pub fn new(
        images: ImageStore,
        programs: Box<dyn ProgramSource>,
        clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
    ) -> Self {
        Self { pods: Shelf::default(), images, programs, log: ContainerLog::default(), clock }
    }

    /// Kubelets that go on from where these stand, by other programs and another clock.
    #[must_use]
    pub fn fork(
        &self,
        programs: Box<dyn ProgramSource>,
        clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
    ) -> Self {
        let pods = self.pods.with(|pods| pods.clone());
        Self {
            pods: Shelf(Arc::new(Mutex::new(pods))),
            images: self.images.clone(),
            programs,
            log: self.log.clone(),
            clock,
        }
    }

    /// What really ran.
    pub const fn log(&self) -> &ContainerLog {
        &self.log
    }

    /// Where the API server gets logs of containers from.
    pub fn log_source(&self) -> impl LogSource + 'static {
        PodLogs { pods: self.pods.clone(), clock: self.clock.clone() }
    }

    /// When something happens on a node next.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.pods.with(|pods| pods.values().filter_map(|kept| kept.machine.next_at()).min())
    }

    /// Evicts a pod: the node is short of something. Says whether it was there.
    pub fn evict(&self, namespace: &str, name: &str, message: &str, now: Timestamp) -> bool {
        self.pods.with(|pods| {
            let own = pods
                .values_mut()
                .find(|kept| kept.machine.identity.namespace == namespace && kept.machine.identity.name == name);
            let Some(kept) = own else { return false };
            kept.machine.begin_stop(StopCause::Evicted(message.to_owned()), SignedDuration::ZERO, now);
            true
        })
    }

    /// Takes pods up that are new on a node, ends those that are to go, lets happen what is due, and reports.
    pub(in crate::simulation::cluster) fn step(
        &mut self,
        view: &ClusterView,
        nodes: &NodeWatch,
        now: Timestamp,
    ) -> Vec<ClusterWrite> {
        let machines = self.pods.clone();
        machines.with(|pods| {
            self.take_up(pods, view, nodes, now);
            let mut writes = Vec::new();
            for kept in pods.values_mut() {
                let reports = nodes.reports(&kept.machine.identity.node);
                let stored =
                    view.pods.get(&kept.key()).filter(|pod| uid_of(&pod.metadata) == kept.machine.identity.uid);
                if reports {
                    kept.follow(stored, now);
                }
                kept.machine.advance(now, &mut Ground { images: &mut self.images, log: &mut self.log });
                if let Some(stored) = stored.filter(|_| reports) {
                    kept.report(stored, now, &mut writes);
                }
            }
            pods.retain(|_, kept| !kept.is_done(view));
            writes
        })
    }

    fn take_up(&self, pods: &mut BTreeMap<String, Kept>, view: &ClusterView, nodes: &NodeWatch, now: Timestamp) {
        for pod in view.pods.values().filter(|pod| !has_ended(pod)) {
            let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) else { continue };
            let uid = uid_of(&pod.metadata);
            if pods.contains_key(uid) || !nodes.reports(node) {
                continue;
            }
            let (namespace, name) = key_of(&pod.metadata);
            let identity = RunningPod {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                uid: uid.to_owned(),
                node: node.to_owned(),
            };
            let program = self.programs.program_of(pod, node, now);
            let machine = PodMachine::new(identity, pod.clone(), program, now);
            pods.insert(uid.to_owned(), Kept { machine, reported: 0, orphaned: false });
        }
    }
}

impl Kept {
    fn key(&self) -> (String, String) {
        (self.machine.identity.namespace.clone(), self.machine.identity.name.clone())
    }

    /// Takes notice of the pod's deletion, or of its being gone.
    fn follow(&mut self, stored: Option<&Pod>, now: Timestamp) {
        match stored {
            None => {
                self.orphaned = true;
                self.machine.begin_stop(StopCause::Deleted, SignedDuration::ZERO, now);
            }
            Some(pod) if pod.metadata.deletion_timestamp.is_some() => {
                let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
                self.machine.begin_stop(StopCause::Deleted, SignedDuration::from_secs(seconds), now);
            }
            Some(_) => {}
        }
    }

    fn report(&mut self, stored: &Pod, now: Timestamp, writes: &mut Vec<ClusterWrite>) {
        let identity = &self.machine.identity;
        let user = format!("system:node:{}", identity.node);
        let key = (identity.namespace.as_str(), identity.name.as_str());
        if self.reported != self.machine.happened {
            writes.push(ClusterWrite::status(&user, POD, key, &status_of(&self.machine, stored, now)));
            self.reported = self.machine.happened;
        }
        if self.machine.is_finished() && stored.metadata.deletion_timestamp.is_some() {
            writes.push(ClusterWrite::delete(&user, POD, key, Some(0)));
        }
    }

    /// Whether nobody needs it any more: its containers have ended, and the API server knows that or knows no such pod.
    fn is_done(&self, view: &ClusterView) -> bool {
        let stored = view.pods.get(&self.key());
        let gone = stored.is_none_or(|pod| uid_of(&pod.metadata) != self.machine.identity.uid);
        self.machine.is_finished() && (gone || self.orphaned)
    }
}

impl Shelf {
    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<String, Kept>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The kubelets as the API server asks them for logs.
struct PodLogs {
    pods: Shelf,
    clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
}

impl LogSource for PodLogs {
    fn log(&self, pod: &Value, container: &str, previous: bool) -> Result<String, StatusError> {
        use crate::cluster::Clock as _;
        let uid = pod.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        let first = pod.pointer("/spec/containers/0/name").and_then(Value::as_str).unwrap_or_default();
        let container = if container.is_empty() { first } else { container };
        let now = self.clock.now();
        Ok(self.pods.with(|pods| {
            pods.get(uid).map(|kept| kept.machine.program().output(container, previous, now)).unwrap_or_default()
        }))
    }
}
