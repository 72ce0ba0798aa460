//! The three writes to a target, each one JSON Patch: the promoted values, the pre-image, and the fence that makes an
//! unanswered patch fail for good. Every one of them tests what it was decided on. What is the same in a ConfigMap's patches
//! is said here too.

use json_patch::{Patch, PatchOperation, jsonptr::PointerBuf};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use phaseloop_core::{
    plan::{
        label::{ANNOTATION_FENCE, ANNOTATION_PROMOTION},
        target::{TargetFence, TargetVersion, TargetWrite},
    },
    promotion::Undeliverable,
    value::Uid,
};
use serde_json::Value;

use super::{
    edit::{edit_template, pointer, test},
    entry::{entry_change, entry_test},
};

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
    let (mark_test, mark_change) = annotation_operations(target.metadata, write);
    let mut operations = version_tests(&write.target);
    operations.extend(edit.tests);
    operations.push(mark_test);
    operations.extend(edit.changes);
    operations.extend(mark_change);
    Ok(Patch(operations))
}

/// The patch that moves the resourceVersion of an object with this metadata on, and changes nothing else of it. The value
/// differs from fence to fence: the API server takes a write that changes nothing for none.
pub fn fence_patch(metadata: &ObjectMeta, fence: &TargetFence) -> Patch {
    let mut operations = version_tests(&fence.target);
    let annotations = metadata.annotations.as_ref();
    operations.extend(entry_change(annotations_path(), annotations, ANNOTATION_FENCE, Some(&fence.text())));
    Patch(operations)
}

pub(super) fn version_tests(version: &TargetVersion) -> Vec<PatchOperation> {
    let of = |field: &str, value: &str| test(pointer(["metadata", field]), Some(Value::from(value)));
    vec![of("uid", version.uid.as_str()), of("resourceVersion", &version.resource_version)]
}

pub(super) fn annotations_path() -> PointerBuf {
    pointer(["metadata", "annotations"])
}

/// The promotion's annotation must be the one that was decided on, and becomes another.
pub(super) fn annotation_operations(
    metadata: &ObjectMeta,
    write: &TargetWrite,
) -> (PatchOperation, Option<PatchOperation>) {
    let text = |uid: &Option<Uid>| uid.as_ref().map(|uid| uid.as_str().to_owned());
    let (before, after) = (text(&write.annotation_from), text(&write.annotation_to));
    let (annotations, key) = (metadata.annotations.as_ref(), ANNOTATION_PROMOTION);
    (
        entry_test(annotations_path(), annotations, key, before.as_deref()),
        entry_change(annotations_path(), annotations, key, after.as_deref()),
    )
}

#[cfg(test)]
#[path = "patch_tests.rs"]
mod tests;
