//! Nothing is made in a namespace that is not there, or that is going.

use serde_json::json;

use super::super::{
    definition::{BuiltIn, ResourceDefinition},
    object::{set, text},
    status_error::{Named, StatusError},
    store::Store,
};

/// Namespaces that can't be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Refuses a create in a namespace that is missing or going, and the deletion of a namespace that must stay.
pub(in super::super) fn check_namespace(
    store: &Store,
    definition: &ResourceDefinition,
    namespace: &str,
    name: &str,
    creates: bool,
) -> Result<(), StatusError> {
    if !creates {
        if definition.is(BuiltIn::Namespace) && IMMORTAL.contains(&name) {
            return Err(StatusError::forbidden(definition.resource(), name, "this namespace may not be deleted"));
        }
        return Ok(());
    }
    if !definition.namespaced {
        return Ok(());
    }
    let namespaces = Named { group: "", name: "namespaces" };
    let Some(found) = store.get("namespaces", "", namespace) else {
        return Err(StatusError::not_found(namespaces, namespace));
    };
    if text(&found.value, &["status", "phase"]) != Some("Terminating") {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = StatusError::forbidden(definition.resource(), name, &why);
    if let Some(details) = &mut error.details {
        let message = format!("namespace {namespace} is being terminated");
        let cause = json!([{ "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace" }]);
        set(details, &["causes"], cause);
    }
    Err(error)
}
