//! The scale subresource: replicas, read and set without the rest.

use serde_json::{Value, json};

use super::{
    super::{
        definition::{ResourceDefinition, ScalePaths},
        field_error::FieldError,
        object::{at, integer, meta, set, text},
        ownership::{Operation, OwnerKey, UpdateRequest, update as update_owners},
        patching,
        reply::{Content, Reply},
        request::{ApiRequest, PatchKind, WriteOptions},
        selector::selector_text,
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    replace::check_uid,
    update::{Update, Wanted, store},
};

fn path(place: &[String]) -> Vec<&str> {
    place.iter().map(String::as_str).collect()
}

/// The scale of an object.
pub(super) fn scale_of(definition: &ResourceDefinition, object: &ObjectVersion) -> Value {
    let Some(paths) = &definition.scale else { return Value::Null };
    let value = &object.value;
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": object.name(), "namespace": object.namespace(), "uid": object.uid(),
            "resourceVersion": object.revision.to_string(),
            "creationTimestamp": meta(value, "creationTimestamp"),
        },
        "spec": {},
        "status": { "replicas": integer(value, &path(&paths.status_replicas)).unwrap_or(0) },
    });
    if let Some(replicas) = integer(value, &path(&paths.spec_replicas)).filter(|replicas| *replicas != 0) {
        set(&mut scale, &["spec", "replicas"], replicas);
    }
    let selector = selector_of(definition, paths, value);
    if !selector.is_empty() {
        set(&mut scale, &["status", "selector"], selector);
    }
    scale
}

fn selector_of(definition: &ResourceDefinition, paths: &ScalePaths, value: &Value) -> String {
    match &paths.selector {
        Some(place) => text(value, &path(place)).unwrap_or_default().to_owned(),
        None if definition.built_in().is_some() => {
            at(value, &["spec", "selector"]).and_then(selector_text).unwrap_or_default()
        }
        None => String::new(),
    }
}

/// Replaces the scale of an object.
pub(super) fn replace(state: &mut State, request: ApiRequest) -> Result<Reply, StatusError> {
    let options = WriteOptions::read(&request, "UpdateOptions")?;
    let scale = request.body.clone().json().map_err(StatusError::bad_request)?;
    let own = meta(&scale, "name");
    if own != request.name() {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({})",
            request.name()
        )));
    }
    set_scale(state, &request, &options, &scale)
}

/// Patches the scale of an object.
pub(super) fn patch(state: &mut State, request: ApiRequest, kind: PatchKind) -> Result<Reply, StatusError> {
    let options = WriteOptions::read(&request, "PatchOptions")?;
    let found = state.read(&request);
    let found = found.ok_or_else(|| StatusError::not_found(request.definition.resource(), request.name()))?;
    let before = scale_of(&request.definition, &found);
    let body = request.body.clone();
    let after = match kind {
        PatchKind::Json => patching::json(before, &body.json().map_err(StatusError::bad_request)?)?,
        PatchKind::Merge | PatchKind::Strategic => {
            let mut after = before;
            patching::merge(&mut after, &body.json().map_err(StatusError::bad_request)?);
            after
        }
        PatchKind::Apply => {
            let mut after = before;
            patching::merge(&mut after, &body.yaml().map_err(StatusError::bad_request)?);
            after
        }
    };
    set_scale(state, &request, &options, &after)
}

fn set_scale(
    state: &mut State,
    request: &ApiRequest,
    options: &WriteOptions,
    scale: &Value,
) -> Result<Reply, StatusError> {
    let definition = &request.definition;
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let existing = existing.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    let Some(paths) = &definition.scale else { return Err(StatusError::page_not_found()) };
    check_uid(definition, meta(scale, "uid"), existing.uid(), existing.namespace(), existing.name())?;
    let replicas = integer(scale, &["spec", "replicas"]).unwrap_or(0);
    if replicas < 0 {
        let problem = "must be greater than or equal to 0";
        let error = FieldError::invalid("spec.replicas", &json!(replicas), problem);
        return Err(StatusError::invalid(Named { group: "autoscaling", name: "Scale" }, request.name(), &[error]));
    }
    let mut object = existing.value.clone();
    set(&mut object, &path(&paths.spec_replicas), replicas);
    let given = meta(scale, "resourceVersion").to_owned();
    set(&mut object, &["metadata", "resourceVersion"], given.clone());
    if given.is_empty() {
        // A scale may be set without naming a version, whatever the kind.
        set(&mut object, &["metadata", "resourceVersion"], existing.revision.to_string());
    }
    let (api_version, now) = (definition.api_version(), state.now_text());
    let update_request = UpdateRequest {
        form: &definition.form,
        old: &existing.value,
        new: &object,
        owner: OwnerKey::new(Operation::Update, &options.manager, "scale", &api_version),
        api_version: &api_version,
        reset: super::super::kinds::reset_fields(definition, ""),
        now: &now,
    };
    let owners = update_owners(&update_request, (*existing.owners).clone());
    let update = Update { definition, subresource: "scale", user: &request.user, dry_run: options.dry_run };
    let stored = store(state, &update, &existing, Wanted { object, owners })?;
    Ok(Reply::new(200, Content::Json(scale_of(definition, &stored))))
}
