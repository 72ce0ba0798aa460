//! All pods on all nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::{
    environment::with_config_maps,
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
        view::{ClusterView, Key},
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
    /// When it is looked at if nothing changes, as it stands in the list of all that are.
    due: Option<Timestamp>,
}

/// The pods by their uids, and what finds those that need a look.
#[derive(Debug, Clone, Default)]
struct Pods {
    kept: BTreeMap<String, Kept>,
    /// Their uids by namespace and name: a pod may be gone for the API server, and another have taken its name.
    uids: BTreeMap<Key, BTreeSet<String>>,
    due: BTreeSet<(Timestamp, String)>,
}

/// What others ask a kubelet for while it works: the output of containers.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<Pods>>);

/// The kubelets of all nodes.
#[derive(Debug)]
pub struct Kubelets {
    pods: Shelf,
    /// The images on the nodes.
    pub images: ImageStore,
    programs: Box<dyn ProgramSource>,
    log: ContainerLog,
    clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
    /// Whether every pod is looked at next: nodes were lost or found.
    looks_at_all: bool,
}

impl Kubelets {
    /// Kubelets without pods.
    pub fn new(
        images: ImageStore,
        programs: Box<dyn ProgramSource>,
        clock: Arc<crate::simulation::virtual_clock::VirtualClock>,
    ) -> Self {
        Self { pods: Shelf::default(), images, programs, log: ContainerLog::default(), clock, looks_at_all: false }
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
            looks_at_all: self.looks_at_all,
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
        self.pods.with(|pods| pods.due.first().map(|(at, _)| *at))
    }

    /// Evicts a pod: the node is short of something. Says whether it was there.
    pub fn evict(&self, namespace: &str, name: &str, message: &str, now: Timestamp) -> bool {
        self.pods.with(|pods| {
            let uids = pods.uids.get(&(namespace.to_owned(), name.to_owned()));
            let Some(uid) = uids.and_then(BTreeSet::first).cloned() else { return false };
            let Some(kept) = pods.kept.get_mut(&uid) else { return false };
            kept.machine.begin_stop(StopCause::Evicted(message.to_owned()), SignedDuration::ZERO, now);
            pods.look_at(&uid, Some(now));
            true
        })
    }

    /// Lets every pod be looked at, whether it changed or not.
    pub(in crate::simulation::cluster) const fn look_at_all(&mut self) {
        self.looks_at_all = true;
    }

    /// Takes pods up that are new on a node, ends those that are to go, lets happen what is due, and reports. `changed` are
    /// the pods that the API server told of since.
    pub(in crate::simulation::cluster) fn step(
        &mut self,
        view: &ClusterView,
        changed: &BTreeSet<Key>,
        nodes: &NodeWatch,
        now: Timestamp,
    ) -> Vec<ClusterWrite> {
        let machines = self.pods.clone();
        let looks_at_all = std::mem::take(&mut self.looks_at_all);
        machines.with(|pods| {
            let uids = if looks_at_all {
                view.pods.values().for_each(|pod| self.take_up(pods, pod, view, nodes, now));
                pods.kept.keys().cloned().collect()
            } else {
                let changed_pods = changed.iter().filter_map(|key| view.pods.get(key));
                changed_pods.for_each(|pod| self.take_up(pods, pod, view, nodes, now));
                pods.concerned(changed, now)
            };
            let mut writes = Vec::new();
            for uid in &uids {
                self.look_at(pods, uid, view, nodes, now, &mut writes);
            }
            writes
        })
    }

    fn look_at(
        &mut self,
        pods: &mut Pods,
        uid: &str,
        view: &ClusterView,
        nodes: &NodeWatch,
        now: Timestamp,
        writes: &mut Vec<ClusterWrite>,
    ) {
        let Some(kept) = pods.kept.get_mut(uid) else { return };
        let reports = nodes.reports(&kept.machine.identity.node);
        let stored = view.pods.get(&kept.key()).filter(|pod| uid_of(&pod.metadata) == kept.machine.identity.uid);
        if reports {
            kept.follow(stored, now);
        }
        kept.machine.advance(now, &mut Ground { images: &mut self.images, log: &mut self.log });
        if let Some(stored) = stored.filter(|_| reports) {
            kept.report(stored, now, writes);
        }
        if kept.is_done(view) {
            pods.drop(uid);
        } else {
            let next_at = kept.machine.next_at();
            pods.look_at(uid, next_at);
        }
    }

    fn take_up(&self, pods: &mut Pods, pod: &Pod, view: &ClusterView, nodes: &NodeWatch, now: Timestamp) {
        let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) else { return };
        let uid = uid_of(&pod.metadata);
        if has_ended(pod) || pods.kept.contains_key(uid) || !nodes.reports(node) {
            return;
        }
        // Without a key of a ConfigMap that it needs, a container waits to be made.
        let Some(told) = with_config_maps(pod, &view.config_maps) else { return };
        let (namespace, name) = key_of(&pod.metadata);
        let identity = RunningPod {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            node: node.to_owned(),
        };
        let program = self.programs.program_of(&told, node, now);
        let kept = Kept {
            machine: PodMachine::new(identity, pod.clone(), program, now),
            reported: 0,
            orphaned: false,
            due: None,
        };
        pods.uids.entry(kept.key()).or_default().insert(uid.to_owned());
        pods.kept.insert(uid.to_owned(), kept);
    }
}

impl Pods {
    /// Uids of the pods of these names, and of those that are due.
    fn concerned(&self, changed: &BTreeSet<Key>, now: Timestamp) -> BTreeSet<String> {
        let changed = changed.iter().filter_map(|key| self.uids.get(key)).flatten();
        let due = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, uid)| uid);
        changed.chain(due).cloned().collect()
    }

    /// Notes when a pod is looked at if nothing changes.
    fn look_at(&mut self, uid: &str, due: Option<Timestamp>) {
        let Some(kept) = self.kept.get_mut(uid) else { return };
        if let Some(before) = std::mem::replace(&mut kept.due, due) {
            self.due.remove(&(before, uid.to_owned()));
        }
        self.due.extend(due.map(|due| (due, uid.to_owned())));
    }

    fn drop(&mut self, uid: &str) {
        self.look_at(uid, None);
        let Some(gone) = self.kept.remove(uid) else { return };
        let key = gone.key();
        if let Some(uids) = self.uids.get_mut(&key) {
            uids.remove(uid);
            if uids.is_empty() {
                self.uids.remove(&key);
            }
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
    fn with<R>(&self, act: impl FnOnce(&mut Pods) -> R) -> R {
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
            pods.kept.get(uid).map(|kept| kept.machine.program().output(container, previous, now)).unwrap_or_default()
        }))
    }
}
