//! What is refused of the built-in kinds.

use serde_json::{Value, json};

use super::{
    super::{
        definition::{BuiltIn, ResourceDefinition},
        field_error::FieldError,
        object::{at, elements, integer, text},
        selector::selects,
    },
    custom, event, names, network, pod, pod_spec, scaling,
};

/// What is wrong with a new object, before its metadata is looked at.
pub(in super::super) fn validate_create(definition: &ResourceDefinition, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(kind) = definition.built_in() else { return custom::create_errors(definition, object) };
    match kind {
        BuiltIn::Pod => {
            let spec = object.get("spec").unwrap_or(&Value::Null);
            errors.extend(pod_spec::spec_errors(spec, "spec", &[]));
        }
        BuiltIn::PersistentVolumeClaim => {
            errors.extend(pod_spec::claim_errors(object.get("spec").unwrap_or(&Value::Null), "spec"));
        }
        BuiltIn::Event => errors.extend(event::create_errors(&definition.group, object)),
        BuiltIn::Deployment | BuiltIn::StatefulSet | BuiltIn::ReplicaSet => workload_errors(object, &mut errors),
        BuiltIn::Lease => lease_errors(object, &mut errors),
        BuiltIn::NetworkPolicy => errors.extend(network::policy_errors(object, None)),
        BuiltIn::HorizontalPodAutoscaler => errors.extend(scaling::autoscaler_errors(object, None)),
        BuiltIn::PodDisruptionBudget => errors.extend(scaling::budget_errors(object)),
        _ => {}
    }
    errors
}

/// What is wrong with a change, before the change of its metadata is looked at.
pub(in super::super) fn validate_update(
    definition: &ResourceDefinition,
    subresource: &str,
    new: &Value,
    old: &Value,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(kind) = definition.built_in() else { return custom::update_errors(definition, subresource, new, old) };
    if subresource == "status" {
        match kind {
            BuiltIn::Deployment => deployment_status_errors(new, &mut errors),
            BuiltIn::HorizontalPodAutoscaler => {
                errors.extend(scaling::count_errors(new, &["currentReplicas", "desiredReplicas"]));
            }
            BuiltIn::PodDisruptionBudget => {
                let figures = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
                errors.extend(scaling::count_errors(new, &figures));
            }
            _ => {}
        }
        return errors;
    }
    match kind {
        BuiltIn::Pod => {
            errors.extend(pod_spec::spec_errors(new.get("spec").unwrap_or(&Value::Null), "spec", &[]));
            errors.extend(pod::update_errors(new, old));
        }
        BuiltIn::Event => errors.extend(event::update_errors(&definition.group, new, old)),
        BuiltIn::Deployment | BuiltIn::ReplicaSet => {
            workload_errors(new, &mut errors);
            strategy_errors(new, &mut errors);
            immutable(new, old, &["spec", "selector"], &mut errors);
        }
        BuiltIn::StatefulSet => {
            workload_errors(new, &mut errors);
            stateful_set_errors(new, old, &mut errors);
        }
        BuiltIn::ConfigMap | BuiltIn::Secret => immutable_data(kind, new, old, &mut errors),
        BuiltIn::Service => {
            let address = |object: &Value| text(object, &["spec", "clusterIP"]).unwrap_or_default().to_owned();
            if !address(old).is_empty() && address(new) != address(old) {
                let value = json!(address(new));
                errors.push(FieldError::invalid("spec.clusterIP", &value, "field is immutable"));
            }
        }
        BuiltIn::PriorityClass => {
            if at(new, &["value"]) != at(old, &["value"]) {
                let problem = "may not be changed in an update.";
                errors.push(FieldError::forbidden("value", problem));
            }
            immutable(new, old, &["preemptionPolicy"], &mut errors);
        }
        BuiltIn::Lease => lease_errors(new, &mut errors),
        BuiltIn::NetworkPolicy => errors.extend(network::policy_errors(new, Some(old))),
        BuiltIn::HorizontalPodAutoscaler => errors.extend(scaling::autoscaler_errors(new, Some(old))),
        BuiltIn::PodDisruptionBudget => errors.extend(scaling::budget_errors(new)),
        _ => {}
    }
    errors
}

fn immutable(new: &Value, old: &Value, path: &[&str], errors: &mut Vec<FieldError>) {
    if at(new, path) != at(old, path) {
        let value = at(new, path).cloned().unwrap_or_default();
        errors.push(FieldError::invalid(&path.join("."), &value, "field is immutable"));
    }
}

fn immutable_data(kind: BuiltIn, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    if kind == BuiltIn::Secret {
        immutable(new, old, &["type"], errors);
    }
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if new.get("immutable") != Some(&Value::Bool(true)) {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in ["data", "binaryData"] {
        if new.get(field) != old.get(field) {
            errors.push(FieldError::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
}

/// Pods that are all replaced at once are not replaced one after the other.
fn strategy_errors(object: &Value, errors: &mut Vec<FieldError>) {
    let strategy = ["spec", "strategy", "type"];
    let rolling = at(object, &["spec", "strategy", "rollingUpdate"]).is_some_and(|rolling| !rolling.is_null());
    if rolling && text(object, &strategy) == Some("Recreate") {
        let problem = "may not be specified when strategy `type` is 'Recreate'";
        errors.push(FieldError::forbidden("spec.strategy.rollingUpdate", problem));
    }
}

fn deployment_status_errors(object: &Value, errors: &mut Vec<FieldError>) {
    let count = |name: &str| integer(object, &["status", name]).unwrap_or(0);
    let available = count("availableReplicas");
    for (of, name) in [("replicas", "status.replicas"), ("readyReplicas", "readyReplicas")] {
        if available > count(of) {
            let problem = format!("cannot be greater than {name}");
            errors.push(FieldError::invalid("status.availableReplicas", &json!(available), &problem));
        }
    }
}

fn workload_errors(object: &Value, errors: &mut Vec<FieldError>) {
    let selector = at(object, &["spec", "selector"]).filter(|selector| !selector.is_null());
    if let Some(replicas) = integer(object, &["spec", "replicas"]).filter(|replicas| *replicas < 0) {
        let problem = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("spec.replicas", &json!(replicas), problem));
    }
    match selector {
        None => {
            errors.push(FieldError::required("spec.selector", ""));
            // No selector means no pod, and so not those of the template.
            if let Some(labels) = at(object, &["spec", "template", "metadata", "labels"]) {
                let problem = "`selector` does not match template `labels`";
                errors.push(FieldError::invalid("spec.template.metadata.labels", labels, problem));
            }
        }
        Some(selector) if selector.as_object().is_some_and(serde_json::Map::is_empty) => {
            let problem = "empty selector is invalid for deployment";
            errors.push(FieldError::invalid("spec.selector", &json!({}), problem));
        }
        Some(selector) => {
            let template = at(object, &["spec", "template"]).unwrap_or(&Value::Null);
            if !selects(selector, template) {
                let labels = at(template, &["metadata", "labels"]).cloned().unwrap_or_default();
                let problem = "`selector` does not match template `labels`";
                errors.push(FieldError::invalid("spec.template.metadata.labels", &labels, problem));
            }
        }
    }
    names::template_label_errors(object, errors);
    let spec = at(object, &["spec", "template", "spec"]).unwrap_or(&Value::Null);
    // The controller of stateful sets adds a volume for each claim template.
    let claims = elements(object, &["spec", "volumeClaimTemplates"]).iter();
    let claims: Vec<&str> = claims.filter_map(|claim| text(claim, &["metadata", "name"])).collect();
    errors.extend(pod_spec::spec_errors(spec, "spec.template.spec", &claims));
    let policy = text(spec, &["restartPolicy"]).unwrap_or("Always");
    if policy != "Always" {
        let value = json!(policy);
        errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", &value, &["Always"]));
    }
}

const STATEFUL_SET_FAULT: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

fn stateful_set_errors(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    const CHANGEABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Value| -> Vec<(String, Value)> {
        let spec = object.get("spec").and_then(Value::as_object);
        let fields = spec.into_iter().flatten().filter(|(name, _)| !CHANGEABLE.contains(&name.as_str()));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden("spec", STATEFUL_SET_FAULT));
    }
}

fn lease_errors(lease: &Value, errors: &mut Vec<FieldError>) {
    if let Some(seconds) = integer(lease, &["spec", "leaseDurationSeconds"]).filter(|seconds| *seconds <= 0) {
        let problem = "must be greater than 0";
        errors.push(FieldError::invalid("spec.leaseDurationSeconds", &json!(seconds), problem));
    }
    if let Some(count) = integer(lease, &["spec", "leaseTransitions"]).filter(|count| *count < 0) {
        let problem = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("spec.leaseTransitions", &json!(count), problem));
    }
}
