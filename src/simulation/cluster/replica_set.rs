//! The controller of replica sets: so many pods of one template.

use std::cmp::Reverse;

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use serde_json::{Value, json};

use super::{
    owned::{available_at, earlier, is_active, is_controlled_by, key_of, ready_since, uid_of},
    view::{ClusterView, of_namespace},
    write::{ClusterWrite, POD, REPLICA_SET},
};

/// The name under which the controller acts.
const USER: &str = "system:serviceaccount:kube-system:replicaset-controller";

/// What follows for every replica set of a namespace, and when time alone changes that.
pub(super) fn step(view: &ClusterView, namespace: &str, now: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let mut writes = Vec::new();
    let mut due = None;
    for set in of_namespace(&view.replica_sets, namespace).filter(|set| set.metadata.deletion_timestamp.is_none()) {
        let pods = pods_of(view, set);
        scale(set, &pods, &mut writes);
        due = earlier(due, report(set, &pods, now, &mut writes));
    }
    (writes, due)
}

fn pods_of<'a>(view: &'a ClusterView, set: &'a ReplicaSet) -> Vec<&'a Pod> {
    let uid = uid_of(&set.metadata);
    let pods = of_namespace(&view.pods, key_of(&set.metadata).0);
    pods.filter(|pod| is_controlled_by(&pod.metadata, uid) && is_active(pod)).collect()
}

fn scale(set: &ReplicaSet, pods: &[&Pod], writes: &mut Vec<ClusterWrite>) {
    let Some(spec) = &set.spec else { return };
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    for _ in pods.len()..wanted {
        writes.push(ClusterWrite::create(USER, new_pod(set)));
    }
    let surplus = pods.len().saturating_sub(wanted);
    let mut order: Vec<&&Pod> = pods.iter().collect();
    order.sort_by_key(|pod| removal_rank(pod));
    for pod in order.into_iter().take(surplus) {
        writes.push(ClusterWrite::delete(USER, POD, key_of(&pod.metadata), None));
    }
}

/// What goes first: pods without a node, then those that are not ready, then those that became ready last, then the youngest.
/// Kubernetes itself takes any of pods that are ready for about the same time.
fn removal_rank(pod: &Pod) -> (bool, bool, [Reverse<Timestamp>; 2], String) {
    let scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let created = pod.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let name = pod.metadata.name.clone().unwrap_or_default();
    let ready = ready_since(pod);
    (scheduled, ready.is_some(), [ready.unwrap_or(created), created].map(Reverse), name)
}

fn new_pod(set: &ReplicaSet) -> Value {
    let (namespace, name) = key_of(&set.metadata);
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    let metadata = template.and_then(|template| template.metadata.as_ref());
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace, "generateName": format!("{name}-"),
            "labels": metadata.and_then(|metadata| metadata.labels.as_ref()),
            "annotations": metadata.and_then(|metadata| metadata.annotations.as_ref()),
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid_of(&set.metadata),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": template.and_then(|template| template.spec.as_ref()),
    })
}

/// Writes the status if it says anything new. Says when a pod becomes available by time alone.
fn report(set: &ReplicaSet, pods: &[&Pod], now: Timestamp, writes: &mut Vec<ClusterWrite>) -> Option<Timestamp> {
    let min_ready = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let available: Vec<Timestamp> = pods.iter().filter_map(|pod| available_at(pod, min_ready)).collect();
    let old = set.status.as_ref();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let ready = count(pods.iter().filter(|pod| ready_since(pod).is_some()).count());
    let is_available = count(available.iter().filter(|at| **at <= now).count());
    let new = (count(pods.len()), ready, is_available, set.metadata.generation);
    let before = old.map(|old| {
        (old.replicas, old.ready_replicas.unwrap_or(0), old.available_replicas.unwrap_or(0), old.observed_generation)
    });
    if before != Some(new) {
        let (replicas, ready, is_available, generation) = new;
        let status = json!({
            "replicas": replicas, "fullyLabeledReplicas": replicas, "readyReplicas": ready,
            "availableReplicas": is_available, "observedGeneration": generation,
        });
        writes.push(ClusterWrite::status(USER, REPLICA_SET, key_of(&set.metadata), &status));
    }
    available.into_iter().filter(|at| *at > now).min()
}
