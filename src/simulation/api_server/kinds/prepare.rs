//! What the server itself sets or keeps before it looks whether an object is good.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::{
    definition::{BuiltIn, ResourceDefinition},
    object::{at, copy, elements, integer, map_mut, remove, set, set_default, text, texts},
    ownership::FieldSet,
};

/// Sets what a new object has, and takes away what it may not bring.
pub(in super::super) fn prepare_create(definition: &ResourceDefinition, object: &mut Value) {
    let Some(kind) = definition.built_in() else {
        if definition.has_status {
            remove(object, &["status"]);
        }
        set(object, &["metadata", "generation"], 1);
        return;
    };
    if has_generation(kind) {
        set(object, &["metadata", "generation"], 1);
    }
    match kind {
        BuiltIn::Pod => {
            set(object, &["status"], json!({ "phase": "Pending" }));
            let class = super::pod::quality_of_service(object);
            set(object, &["status", "qosClass"], class);
        }
        BuiltIn::Namespace => {
            set(object, &["status"], json!({ "phase": "Active" }));
            let mut finalizers: Vec<String> =
                texts(object, &["spec", "finalizers"]).into_iter().map(str::to_owned).collect();
            if !finalizers.iter().any(|own| own == "kubernetes") {
                finalizers.push("kubernetes".to_owned());
            }
            set(object, &["spec", "finalizers"], finalizers);
        }
        BuiltIn::PersistentVolumeClaim => set(object, &["status"], json!({ "phase": "Pending" })),
        BuiltIn::Deployment | BuiltIn::ResourceQuota | BuiltIn::AdmissionPolicy => set(object, &["status"], json!({})),
        BuiltIn::StatefulSet => set(object, &["status"], json!({ "replicas": 0, "availableReplicas": 0 })),
        BuiltIn::ReplicaSet => set(object, &["status"], json!({ "replicas": 0 })),
        BuiltIn::HorizontalPodAutoscaler => {
            set(object, &["status"], json!({ "desiredReplicas": 0, "currentMetrics": null }));
        }
        BuiltIn::PodDisruptionBudget => {
            let status =
                json!({ "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0 });
            set(object, &["status"], status);
        }
        BuiltIn::CustomResourceDefinition => prepare_definition(object),
        _ => {}
    }
}

/// Keeps what the request may not change, and counts changes of what counts.
pub(in super::super) fn prepare_update(
    definition: &ResourceDefinition,
    subresource: &str,
    new: &mut Value,
    old: &Value,
) {
    set_generation(new, old, false);
    match (definition.built_in(), subresource) {
        (None, "status") => {
            if let (Some(fields), Some(old)) = (map_mut(new, &[]), old.as_object()) {
                fields.retain(|name, _| name == "status" || old.contains_key(name));
                for (name, value) in old.iter().filter(|(name, _)| *name != "status") {
                    // Most of it is as it was, and comparing that takes less than making it anew.
                    if fields.get(name) != Some(value) {
                        fields.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (None, _) => {
            if definition.has_status {
                copy(new, old, &["status"]);
            }
            if !rest(new).eq(rest(old)) {
                set_generation(new, old, true);
            }
        }
        (Some(kind), "status") => prepare_status(kind, new, old),
        // The one request that may take the finalizers of a namespace away.
        (Some(BuiltIn::Namespace), "finalize") => copy(new, old, &["status"]),
        (Some(kind), _) => prepare_spec(kind, definition.has_status, new, old),
    }
}

/// What of an object counts as a change of it.
fn rest(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten().filter(|(name, _)| *name != "metadata")
}

/// Whether objects of the kind count their changes.
fn has_generation(kind: BuiltIn) -> bool {
    use BuiltIn as K;
    matches!(
        kind,
        K::Deployment
            | K::StatefulSet
            | K::ReplicaSet
            | K::Pod
            | K::PodTemplate
            | K::EndpointSlice
            | K::PodDisruptionBudget
            | K::NetworkPolicy
            | K::PriorityClass
            | K::AdmissionPolicy
            | K::AdmissionPolicyBinding
            | K::CustomResourceDefinition
    )
}

fn set_generation(new: &mut Value, old: &Value, next: bool) {
    match integer(old, &["metadata", "generation"]) {
        Some(generation) => set(new, &["metadata", "generation"], generation + i64::from(next)),
        None => drop(remove(new, &["metadata", "generation"])),
    }
}

fn prepare_spec(kind: BuiltIn, has_status: bool, new: &mut Value, old: &Value) {
    if has_status {
        copy(new, old, &["status"]);
    }
    let changed = |path: &[&str]| at(new, path) != at(old, path);
    let counts = match kind {
        BuiltIn::Deployment => changed(&["spec"]) || changed(&["metadata", "annotations"]),
        BuiltIn::EndpointSlice => {
            ["endpoints", "ports", "addressType"].iter().any(|field| changed(&[field]))
                || changed(&["metadata", "labels"])
        }
        BuiltIn::PodTemplate => changed(&["template"]),
        BuiltIn::PriorityClass => false,
        kind => has_generation(kind) && changed(&["spec"]),
    };
    if counts {
        set_generation(new, old, true);
    }
    if kind == BuiltIn::Namespace {
        copy(new, old, &["spec", "finalizers"]);
    }
}

fn prepare_status(kind: BuiltIn, new: &mut Value, old: &Value) {
    copy(new, old, &["spec"]);
    match kind {
        BuiltIn::Pod => {
            copy(new, old, &["metadata", "ownerReferences"]);
            copy(new, old, &["metadata", "deletionTimestamp"]);
            if let Some(class) = at(old, &["status", "qosClass"]) {
                set_default(new, &["status", "qosClass"], class.clone());
            }
        }
        BuiltIn::Deployment | BuiltIn::StatefulSet | BuiltIn::ReplicaSet => copy(new, old, &["metadata", "labels"]),
        BuiltIn::CustomResourceDefinition => {
            for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
                copy(new, old, &["metadata", field]);
            }
        }
        _ => {}
    }
}

/// Names that a definition leaves to the server, and what the controllers of a real one make of it within a second.
fn prepare_definition(crd: &mut Value) {
    let kind = text(crd, &["spec", "names", "kind"]).unwrap_or_default().to_owned();
    set_default(crd, &["spec", "names", "singular"], kind.to_lowercase());
    set_default(crd, &["spec", "names", "listKind"], format!("{kind}List"));
    set_default(crd, &["spec", "conversion"], json!({ "strategy": "None" }));
    let stored = elements(crd, &["spec", "versions"])
        .iter()
        .filter(|version| version.get("storage") == Some(&Value::Bool(true)))
        .filter_map(|version| text(version, &["name"]));
    let stored: Vec<String> = stored.map(str::to_owned).collect();
    let names = at(crd, &["spec", "names"]).cloned().unwrap_or_default();
    let condition = |kind: &str, reason: &str, message: &str| {
        let time = "1970-01-01T00:00:00Z";
        json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time })
    };
    let conditions = json!([
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]);
    set(crd, &["status"], json!({ "conditions": conditions, "acceptedNames": names, "storedVersions": stored }));
}

/// Fields that a request can't change, so that it comes to own none of them.
pub(in super::super) fn reset_fields(definition: &ResourceDefinition, subresource: &str) -> &'static FieldSet {
    static NONE: LazyLock<FieldSet> = LazyLock::new(FieldSet::default);
    static STATUS: LazyLock<FieldSet> = LazyLock::new(|| set_of(&[&["f:status"]]));
    static SPEC: LazyLock<FieldSet> = LazyLock::new(|| set_of(&[&["f:spec"]]));
    static SPEC_AND_LABELS: LazyLock<FieldSet> = LazyLock::new(|| set_of(&[&["f:spec"], &["f:metadata", "f:labels"]]));
    static POD_STATUS: LazyLock<FieldSet> = LazyLock::new(|| {
        set_of(&[&["f:spec"], &["f:metadata", "f:deletionTimestamp"], &["f:metadata", "f:ownerReferences"]])
    });
    match (subresource, definition.built_in()) {
        ("", _) if definition.has_status => &STATUS,
        ("status", Some(BuiltIn::Pod)) => &POD_STATUS,
        ("status", Some(BuiltIn::Deployment | BuiltIn::StatefulSet | BuiltIn::ReplicaSet)) => &SPEC_AND_LABELS,
        ("status", _) => &SPEC,
        _ => &NONE,
    }
}

fn set_of(paths: &[&[&str]]) -> FieldSet {
    let mut set = FieldSet::default();
    for path in paths {
        set.insert(path);
    }
    set
}
