//! A pod gets its node.

use serde_json::{Value, json};

use super::super::{
    kinds::with_condition,
    object::{at, copy, meta, set, text},
    reply::{Content, Reply},
    request::{ApiRequest, WriteOptions},
    state::State,
    status_error::{Named, StatusError},
};

/// Binds a pod to the node that the request names.
pub(super) fn bind(state: &mut State, request: ApiRequest) -> Result<Reply, StatusError> {
    let options = WriteOptions::read(&request, "CreateOptions")?;
    let binding = request.body.clone().json().map_err(StatusError::bad_request)?;
    let definition = request.definition.clone();
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let existing = existing.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    let conflict = |why: &str| StatusError::conflict(Named { group: "", name: "pods/binding" }, request.name(), why);
    let node = text(&binding, &["target", "name"]).unwrap_or_default();
    let pod = &existing.value;
    if at(pod, &["metadata", "deletionTimestamp"]).is_some() {
        return Err(conflict(&format!("pod {} is being deleted, cannot be assigned to a host", request.name())));
    }
    if let Some(assigned) = text(pod, &["spec", "nodeName"]) {
        return Err(conflict(&format!("pod {} is already assigned to node {assigned:?}", request.name())));
    }
    let uid = meta(&binding, "uid");
    super::replace::check_uid(&definition, uid, existing.uid(), existing.namespace(), existing.name())?;
    let mut bound = pod.clone();
    set(&mut bound, &["spec", "nodeName"], node);
    let annotations = at(&binding, &["metadata", "annotations"]).and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        set(&mut bound, &["metadata", "annotations", key], value.clone());
    }
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": state.now_text(),
    });
    set(&mut bound, &["status", "conditions"], with_condition(pod, condition));
    copy(&mut bound, pod, &["metadata", "resourceVersion"]);
    if !options.dry_run {
        state.put(&definition, bound, existing.owners.clone());
    }
    Ok(Reply::new(
        201,
        Content::Json(json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
        })),
    ))
}
