//! Nodes: what they are made of, and what becomes of their pods when a node's kubelet no longer reports.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod};
use phaseloop_core::schedule::later_by;
use serde_json::{Value, json};

use super::{
    owned::{earlier, has_ended, key_of},
    scheduler::{pod_condition, with_condition},
    view::ClusterView,
    write::{ClusterWrite, NODE, POD},
};

/// The name under which the node controller acts.
const USER: &str = "system:serviceaccount:kube-system:node-controller";
/// From a kubelet's last report to the node's being taken for lost (`--node-monitor-grace-period`).
const GRACE: SignedDuration = SignedDuration::from_secs(50);
/// The taint of a lost node.
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// What a node is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeShape {
    /// Its name.
    pub name: String,
    /// GPUs that it has.
    pub gpus: u32,
    /// The product, as GPU feature discovery labels it.
    pub gpu_product: String,
    /// CPUs, as quantity.
    pub cpu: String,
    /// Memory, as quantity.
    pub memory: String,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
}

/// The object of a node that is ready.
pub fn node_object(shape: &NodeShape, now: Timestamp) -> Value {
    let capacity = json!({
        "cpu": shape.cpu, "memory": shape.memory, "pods": "110", "nvidia.com/gpu": shape.gpus.to_string(),
    });
    let mut labels = shape.labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), shape.name.clone());
    labels.insert("nvidia.com/gpu.product".to_owned(), shape.gpu_product.replace(' ', "-"));
    labels.insert("nvidia.com/gpu.count".to_owned(), shape.gpus.to_string());
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": shape.name, "labels": labels },
        "spec": {},
        "status": {
            "capacity": capacity, "allocatable": capacity,
            "conditions": [pod_condition("Ready", "True", "KubeletReady", "kubelet is posting ready status", now)],
        },
    })
}

/// Which nodes' kubelets report, and since when others don't.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeWatch {
    silent_since: BTreeMap<String, Timestamp>,
}

impl NodeWatch {
    /// The node's kubelet no longer reports.
    pub fn lose(&mut self, node: &str, now: Timestamp) {
        self.silent_since.entry(node.to_owned()).or_insert(now);
    }

    /// It reports again.
    pub fn find(&mut self, node: &str) {
        self.silent_since.remove(node);
    }

    /// Whether the node's kubelet reports.
    pub fn reports(&self, node: &str) -> bool {
        !self.silent_since.contains_key(node)
    }

    /// Whether the kubelet of any node does not report.
    pub(super) fn is_any_lost(&self) -> bool {
        !self.silent_since.is_empty()
    }

    /// What follows for nodes and for pods on lost ones, and when time alone changes that.
    pub(super) fn step(&self, view: &ClusterView, now: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
        let mut writes = Vec::new();
        let mut due = None;
        for (name, node) in &view.nodes {
            let lost_at = self.silent_since.get(name).map(|since| later_by(*since, GRACE));
            match lost_at {
                Some(at) if at > now => due = earlier(due, Some(at)),
                Some(at) => {
                    if ready_status(node) != Some("Unknown") {
                        writes.extend(mark_lost(name, view, now));
                    }
                    due = earlier(due, evict_from(name, at, view, now, &mut writes));
                }
                None if ready_status(node) == Some("Unknown") => writes.extend(mark_found(name, now)),
                None => {}
            }
        }
        (writes, due)
    }
}

fn ready_status(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status.as_str())
}

fn mark_lost(name: &str, view: &ClusterView, now: Timestamp) -> Vec<ClusterWrite> {
    let message = "Kubelet stopped posting node status.";
    let condition = pod_condition("Ready", "Unknown", "NodeStatusUnknown", message, now);
    let taints = json!([
        { "key": UNREACHABLE, "effect": "NoSchedule", "timeAdded": time(now) },
        { "key": UNREACHABLE, "effect": "NoExecute", "timeAdded": time(now) },
    ]);
    let mut writes = vec![
        ClusterWrite::status(USER, NODE, ("", name), &json!({ "conditions": [condition] })),
        ClusterWrite::merge(USER, NODE, ("", name), json!({ "spec": { "taints": taints } })),
    ];
    for pod in pods_on(view, name) {
        let condition = pod_condition("Ready", "False", "NodeNotReady", message, now);
        let status = json!({ "conditions": with_condition(pod, condition) });
        writes.push(ClusterWrite::status(USER, POD, key_of(&pod.metadata), &status));
    }
    writes
}

fn mark_found(name: &str, now: Timestamp) -> Vec<ClusterWrite> {
    let condition = pod_condition("Ready", "True", "KubeletReady", "kubelet is posting ready status", now);
    vec![
        ClusterWrite::status(USER, NODE, ("", name), &json!({ "conditions": [condition] })),
        ClusterWrite::merge(USER, NODE, ("", name), json!({ "spec": { "taints": null } })),
    ]
}

/// Deletes the pods of a lost node once they tolerate it no longer. Nobody is there to end their containers.
fn evict_from(
    name: &str,
    lost_at: Timestamp,
    view: &ClusterView,
    now: Timestamp,
    writes: &mut Vec<ClusterWrite>,
) -> Option<Timestamp> {
    let mut due = None;
    for pod in pods_on(view, name).filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let Some(tolerated) = tolerated_seconds(pod) else { continue };
        let at = later_by(lost_at, SignedDuration::from_secs(tolerated));
        if at > now {
            due = earlier(due, Some(at));
            continue;
        }
        let key = key_of(&pod.metadata);
        let message = "Taint manager: deleting due to NoExecute taint";
        let condition = pod_condition("DisruptionTarget", "True", "DeletionByTaintManager", message, now);
        let status = json!({ "conditions": with_condition(pod, condition) });
        writes.push(ClusterWrite::status(USER, POD, key, &status));
        writes.push(ClusterWrite::delete(USER, POD, key, None));
    }
    due
}

fn pods_on<'a>(view: &'a ClusterView, node: &str) -> impl Iterator<Item = &'a Pod> {
    let on_node =
        move |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node) && !has_ended(pod);
    view.pods.values().filter(on_node)
}

/// How long the pod tolerates a lost node, in seconds; nothing where it does for ever.
fn tolerated_seconds(pod: &Pod) -> Option<i64> {
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let fits = |key: Option<&str>| matches!(key, None | Some("" | UNREACHABLE));
    let own = tolerations.iter().find(|toleration| fits(toleration.key.as_deref()));
    own.map_or(Some(0), |toleration| toleration.toleration_seconds)
}

fn time(instant: Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(instant)
}
