//! The controller of ephemeral volumes: makes the claim of each volume that a pod has for itself. It belongs to the pod and goes
//! with it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimTemplate, Pod};
use serde_json::json;

use super::{
    owned::{is_active, key_of, uid_of},
    view::{ClusterView, of_namespace},
    write::ClusterWrite,
};

/// The name under which the controller acts.
const USER: &str = "system:serviceaccount:kube-system:ephemeral-volume-controller";

/// What follows for every pod of a namespace.
pub(super) fn step(view: &ClusterView, namespace: &str, _: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let pods = of_namespace(&view.pods, namespace).filter(|pod| is_active(pod));
    let writes = pods.flat_map(|pod| {
        let missing = claims_of(pod).filter(|(name, _)| !has_claim(view, namespace, name));
        missing.map(|(name, template)| make(pod, &name, template))
    });
    (writes.collect(), None)
}

/// The claim that a pod waits for: one of its own volumes has none yet.
pub(super) fn awaited_claim(view: &ClusterView, pod: &Pod) -> Option<String> {
    let (namespace, _) = key_of(&pod.metadata);
    claims_of(pod).map(|(name, _)| name).find(|name| !has_claim(view, namespace, name))
}

/// The claims of a pod's own volumes, by name.
fn claims_of(pod: &Pod) -> impl Iterator<Item = (String, &PersistentVolumeClaimTemplate)> {
    let (_, pod_name) = key_of(&pod.metadata);
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(move |volume| {
        let template = volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?;
        Some((format!("{pod_name}-{}", volume.name), template))
    })
}

fn has_claim(view: &ClusterView, namespace: &str, name: &str) -> bool {
    view.claims.contains_key(&(namespace.to_owned(), name.to_owned()))
}

fn make(pod: &Pod, name: &str, template: &PersistentVolumeClaimTemplate) -> ClusterWrite {
    let (namespace, pod_name) = key_of(&pod.metadata);
    let metadata = template.metadata.clone().unwrap_or_default();
    let object = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "namespace": namespace, "name": name, "labels": metadata.labels, "annotations": metadata.annotations,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Pod", "name": pod_name, "uid": uid_of(&pod.metadata),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": template.spec,
    });
    ClusterWrite::create(USER, object)
}
