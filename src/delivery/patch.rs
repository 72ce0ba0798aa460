//! The three writes to a target, each one JSON Patch: the promoted values, the pre-image, and the fence that makes an
//! unanswered patch fail for good. Every one of them tests what it was decided on.

use json_patch::{Patch, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use phaseloop_core::{
    plan::{
        label::{ANNOTATION_FENCE, ANNOTATION_PROMOTION},
        target::{TargetFence, TargetVersion, TargetWrite},
    },
    promotion::Undeliverable,
};
use serde_json::{Value, json};

use super::edit::{edit_template, pointer, put, remove, test};

/// A target as patches are built on it.
#[derive(Debug, Clone, Copy)]
pub struct PatchedTarget<'a> {
    /// Its metadata.
    pub metadata: &'a ObjectMeta,
    /// Its pod template.
    pub template: &'a PodTemplateSpec,
}

/// The patch that puts the promoted values in, or the pre-image back, with the annotation that says whose values stand
/// there.
///
/// # Errors
/// What [`edit_template`] refuses.
pub fn write_patch(target: PatchedTarget<'_>, write: &TargetWrite) -> Result<Patch, Undeliverable> {
    let edit = edit_template(target.template, &write.changes)?;
    let before = write.annotation_from.as_ref().map(phaseloop_core::value::Uid::as_str);
    let after = write.annotation_to.as_ref().map(phaseloop_core::value::Uid::as_str);
    let mut operations = version_tests(&write.target);
    operations.extend(edit.tests);
    operations.push(annotation_test(target.metadata, before));
    operations.extend(edit.changes);
    operations.extend(annotation_change(target.metadata, ANNOTATION_PROMOTION, after));
    Ok(Patch(operations))
}

/// The patch that moves the target's resourceVersion on and changes nothing of its spec. The value differs from fence to
/// fence: the API server takes a write that changes nothing for none.
pub fn fence_patch(target: PatchedTarget<'_>, fence: &TargetFence) -> Patch {
    let value = format!("{}@{}", fence.promotion, fence.target.resource_version);
    let mut operations = version_tests(&fence.target);
    operations.extend(annotation_change(target.metadata, ANNOTATION_FENCE, Some(&value)));
    Patch(operations)
}

fn version_tests(version: &TargetVersion) -> Vec<PatchOperation> {
    let of = |field: &str, value: &str| test(pointer(["metadata", field]), Some(Value::from(value)));
    vec![of("uid", version.uid.as_str()), of("resourceVersion", &version.resource_version)]
}

fn annotation(metadata: &ObjectMeta, key: &str) -> Option<Value> {
    metadata.annotations.as_ref()?.get(key).map(|value| Value::from(value.as_str()))
}

fn annotations_path() -> PointerBuf {
    pointer(["metadata", "annotations"])
}

/// The promotion's annotation must be the one that was decided on. Where there are no annotations at all, that is what is
/// tested: a test needs the object around its place.
fn annotation_test(metadata: &ObjectMeta, expected: Option<&str>) -> PatchOperation {
    match (&metadata.annotations, expected) {
        (None, None) => test(annotations_path(), None),
        (_, expected) => test(annotations_path().with_trailing_token(ANNOTATION_PROMOTION), expected.map(Value::from)),
    }
}

/// Sets an annotation, or takes it away: with all annotations, where it is the only one.
fn annotation_change(metadata: &ObjectMeta, key: &str, after: Option<&str>) -> Option<PatchOperation> {
    let before = annotation(metadata, key);
    let path = annotations_path().with_trailing_token(key);
    let count = metadata.annotations.as_ref().map_or(0, std::collections::BTreeMap::len);
    match (before, after) {
        (None, Some(after)) if metadata.annotations.is_none() => {
            Some(put(annotations_path(), None, json!({ (key): after })))
        }
        (before, Some(after)) => Some(put(path, before.as_ref(), Value::from(after))),
        (Some(_), None) if count == 1 => Some(remove(annotations_path())),
        (Some(_), None) => Some(remove(path)),
        (None, None) => None,
    }
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
