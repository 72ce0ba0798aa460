//! The controller that lets a volume claim go which is being deleted, once no pod that has a node uses it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde_json::json;

use super::{
    owned::key_of,
    view::{ClusterView, of_namespace},
    write::{CLAIM, ClusterWrite},
};

/// The name under which the controller acts.
const USER: &str = "system:serviceaccount:kube-system:pvc-protection-controller";
/// What the API server puts on each claim, and this controller takes off.
const FINALIZER: &str = "kubernetes.io/pvc-protection";

/// What follows for every volume claim of a namespace.
pub(super) fn step(view: &ClusterView, namespace: &str, _: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let claims = of_namespace(&view.claims, namespace).filter(|claim| waits(claim));
    let free = claims.filter(|claim| {
        let (_, name) = key_of(&claim.metadata);
        !of_namespace(&view.pods, namespace).any(|pod| uses(pod, name))
    });
    (free.map(release).collect(), None)
}

/// Whether the claim is being deleted and held by this controller's finalizer.
fn waits(claim: &PersistentVolumeClaim) -> bool {
    let finalizers = claim.metadata.finalizers.as_deref().unwrap_or_default();
    claim.metadata.deletion_timestamp.is_some() && finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether a pod has a node and mounts the claim, by its name or as one of its own.
fn uses(pod: &Pod, claim: &str) -> bool {
    let Some(spec) = pod.spec.as_ref().filter(|spec| spec.node_name.is_some()) else { return false };
    let (_, pod_name) = key_of(&pod.metadata);
    spec.volumes.iter().flatten().any(|volume| {
        let named = volume.persistent_volume_claim.as_ref().is_some_and(|source| source.claim_name == claim);
        named || (volume.ephemeral.is_some() && format!("{pod_name}-{}", volume.name) == claim)
    })
}

fn release(claim: &PersistentVolumeClaim) -> ClusterWrite {
    let finalizers = claim.metadata.finalizers.iter().flatten();
    let others: Vec<&String> = finalizers.filter(|finalizer| *finalizer != FINALIZER).collect();
    ClusterWrite::merge(USER, CLAIM, key_of(&claim.metadata), json!({ "metadata": { "finalizers": others } }))
}
