//! The annotation of a pod template that states the hash of the ConfigMap that a promoted value lies in: what makes a target
//! roll out when only its ConfigMap changes.

use json_patch::{PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use phaseloop_core::{
    plan::{FieldAddress, FieldChange, FieldValue, label::ANNOTATION_CONFIGURATION_HASH},
    tuning::{BindingError, binding::BindingReason},
};
use serde_json::json;

use super::{
    edit::{pointer, put, test},
    entry::{entry_change, entry_test},
};

/// Where it stands, as an address.
pub fn hash_address() -> FieldAddress {
    let key = ANNOTATION_CONFIGURATION_HASH.replace('/', "~1");
    FieldAddress::new(format!("/spec/template/metadata/annotations/{key}"))
}

/// The hash that a template states.
pub fn stated_hash(template: &PodTemplateSpec) -> FieldValue {
    let annotations = template.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
    let stated = annotations.and_then(|annotations| annotations.get(ANNOTATION_CONFIGURATION_HASH));
    stated.map_or(FieldValue::Absent, |hash| FieldValue::Present(hash.clone()))
}

/// The test and the operation of a change of it.
///
/// # Errors
/// Something else than the change's old text stands there.
pub(super) fn hash_operations(
    template: &PodTemplateSpec,
    change: &FieldChange,
) -> Result<(PatchOperation, Option<PatchOperation>), BindingError> {
    let stated = stated_hash(template);
    if stated != change.from {
        let message = format!("{stated} stands at {} now, not {}", change.address, change.from);
        return Err(BindingError { reason: BindingReason::ChangedByOthers, message });
    }
    let text = |value: &FieldValue| match value {
        FieldValue::Absent => None,
        FieldValue::Present(text) => Some(text.clone()),
    };
    let (from, to) = (text(&change.from), text(&change.to));
    let Some(metadata) = &template.metadata else {
        let change =
            to.map(|to| put(metadata_path(), None, json!({ "annotations": { (ANNOTATION_CONFIGURATION_HASH): to } })));
        return Ok((test(metadata_path(), None), change));
    };
    let (path, key) = (metadata_path().with_trailing_token("annotations"), ANNOTATION_CONFIGURATION_HASH);
    let annotations = metadata.annotations.as_ref();
    Ok((
        entry_test(path.clone(), annotations, key, from.as_deref()),
        entry_change(path, annotations, key, to.as_deref()).filter(|_| from != to),
    ))
}

fn metadata_path() -> PointerBuf {
    pointer(["spec", "template", "metadata"])
}
