//! PATCH: an object changed, or applied.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        definition::ResourceDefinition,
        field_error::FieldError,
        kinds::reset_fields,
        object::{at, meta, remove, set, text},
        ownership::{
            ApplyRequest, Operation, OwnerKey, Owners, UpdateRequest, apply, check_applied, update as update_owners,
        },
        patching,
        reply::Reply,
        request::{ApiRequest, Body, FieldValidation, PatchKind, WriteOptions},
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    create::{adopt_namespace, make, nothing},
    decode::{Given, complete},
    replace::{check_subresource, check_uid},
    scale,
    update::{Update, Wanted, store},
};

const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
/// The owner of what was there before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Changes an object, its status, or its scale.
pub(in super::super) fn patch(state: &mut State, mut request: ApiRequest) -> Result<Reply, StatusError> {
    let definition = request.definition.clone();
    let kind = match request.patch {
        Some(PatchKind::Strategic) if definition.built_in().is_none() => None,
        kind => kind,
    };
    let Some(kind) = kind else {
        return Err(match definition.built_in() {
            Some(_) => StatusError::unsupported_patch(),
            None => StatusError::unsupported_media_type(&CUSTOM_PATCHES),
        });
    };
    if request.subresource == "scale" && definition.scale.is_some() {
        return scale::patch(state, request, kind);
    }
    check_subresource(&definition, &request.subresource, request.name())?;
    let options = WriteOptions::read(&request, "PatchOptions")?;
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let body = request.take_body();
    if kind == PatchKind::Apply {
        return apply_object(state, &request, &options, body, existing);
    }
    let existing = existing.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    let given = changed(&definition, &existing, kind, body, options.validation)?;
    let owners = if request.subresource.is_empty() { given.owners() } else { None };
    let mut object = given.object;
    check_place(&definition, &mut object, &request)?;
    let (api_version, now) = (definition.api_version(), state.now_text());
    let owners = owners.unwrap_or_else(|| (*existing.owners).clone());
    let update_request = UpdateRequest {
        form: &definition.form,
        old: &existing.value,
        new: &object,
        owner: OwnerKey::new(Operation::Update, &options.manager, &request.subresource, &api_version),
        api_version: &api_version,
        reset: reset_fields(&definition, &request.subresource),
        now: &now,
    };
    let owners = if owners.0.is_empty() { owners } else { update_owners(&update_request, owners) };
    let stored = store(state, &update_of(&request, &options), &existing, Wanted { object, owners })?;
    Ok(Reply::object(200, stored, &definition).with_warnings(given.warnings))
}

fn update_of<'a>(request: &'a ApiRequest, options: &WriteOptions) -> Update<'a> {
    Update {
        definition: &request.definition,
        subresource: &request.subresource,
        user: &request.user,
        dry_run: options.dry_run,
    }
}

/// The object that a patch makes.
fn changed(
    definition: &ResourceDefinition,
    existing: &ObjectVersion,
    kind: PatchKind,
    body: Body,
    validation: FieldValidation,
) -> Result<Given, StatusError> {
    let patch = body.json().map_err(|error| StatusError::bad_request(format!("error decoding patch: {error}")))?;
    // Owners are of no concern to nearly every patch, and long.
    let names_owners = says(&patch, "managedFields");
    let before = if names_owners { existing.whole() } else { existing.value.clone() };
    let patched = patched(definition, before, kind, &patch)?;
    complete(definition, patched, validation, Some(existing)).map_err(|fault| {
        let shown = match kind {
            PatchKind::Strategic => patch.to_string(),
            _ => self::patched(definition, existing.whole(), kind, &patch).map(|it| it.to_string()).unwrap_or_default(),
        };
        let error = FieldError::invalid("patch", &json!(shown), &fault.message());
        StatusError::invalid(Named { group: "", name: "" }, "", &[error])
    })
}

/// Whether any text of a value, or the name of any field, has this in it.
fn says(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.contains(word),
        Value::Array(elements) => elements.iter().any(|element| says(element, word)),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains(word) || says(value, word)),
        _ => false,
    }
}

/// The object that a patch makes, before its kind does anything to it.
fn patched(
    definition: &ResourceDefinition,
    mut object: Value,
    kind: PatchKind,
    patch: &Value,
) -> Result<Value, StatusError> {
    match kind {
        PatchKind::Json => patching::json(object, patch),
        PatchKind::Merge if !patch.is_object() => {
            let given = if patch.is_array() { "array" } else { "value" };
            let problem = format!("json: cannot unmarshal {given} into Go value of type map[string]interface {{}}");
            Err(StatusError::bad_request(format!("error decoding patch: {problem}")))
        }
        PatchKind::Merge => {
            patching::merge(&mut object, patch);
            Ok(object)
        }
        PatchKind::Strategic | PatchKind::Apply => patching::strategic(&definition.form, object, patch),
    }
}

/// Refuses a patch that gives the object another name, namespace or uid.
fn check_place(definition: &ResourceDefinition, object: &mut Value, request: &ApiRequest) -> Result<(), StatusError> {
    adopt_namespace(definition, object, request.namespace())?;
    let own = meta(object, "name");
    let given = request.name();
    if own.is_empty() {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({given} based on URL) was undeterminable: name must be provided"
        )));
    }
    if own != given {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({given})"
        )));
    }
    Ok(())
}

/// The object that a client applies.
fn read_applied(definition: &ResourceDefinition, body: Body) -> Result<Value, StatusError> {
    let applied = body.yaml().map_err(|error| StatusError::bad_request(format!("error decoding YAML: {error}")))?;
    let (api_version, kind) =
        (text(&applied, &["apiVersion"]).unwrap_or_default(), text(&applied, &["kind"]).unwrap_or_default());
    if api_version != definition.api_version() || kind != definition.kind {
        let version = api_version.split_once('/').map_or_else(|| format!("/{api_version}"), |_| api_version.to_owned());
        return Err(StatusError::bad_request(format!("invalid object type: {version}, Kind={kind}")));
    }
    if at(&applied, &["metadata", "managedFields"]).is_some_and(|fields| !fields.is_null()) {
        return Err(StatusError::bad_request("metadata.managedFields must be nil"));
    }
    check_applied(&definition.form, &applied).map_err(|problem| {
        let version = format!("{}/{}", definition.group, definition.version);
        let place = format!("{}/{}; {version}, Kind={kind}", meta(&applied, "namespace"), meta(&applied, "name"));
        StatusError::internal_without_reason(&format!("failed to create typed patch object ({place}): {problem}"))
    })?;
    Ok(applied)
}

fn apply_object(
    state: &mut State,
    request: &ApiRequest,
    options: &WriteOptions,
    body: Body,
    existing: Option<Arc<ObjectVersion>>,
) -> Result<Reply, StatusError> {
    let definition = request.definition.clone();
    if existing.is_none() && !request.subresource.is_empty() {
        return Err(StatusError::not_found(definition.resource(), request.name()));
    }
    let applied = read_applied(&definition, body)?;
    let (api_version, now) = (definition.api_version(), state.now_text());
    let empty = nothing(&definition);
    let live = existing.as_ref().map_or(&empty, |existing| &existing.value);
    let mut owners = existing.as_ref().map(|existing| (*existing.owners).clone()).unwrap_or_default();
    if existing.is_some() && owners.0.is_empty() {
        owners = owners_before(&definition, &empty, live, &api_version, &now);
    }
    let apply_request = ApplyRequest {
        form: &definition.form,
        live,
        applied: &applied,
        owner: OwnerKey::new(Operation::Apply, &options.manager, &request.subresource, &api_version),
        api_version: &api_version,
        reset: reset_fields(&definition, &request.subresource),
        force: options.force,
        now: &now,
    };
    let (object, owners) = apply(&apply_request, owners)?;
    let given = complete(&definition, object, FieldValidation::Ignore, existing.as_deref())
        .map_err(|fault| StatusError::internal_without_reason(&fault.message()))?;
    let mut object = given.object;
    check_place(&definition, &mut object, request)?;
    let Some(existing) = existing else {
        if !meta(&object, "uid").is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was found",
                meta(&object, "uid")
            );
            return Err(StatusError::conflict(definition.resource(), request.name(), &why));
        }
        state.check_namespace(&definition, request.namespace(), request.name())?;
        remove(&mut object, &["metadata", "resourceVersion"]);
        let made = make(state, &definition, object, owners, &request.user, options.dry_run)?;
        return Ok(Reply::object(201, made, &definition));
    };
    check_uid(&definition, meta(&applied, "uid"), existing.uid(), existing.namespace(), existing.name())?;
    let given_revision = meta(&applied, "resourceVersion");
    if !given_revision.is_empty() {
        set(&mut object, &["metadata", "resourceVersion"], given_revision);
    }
    let stored = store(state, &update_of(request, options), &existing, Wanted { object, owners })?;
    Ok(Reply::object(200, stored, &definition))
}

/// Who owns what was there before anything was applied.
fn owners_before(definition: &ResourceDefinition, empty: &Value, live: &Value, api_version: &str, now: &str) -> Owners {
    let request = UpdateRequest {
        form: &definition.form,
        old: empty,
        new: live,
        owner: OwnerKey::new(Operation::Update, BEFORE_FIRST_APPLY, "", api_version),
        api_version,
        reset: reset_fields(definition, ""),
        now,
    };
    update_owners(&request, Owners::default())
}
