//! The volumes that each replica of a StatefulSet has for itself. A test pod has its own as well: of the same size and class,
//! made with the pod and gone with it. What a replica has written is never in its reach.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        EphemeralVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate,
        PodTemplateSpec, Volume,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

/// The annotation that named a claim's class before there was a field for it. Where both stand, it is the one that holds.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Adds a volume for each claim template to a pod template. One of the same name gives way to it, as it does in a replica;
/// all others stay at their places.
pub(super) fn add_own_claims(
    template: &mut PodTemplateSpec,
    claims: &[PersistentVolumeClaim],
    labels: &BTreeMap<String, String>,
) {
    let Some(spec) = template.spec.as_mut().filter(|_| !claims.is_empty()) else { return };
    let volumes = spec.volumes.get_or_insert_default();
    for claim in claims {
        let own = own_volume(claim, labels);
        match volumes.iter_mut().find(|volume| volume.name == own.name) {
            Some(volume) => *volume = own,
            None => volumes.push(own),
        }
    }
}

/// A volume whose claim is made with the pod. Labels and annotations are ours: none of production's finds it.
fn own_volume(claim: &PersistentVolumeClaim, labels: &BTreeMap<String, String>) -> Volume {
    let annotations = claim.metadata.annotations.as_ref();
    let class = annotations.and_then(|annotations| annotations.get(CLASS_ANNOTATION)).cloned();
    let spec = claim.spec.clone().unwrap_or_default();
    let template = PersistentVolumeClaimTemplate {
        metadata: Some(ObjectMeta { labels: Some(labels.clone()), ..ObjectMeta::default() }),
        spec: PersistentVolumeClaimSpec { storage_class_name: class.or(spec.storage_class_name), ..spec },
    };
    Volume {
        name: claim.metadata.name.clone().unwrap_or_default(),
        ephemeral: Some(EphemeralVolumeSource { volume_claim_template: Some(template) }),
        ..Volume::default()
    }
}

#[cfg(test)]
#[path = "own_claim_tests.rs"]
mod tests;
