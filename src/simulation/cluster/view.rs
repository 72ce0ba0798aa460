//! What the cluster's own controllers see: the objects that concern them, kept up with the API server's history.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod},
    policy::v1::PodDisruptionBudget,
};
use serde::de::DeserializeOwned;

use super::owned::{controller_of, key_of};
use crate::simulation::api_server::{ApiServer, Change, ChangeKind};
use crate::simulation::field::At as _;

/// An object of a namespace, by namespace and name.
pub type Key = (String, String);

/// The objects, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// Pods.
    pub pods: BTreeMap<Key, Pod>,
    /// Nodes, by name.
    pub nodes: BTreeMap<String, Node>,
    /// Deployments.
    pub deployments: BTreeMap<Key, Deployment>,
    /// Replica sets.
    pub replica_sets: BTreeMap<Key, ReplicaSet>,
    /// Stateful sets.
    pub stateful_sets: BTreeMap<Key, StatefulSet>,
    /// Disruption budgets.
    pub budgets: BTreeMap<Key, PodDisruptionBudget>,
    /// Volume claims.
    pub claims: BTreeMap<Key, PersistentVolumeClaim>,
    /// ConfigMaps, which containers read when their pod starts.
    pub config_maps: BTreeMap<Key, ConfigMap>,
    cursor: u64,
}

/// Which objects changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Pods, and those whose own volume claims changed.
    pub pods: BTreeSet<Key>,
    /// Pods that may have waited for a ConfigMap that changed.
    pub waiting: BTreeSet<Key>,
    /// Nodes.
    pub nodes: bool,
    /// Namespaces with pods, deployments, replica sets, stateful sets, disruption budgets or volume claims that changed: what
    /// follows for one of these follows from its namespace alone.
    pub workloads: BTreeSet<String>,
    /// Something is being deleted, or is gone.
    pub deletions: bool,
    /// A namespace is being deleted.
    pub namespaces: bool,
}

impl Touched {
    /// Adds what changed besides.
    pub(super) fn add(&mut self, other: Self) {
        self.pods.extend(other.pods);
        self.waiting.extend(other.waiting);
        self.workloads.extend(other.workloads);
        self.nodes |= other.nodes;
        self.deletions |= other.deletions;
        self.namespaces |= other.namespaces;
    }
}

impl ClusterView {
    /// Takes in what changed since.
    pub fn follow(&mut self, server: &ApiServer) -> Touched {
        let mut touched = Touched::default();
        for change in server.changes_after(self.cursor) {
            self.cursor = change.revision;
            self.take(&change, &mut touched);
        }
        touched
    }

    /// The pod that a claim belongs to: without a node it may have waited for it.
    fn pod_of_claim(&self, change: &Change) -> Option<Key> {
        let key = (change.object.namespace().to_owned(), change.object.name().to_owned());
        let owner = controller_of(&self.claims.get(&key)?.metadata).filter(|owner| owner.kind == "Pod")?;
        Some((key.0, owner.name.clone()))
    }

    fn take(&mut self, change: &Change, touched: &mut Touched) {
        let going = change.object.value.at("/metadata/deletionTimestamp").is_some();
        touched.deletions |= going || change.kind == ChangeKind::Deleted;
        match &*change.resource {
            "pods" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                touched.pods.insert((change.object.namespace().to_owned(), change.object.name().to_owned()));
                keep(&mut self.pods, change);
            }
            "nodes" => {
                touched.nodes = true;
                let name = change.object.name().to_owned();
                match typed(change) {
                    Some(node) => drop(self.nodes.insert(name, node)),
                    None => drop(self.nodes.remove(&name)),
                }
            }
            "deployments.apps" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                keep(&mut self.deployments, change);
            }
            "replicasets.apps" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                keep(&mut self.replica_sets, change);
            }
            "statefulsets.apps" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                keep(&mut self.stateful_sets, change);
            }
            "poddisruptionbudgets.policy" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                keep(&mut self.budgets, change);
            }
            "persistentvolumeclaims" => {
                touched.workloads.insert(change.object.namespace().to_owned());
                keep(&mut self.claims, change);
                touched.pods.extend(self.pod_of_claim(change));
            }
            "configmaps" => {
                // A pod that was not taken up may have waited for it.
                let waiting = of_namespace(&self.pods, change.object.namespace());
                let waiting =
                    waiting.filter(|pod| pod.status.as_ref().is_none_or(|status| status.start_time.is_none()));
                touched.waiting.extend(waiting.map(|pod| {
                    let (namespace, name) = key_of(&pod.metadata);
                    (namespace.to_owned(), name.to_owned())
                }));
                keep(&mut self.config_maps, change);
            }
            "namespaces" => touched.namespaces |= going,
            _ => {}
        }
    }
}

/// The objects of one namespace.
pub(super) fn of_namespace<'a, T>(
    objects: &'a BTreeMap<Key, T>,
    namespace: &'a str,
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    let first = (namespace.to_owned(), String::new());
    objects.range(first..).take_while(move |((own, _), _)| own == namespace).map(|(_, object)| object)
}

/// The object after the change; nothing where it is gone.
fn typed<T: DeserializeOwned>(change: &Change) -> Option<T> {
    // What the server has stored has the form of its kind.
    if change.kind == ChangeKind::Deleted { None } else { change.object.typed().ok() }
}

fn keep<T: DeserializeOwned>(objects: &mut BTreeMap<Key, T>, change: &Change) {
    let key = (change.object.namespace().to_owned(), change.object.name().to_owned());
    match typed(change) {
        Some(object) => drop(objects.insert(key, object)),
        None => drop(objects.remove(&key)),
    }
}
