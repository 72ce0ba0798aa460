//! Targets for the tests of this folder, and the API server's way to apply a patch.

use json_patch::{Patch, PatchOperation};
use k8s_openapi::{api::core::v1::PodTemplateSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use phaseloop_core::{
    plan::{
        FieldChange, OwnedField,
        target::{Remembered, TargetVersion, TargetWrite},
    },
    tuning::{Binding, TargetView},
    value::{ParameterName, ParameterValue, TargetReference, Uid},
};
use serde_json::{Value, json};

use super::{FieldPlace, owned_field, patch::PatchedTarget, patch::write_patch};
use crate::workload::target_view;

/// The promotion of these tests.
pub(super) const PROMOTION: &str = "uid-of-the-promotion";

/// A Deployment as the API server gives it, whose only container is as given.
pub(super) fn target(container: &Value, annotations: Option<Value>) -> Value {
    let mut metadata = json!({ "name": "llama", "uid": "u", "resourceVersion": "5", "labels": { "app": "llama" } });
    if let Some(annotations) = annotations {
        metadata["annotations"] = annotations;
    }
    let mut engine = json!({ "name": "vllm", "image": "vllm:1" });
    let fields = container.as_object().unwrap().clone();
    engine.as_object_mut().unwrap().extend(fields);
    json!({
        "metadata": metadata,
        "spec": {
            "replicas": 2,
            "template": { "metadata": { "labels": { "app": "llama" } }, "spec": {
                "containers": [{ "name": "side", "image": "s", "args": ["--max-num-seqs", "1"] }, engine],
                "schedulerName": "default-scheduler",
            } },
        },
    })
}

/// Metadata and pod template of a target.
pub(super) fn parts(target: &Value) -> (ObjectMeta, PodTemplateSpec) {
    let part = |pointer: &str| target.pointer(pointer).cloned().unwrap();
    (serde_json::from_value(part("/metadata")).unwrap(), serde_json::from_value(part("/spec/template")).unwrap())
}

/// The view that the maker of a promotion has of the engine.
pub(super) fn engine_view(target: &Value) -> TargetView {
    let (_, template) = parts(target);
    let engine = template.spec.as_ref().unwrap().containers.iter().find(|container| container.name == "vllm").unwrap();
    target_view(&template, engine, None)
}

/// A flag of the engine, a variable of it, or, with a slash in front, a field.
pub(super) fn place(name: &str) -> FieldPlace {
    let binding = match name {
        pointer if pointer.starts_with('/') => Binding::FieldPath { pointer: name.to_owned() },
        variable if variable.starts_with(char::is_uppercase) => Binding::Environment { variable: name.to_owned() },
        flag => Binding::Argument { flag: ParameterName::new(flag) },
    };
    FieldPlace::new("vllm", None, binding)
}

/// The field that a promotion owns at a place.
pub(super) fn field(target: &Value, name: &str, value: &str) -> OwnedField {
    let parameter = ParameterName::new("any");
    owned_field(&engine_view(target), &place(name), &parameter, &ParameterValue::from(value)).unwrap()
}

/// A write to the target as it is now.
pub(super) fn write(target: &Value, changes: Vec<FieldChange>, from: Option<&str>, to: Option<&str>) -> TargetWrite {
    let reference =
        TargetReference { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: "llama".to_owned() };
    write_to(reference, target, changes, from, to)
}

/// A write to an object as it is now.
pub(super) fn write_to(
    reference: TargetReference,
    object: &Value,
    changes: Vec<FieldChange>,
    from: Option<&str>,
    to: Option<&str>,
) -> TargetWrite {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    TargetWrite {
        target: TargetVersion {
            reference,
            uid: Uid::new(text("/metadata/uid")),
            resource_version: text("/metadata/resourceVersion"),
        },
        changes,
        annotation_from: from.map(Uid::new),
        annotation_to: to.map(Uid::new),
        remembered: Remembered::InThisPlan,
    }
}

/// The patch that promotes the fields.
pub(super) fn forward(target: &Value, fields: &[OwnedField], annotation_before: Option<&str>) -> Patch {
    let (metadata, template) = parts(target);
    let write = write(target, fields.iter().map(OwnedField::forward).collect(), annotation_before, Some(PROMOTION));
    write_patch(PatchedTarget { metadata: &metadata, template: &template }, &write).unwrap()
}

/// The patch that puts the pre-image back.
pub(super) fn backward(target: &Value, fields: &[OwnedField], annotation_before: Option<&str>) -> Patch {
    let (metadata, template) = parts(target);
    let write = write(target, fields.iter().map(OwnedField::backward).collect(), Some(PROMOTION), annotation_before);
    write_patch(PatchedTarget { metadata: &metadata, template: &template }, &write).unwrap()
}

/// The object after a patch, as the API server applies it: a test for null holds where there is nothing in an object that
/// is there. `None` where it is refused.
pub(crate) fn applied(object: &Value, patch: &Patch) -> Option<Value> {
    let mut object = object.clone();
    for operation in &patch.0 {
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && test.path.resolve(&object).is_err()
        {
            let around = test.path.parent()?;
            around.resolve(&object).ok()?;
            continue;
        }
        json_patch::patch(&mut object, std::slice::from_ref(operation)).ok()?;
    }
    Some(object)
}

/// The operations of a patch, in short: `test /a 1`, `replace /b 2`.
pub(super) fn told(patch: &[PatchOperation]) -> Vec<String> {
    let tell = |operation: &PatchOperation| {
        let value = serde_json::to_value(operation).unwrap();
        let place = value["path"].as_str().unwrap().replace("/spec/template/spec/containers/1", "~");
        let operand = if value["op"] == "remove" { String::new() } else { format!(" {}", value["value"]) };
        format!("{} {place}{operand}", value["op"].as_str().unwrap())
    };
    patch.iter().map(tell).collect()
}
