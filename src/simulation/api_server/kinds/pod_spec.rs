//! What is refused of a pod's specification, in a pod and in a template of pods.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{
    field_error::FieldError,
    object::{at, elements, integer, text, texts},
    schema::quantity::billionths,
};

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

/// What is wrong with a specification at `path`. Containers may mount `others` besides its volumes.
pub(super) fn spec_errors(spec: &Value, path: &str, others: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut volumes = volume_errors(spec, path, &mut errors);
    volumes.extend(others);
    container_errors(spec, path, &volumes, &mut errors);
    let policy = text(spec, &["restartPolicy"]).unwrap_or("Always");
    if !RESTART_POLICIES.contains(&policy) {
        let field = format!("{path}.restartPolicy");
        errors.push(FieldError::not_supported(&field, &json!(policy), &RESTART_POLICIES));
    }
    let deadline = integer(spec, &["activeDeadlineSeconds"]);
    if let Some(seconds) = deadline.filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds)) {
        let problem = format!("must be between 1 and {}, inclusive", i32::MAX);
        errors.push(FieldError::invalid(&format!("{path}.activeDeadlineSeconds"), &json!(seconds), &problem));
    }
    errors
}

/// What is wrong with the volumes. Their names come back, but those that something is wrong with.
fn volume_errors<'a>(spec: &'a Value, path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in elements(spec, &["volumes"]).iter().enumerate() {
        let place = format!("{path}.volumes[{index}]");
        let mut own = Vec::new();
        if let Some(ephemeral) = volume.get("ephemeral").filter(|ephemeral| !ephemeral.is_null()) {
            let place = format!("{place}.ephemeral.volumeClaimTemplate");
            match at(ephemeral, &["volumeClaimTemplate"]).filter(|template| !template.is_null()) {
                None => own.push(FieldError::required(&place, "")),
                Some(template) => {
                    own.extend(template_metadata_errors(template, &format!("{place}.metadata")));
                    let spec = template.get("spec").unwrap_or(&Value::Null);
                    own.extend(claim_errors(spec, &format!("{place}.spec")));
                }
            }
        }
        let name = text(volume, &["name"]).unwrap_or_default();
        let field = format!("{place}.name");
        if name.is_empty() {
            own.push(FieldError::required(&field, ""));
        } else if names.contains(name) {
            own.push(FieldError::duplicate(&field, &json!(name)));
        }
        if own.is_empty() {
            names.insert(name);
        }
        errors.extend(own);
    }
    names
}

/// What a template's metadata may not say: the pod gives the claim its name and its owner. In the order of Kubernetes' own type.
const NOT_IN_TEMPLATES: [&str; 9] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

fn template_metadata_errors(template: &Value, path: &str) -> Vec<FieldError> {
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => true,
    };
    let metadata = template.get("metadata").unwrap_or(&Value::Null);
    let set = NOT_IN_TEMPLATES.iter().filter(|name| metadata.get(**name).is_some_and(is_set));
    set.map(|name| FieldError::forbidden(&format!("{path}.{name}"), "cannot be set")).collect()
}

/// What is wrong with the specification of a volume claim at `path`.
pub(super) fn claim_errors(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (modes, field) = (texts(spec, &["accessModes"]), format!("{path}.accessModes"));
    if modes.is_empty() {
        errors.push(FieldError::required(&field, "at least 1 access mode is required"));
    }
    let unknown = modes.iter().filter(|mode| !ACCESS_MODES.contains(mode));
    errors.extend(unknown.map(|mode| FieldError::not_supported(&field, &json!(mode), &ACCESS_MODES)));
    let of_one_pod = modes.contains(&"ReadWriteOncePod");
    if of_one_pod && modes.iter().any(|mode| *mode != "ReadWriteOncePod" && ACCESS_MODES.contains(mode)) {
        errors.push(FieldError::forbidden(&field, "may not use ReadWriteOncePod with other access modes"));
    }
    let size = format!("{path}.resources[storage]");
    match text(spec, &["resources", "requests", "storage"]) {
        None => errors.push(FieldError::required(&size, "")),
        Some(amount) if billionths(amount).is_none_or(|amount| amount <= 0) => {
            errors.push(FieldError::invalid(&size, &json!(amount), "must be greater than zero"));
        }
        Some(_) => {}
    }
    if let Some(mode) = text(spec, &["volumeMode"]).filter(|mode| !VOLUME_MODES.contains(mode)) {
        errors.push(FieldError::not_supported(&format!("{path}.volumeMode"), &json!(mode), &VOLUME_MODES));
    }
    errors
}

fn container_errors(spec: &Value, path: &str, volumes: &BTreeSet<&str>, errors: &mut Vec<FieldError>) {
    if elements(spec, &["containers"]).is_empty() {
        errors.push(FieldError::required(&format!("{path}.containers"), ""));
    }
    let mut names: Vec<&str> = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in elements(spec, &[list]).iter().enumerate() {
            let place = format!("{path}.{list}[{index}]");
            let name = text(container, &["name"]).unwrap_or_default();
            if name.is_empty() {
                errors.push(FieldError::required(&format!("{place}.name"), ""));
            }
            if text(container, &["image"]).is_none_or(str::is_empty) {
                errors.push(FieldError::required(&format!("{place}.image"), ""));
            }
            mount_errors(container, &place, volumes, errors);
            resource_errors(container, &format!("{place}.resources"), errors);
            if !name.is_empty() && names.contains(&name) {
                errors.push(FieldError::duplicate(&format!("{place}.name"), &json!(name)));
            }
            names.push(name);
        }
    }
}

fn mount_errors(container: &Value, place: &str, volumes: &BTreeSet<&str>, errors: &mut Vec<FieldError>) {
    let mut paths: Vec<&str> = Vec::new();
    for (index, mount) in elements(container, &["volumeMounts"]).iter().enumerate() {
        let field = |name: &str| format!("{place}.volumeMounts[{index}].{name}");
        let (name, path) =
            (text(mount, &["name"]).unwrap_or_default(), text(mount, &["mountPath"]).unwrap_or_default());
        if name.is_empty() {
            errors.push(FieldError::required(&field("name"), ""));
        }
        if !volumes.contains(name) {
            errors.push(FieldError::not_found(&field("name"), &json!(name)));
        }
        if path.is_empty() {
            errors.push(FieldError::required(&field("mountPath"), ""));
        }
        if paths.contains(&path) {
            errors.push(FieldError::invalid(&field("mountPath"), &json!(path), "must be unique"));
        }
        paths.push(path);
    }
}

/// What is wrong with what a container requests and is limited to.
fn resource_errors(container: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let amounts = |kind: &str| at(container, &["resources", kind]).and_then(Value::as_object);
    let limits = amounts("limits");
    for (name, request) in amounts("requests").into_iter().flatten() {
        let field = format!("{place}.requests");
        let Some(limit) = limits.and_then(|limits: &Map<String, Value>| limits.get(name)) else {
            if !may_overcommit(name) {
                let problem = "Limit must be set for non overcommitable resources";
                errors.push(FieldError::required(&format!("{place}.limits"), problem));
            }
            continue;
        };
        let amount = |value: &Value| billionths(value.as_str().unwrap_or_default()).unwrap_or(0);
        let told = limit.as_str().unwrap_or_default();
        if amount(request) != amount(limit) && !may_overcommit(name) {
            let problem = format!("must be equal to {name} limit of {told}");
            errors.push(FieldError::invalid(&field, request, &problem));
        } else if amount(request) > amount(limit) {
            let problem = format!("must be less than or equal to {name} limit of {told}");
            errors.push(FieldError::invalid(&field, request, &problem));
        }
    }
}

/// Whether a node may promise more of a resource than it has: of CPU and memory, not of devices or huge pages.
fn may_overcommit(name: &str) -> bool {
    (!name.contains('/') || name.contains("kubernetes.io/")) && !name.starts_with("hugepages-")
}
