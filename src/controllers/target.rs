//! The target of our kinds, read once per look, and what its pod template refers to. Every kind that looks at a target
//! looks at it through here.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{PersistentVolumeClaim, Pod, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt;
use phaseloop_core::{
    plan::target::TargetVersion,
    value::{TargetReference, Uid},
};

use crate::{
    api::reference::{TargetKind, TargetRef},
    cluster::{ClusterError, Reader},
    workload::{ClaimFacts, template_hash},
};

/// A target as it was read.
#[derive(Debug, Clone, PartialEq)]
pub enum ObservedTarget {
    /// A Deployment.
    Deployment(Box<Deployment>),
    /// A StatefulSet.
    StatefulSet(Box<StatefulSet>),
}

impl ObservedTarget {
    /// Its pod template; an empty one where its specification has none.
    pub fn template(&self) -> PodTemplateSpec {
        match self {
            Self::Deployment(object) => object.spec.as_ref().map(|spec| spec.template.clone()),
            Self::StatefulSet(object) => object.spec.as_ref().map(|spec| spec.template.clone()),
        }
        .unwrap_or_default()
    }

    /// Its metadata.
    pub const fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
        }
    }

    /// `spec.replicas` (one, where it is left out) and `status.readyReplicas`.
    pub fn replicas(&self) -> (i64, i64) {
        let (replicas, ready) = match self {
            Self::Deployment(object) => (
                object.spec.as_ref().and_then(|spec| spec.replicas),
                object.status.as_ref().and_then(|status| status.ready_replicas),
            ),
            Self::StatefulSet(object) => (
                object.spec.as_ref().and_then(|spec| spec.replicas),
                object.status.as_ref().and_then(|status| status.ready_replicas),
            ),
        };
        (i64::from(replicas.unwrap_or(1)), i64::from(ready.unwrap_or_default()))
    }

    /// Hash of its pod template.
    pub fn template_hash(&self) -> String {
        template_hash(&self.template())
    }

    /// The volume claims that each of its pods has for itself.
    pub fn claim_templates(&self) -> Vec<PersistentVolumeClaim> {
        match self {
            Self::Deployment(_) => Vec::new(),
            Self::StatefulSet(object) => {
                object.spec.as_ref().and_then(|spec| spec.volume_claim_templates.clone()).unwrap_or_default()
            }
        }
    }

    /// The object and the version that was read.
    pub fn version(&self, reference: TargetReference) -> TargetVersion {
        let (uid, resource_version) = match self {
            Self::Deployment(object) => (object.uid(), object.resource_version()),
            Self::StatefulSet(object) => (object.uid(), object.resource_version()),
        };
        TargetVersion {
            reference,
            uid: Uid::new(uid.unwrap_or_default()),
            resource_version: resource_version.unwrap_or_default(),
        }
    }
}

/// Reads a target; `None` where there is none.
///
/// # Errors
/// [`ClusterError`] where it could not be read.
pub async fn read_target(
    reader: Reader<'_>,
    namespace: &str,
    target: &TargetRef,
) -> Result<Option<ObservedTarget>, ClusterError> {
    Ok(match target.kind {
        TargetKind::Deployment => reader
            .get::<Deployment>(namespace, &target.name)
            .await?
            .map(|object| ObservedTarget::Deployment(Box::new(object))),
        TargetKind::StatefulSet => reader
            .get::<StatefulSet>(namespace, &target.name)
            .await?
            .map(|object| ObservedTarget::StatefulSet(Box::new(object))),
    })
}

/// Reads what a pod needs to know of the volume claims that a template names; those that are not there are left out. Pods
/// are listed only where there is a claim.
///
/// # Errors
/// [`ClusterError`] of the first call that failed.
pub async fn read_claims(
    reader: Reader<'_>,
    namespace: &str,
    template: &PodTemplateSpec,
) -> Result<BTreeMap<String, ClaimFacts>, ClusterError> {
    let mut claims = BTreeMap::new();
    let names = claims_of(template);
    if names.is_empty() {
        return Ok(claims);
    }
    let pods = reader.list::<Pod>(namespace, "").await?.into_owned();
    for name in names {
        if let Some(claim) = reader.get::<PersistentVolumeClaim>(namespace, &name).await? {
            claims.insert(name.clone(), claim_facts(&claim, &name, &pods));
        }
    }
    Ok(claims)
}

/// Names of the volume claims that a template names.
fn claims_of(template: &PodTemplateSpec) -> BTreeSet<String> {
    let volumes = template.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.clone())).collect()
}

fn claim_facts(claim: &PersistentVolumeClaim, name: &str, pods: &[Pod]) -> ClaimFacts {
    let granted = claim.status.as_ref().and_then(|status| status.access_modes.clone());
    let asked = claim.spec.as_ref().and_then(|spec| spec.access_modes.clone());
    let uses = |pod: &&Pod| {
        let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        !matches!(phase, Some("Succeeded" | "Failed"))
            && volumes
                .filter_map(|volume| volume.persistent_volume_claim.as_ref())
                .any(|source| source.claim_name == name)
    };
    let nodes: BTreeSet<String> =
        pods.iter().filter(uses).filter_map(|pod| pod.spec.as_ref()?.node_name.clone()).collect();
    ClaimFacts { access_modes: granted.or(asked).unwrap_or_default(), used_on_nodes: nodes.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(node: Option<&str>, phase: &str, claim: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "p" },
            "spec": {
                "nodeName": node, "containers": [],
                "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": claim } }],
            },
            "status": { "phase": phase },
        }))
        .unwrap()
    }

    fn target(kind: &str, spec: &Value) -> ObservedTarget {
        let object = json!({ "metadata": { "name": "llama", "uid": "u", "resourceVersion": "5" }, "spec": spec });
        match kind {
            "Deployment" => ObservedTarget::Deployment(serde_json::from_value(object).unwrap()),
            _ => ObservedTarget::StatefulSet(serde_json::from_value(object).unwrap()),
        }
    }

    #[test]
    fn a_claim_is_in_use_where_pods_that_have_not_ended_mount_it() {
        let claim: PersistentVolumeClaim = serde_json::from_value(json!({
            "metadata": { "name": "models" }, "spec": { "accessModes": ["ReadWriteMany"] },
            "status": { "accessModes": ["ReadWriteOnce"] },
        }))
        .unwrap();
        let pods = [
            pod(Some("n2"), "Running", "models"),
            pod(Some("n1"), "Pending", "models"),
            pod(Some("n1"), "Running", "models"),
            pod(Some("n3"), "Succeeded", "models"),
            pod(Some("n4"), "Running", "other"),
            pod(None, "Pending", "models"),
        ];
        let facts = claim_facts(&claim, "models", &pods);
        let expected = ClaimFacts {
            access_modes: vec!["ReadWriteOnce".to_owned()],
            used_on_nodes: vec!["n1".to_owned(), "n2".to_owned()],
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn a_target_tells_its_template_and_its_own_claims() {
        let template = json!({ "spec": {
            "containers": [{ "name": "vllm", "image": "i" }],
            "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "models" } }, { "name": "w" }],
        } });
        let deployment = target("Deployment", &json!({ "selector": {}, "template": template }));
        assert_eq!(claims_of(&deployment.template()), BTreeSet::from(["models".to_owned()]));
        assert!(deployment.claim_templates().is_empty());
        let set = target(
            "StatefulSet",
            &json!({
                "selector": {}, "serviceName": "s", "template": template,
                "volumeClaimTemplates": [{ "metadata": { "name": "cache" } }],
            }),
        );
        let names: Vec<String> = set.claim_templates().iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["cache"]);
        assert_eq!(set.template_hash(), deployment.template_hash());
        let reference = TargetReference::from(
            &serde_json::from_value::<TargetRef>(json!({ "kind": "StatefulSet", "name": "llama" })).unwrap(),
        );
        let version = set.version(reference);
        assert_eq!((version.uid.as_str(), version.resource_version.as_str()), ("u", "5"));
    }
}
