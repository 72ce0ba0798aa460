//! Rules of pods.

use serde_json::{Value, json};

use super::super::{
    field_error::FieldError,
    object::{at, elements, integer, remove, set, text},
};

/// `status.qosClass`: Guaranteed where every container has limits of CPU and memory equal to its requests, BestEffort
/// where none has any, else Burstable.
pub(super) fn quality_of_service(pod: &Value) -> &'static str {
    let containers = || {
        let several = ["containers", "initContainers"].into_iter();
        several.flat_map(|list| elements(pod, &["spec", list]))
    };
    let amount = |container: &Value, kind: &str, name: &str| {
        at(container, &["resources", kind, name]).filter(|amount| *amount != "0").cloned()
    };
    let any = containers().any(|container| {
        ["cpu", "memory"]
            .into_iter()
            .any(|name| amount(container, "requests", name).is_some() || amount(container, "limits", name).is_some())
    });
    if !any {
        return "BestEffort";
    }
    let guaranteed = containers().all(|container| {
        ["cpu", "memory"].into_iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && (amount(container, "requests", name) == limit)
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

const UPDATE_FAULT: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with a change of a pod.
pub(super) fn update_errors(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let count = |object: &Value, list: &str| elements(object, &["spec", list]).len();
    for list in ["containers", "initContainers"] {
        if count(new, list) != count(old, list) {
            let problem = "pod updates may not add or remove containers";
            errors.push(FieldError::forbidden(&format!("spec.{list}"), problem));
            return errors;
        }
    }
    let deadline = |object: &Value| integer(object, &["spec", "activeDeadlineSeconds"]);
    match (deadline(old), deadline(new)) {
        (Some(before), Some(after)) if after > before => {
            let problem = "must be less than or equal to previous value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &json!(after), problem));
        }
        (Some(before), None) => {
            let problem = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &json!(before), problem));
        }
        _ => {}
    }
    let (before, after) = (elements(old, &["spec", "tolerations"]), elements(new, &["spec", "tolerations"]));
    if !before.iter().all(|toleration| after.contains(toleration)) {
        let problem = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", problem));
    }
    if without_changeable(new, old) != *old.get("spec").unwrap_or(&Value::Null) {
        errors.push(FieldError::forbidden("spec", UPDATE_FAULT));
    }
    errors
}

/// The new spec with what may change as it was.
fn without_changeable(new: &Value, old: &Value) -> Value {
    let mut spec = new.get("spec").cloned().unwrap_or_default();
    for field in ["activeDeadlineSeconds", "tolerations"] {
        match at(old, &["spec", field]) {
            Some(value) => set(&mut spec, &[field], value.clone()),
            None => drop(remove(&mut spec, &[field])),
        }
    }
    for list in ["containers", "initContainers"] {
        let before = elements(old, &["spec", list]);
        let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (container, before) in containers.iter_mut().zip(before) {
            if let Some(image) = before.get("image") {
                set(container, &["image"], image.clone());
            }
        }
    }
    spec
}

/// A pod's conditions with this one in the place of the one of its type.
pub(in super::super) fn with_condition(pod: &Value, condition: Value) -> Vec<Value> {
    let mut conditions = elements(pod, &["status", "conditions"]).to_vec();
    conditions.retain(|old| text(old, &["type"]) != text(&condition, &["type"]));
    conditions.push(condition);
    conditions
}
