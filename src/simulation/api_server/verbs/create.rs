//! POST: a new object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        admission::{AdmissionOperation, AdmissionReview, check_namespace, check_quota, complete_pod},
        definition::{BuiltIn, ResourceDefinition},
        kinds::{metadata_errors, prepare_create, reset_fields, validate_create},
        object::{at, meta, remove, set, text},
        ownership::{Operation, OwnerKey, Owners, UpdateRequest, update},
        reply::Reply,
        request::{ApiRequest, WriteOptions},
        schema::empty_object,
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    binding,
    decode::read_body,
    eviction,
};

/// Names that are tried where the server makes the name.
const NAME_ATTEMPTS: usize = 8;

/// Makes an object.
pub(in super::super) fn create(state: &mut State, mut request: ApiRequest) -> Result<Reply, StatusError> {
    match (request.subresource.as_str(), request.definition.is(BuiltIn::Pod)) {
        ("binding", true) => return binding::bind(state, request),
        ("eviction", true) => return eviction::evict(state, request),
        _ => {}
    }
    if !request.subresource.is_empty() || request.name.is_some() {
        return Err(StatusError::method_not_allowed());
    }
    let options = WriteOptions::read(&request, "CreateOptions")?;
    let definition = request.definition.clone();
    let given = read_body(&definition, request.take_body(), options.validation, None)?;
    let owners = given.owners().unwrap_or_default();
    let mut object = given.object;
    wipe(&mut object);
    adopt_namespace(&definition, &mut object, request.namespace())?;
    let mut warnings = given.warnings;
    warnings.extend(drop_repeated_owners(&mut object));
    let now = state.now_text();
    let owners = owners_of_new(&definition, &object, owners, &request, &options, &now);
    check_namespace(&state.store, &definition, request.namespace(), meta(&object, "name"), true)?;
    let made = make(state, &definition, object, owners, &request.user, options.dry_run)?;
    Ok(Reply::object(201, made, &definition).with_warnings(warnings))
}

/// What a new object is compared with to tell who owns what.
pub(super) fn nothing(definition: &ResourceDefinition) -> Value {
    let name = super::super::builtin::type_name(&definition.group, &definition.version, &definition.kind);
    match empty_object(&name) {
        Some(empty) if definition.built_in().is_some() => empty.clone(),
        _ => json!({ "apiVersion": definition.api_version(), "kind": definition.kind }),
    }
}

fn owners_of_new(
    definition: &ResourceDefinition,
    object: &Value,
    owners: Owners,
    request: &ApiRequest,
    options: &WriteOptions,
    now: &str,
) -> Owners {
    let api_version = definition.api_version();
    let update_request = UpdateRequest {
        form: &definition.form,
        old: &nothing(definition),
        new: object,
        owner: OwnerKey::new(Operation::Update, &options.manager, &request.subresource, &api_version),
        api_version: &api_version,
        reset: reset_fields(definition, &request.subresource),
        now,
    };
    update(&update_request, owners)
}

/// Takes away what only the server sets.
fn wipe(object: &mut Value) {
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        remove(object, &["metadata", field]);
    }
}

/// Sets the namespace of the request.
///
/// # Errors
/// 400 where the object says another one.
pub(super) fn adopt_namespace(
    definition: &ResourceDefinition,
    object: &mut Value,
    namespace: &str,
) -> Result<(), StatusError> {
    let own = meta(object, "namespace");
    if !definition.namespaced {
        remove(object, &["metadata", "namespace"]);
        return Ok(());
    }
    if !own.is_empty() && own != namespace {
        let problem = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(StatusError::bad_request(problem));
    }
    set(object, &["metadata", "namespace"], namespace);
    Ok(())
}

/// Takes owner references away that are there twice, and says so.
pub(super) fn drop_repeated_owners(object: &mut Value) -> Vec<String> {
    let references = super::super::object::elements(object, &["metadata", "ownerReferences"]);
    let mut kept: Vec<Value> = Vec::new();
    let mut repeated = Vec::new();
    for reference in references {
        if kept.contains(reference) {
            repeated.push(text(reference, &["uid"]).unwrap_or_default().to_owned());
        } else {
            kept.push(reference.clone());
        }
    }
    if repeated.is_empty() {
        return Vec::new();
    }
    set(object, &["metadata", "ownerReferences"], kept);
    vec![format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        repeated.join(", ")
    )]
}

/// Makes an object that a request brought or an apply made of nothing.
pub(super) fn make(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    mut object: Value,
    owners: Owners,
    user: &str,
    dry_run: bool,
) -> Result<Arc<ObjectVersion>, StatusError> {
    if !meta(&object, "resourceVersion").is_empty() {
        return Err(StatusError::internal_without_reason("resourceVersion should not be set on objects to be created"));
    }
    if definition.is(BuiltIn::Pod) {
        complete_pod(&state.store, &mut object)?;
    }
    if definition.is(BuiltIn::PersistentVolumeClaim) {
        set(&mut object, &["metadata", "finalizers"], json!(["kubernetes.io/pvc-protection"]));
    }
    set(&mut object, &["metadata", "creationTimestamp"], state.now_text());
    let uid = state.identity.uid_for(definition, &object);
    set(&mut object, &["metadata", "uid"], uid);
    name_it(state, definition, &mut object)?;
    let place = format!("{} {}/{}", definition.storage, meta(&object, "namespace"), meta(&object, "name"));
    if let Some(uid) = state.identity.uid_by_name(&place) {
        set(&mut object, &["metadata", "uid"], uid);
    }
    prepare_create(definition, &mut object);
    let mut errors = validate_create(definition, &object);
    if definition.built_in().is_some() || errors.is_empty() {
        errors.splice(0..0, metadata_errors(definition, &object));
    }
    let name = meta(&object, "name").to_owned();
    state.check_rules(&creation(definition, &name, user, &object), definition, &mut errors)?;
    if !errors.is_empty() {
        let kind = text(&object, &["kind"]).unwrap_or(&definition.kind);
        return Err(StatusError::invalid(Named { name: kind, ..definition.kind_named() }, &name, &errors));
    }
    if definition.is(BuiltIn::Namespace) {
        set(&mut object, &["metadata", "labels", "kubernetes.io/metadata.name"], name.clone());
    }
    if definition.is(BuiltIn::Pod) {
        check_quota(&state.store, meta(&object, "namespace"), &object)?;
    }
    state.admit(&creation(definition, &name, user, &object))?;
    refuse_existing(state, definition, &object)?;
    let owners = Arc::new(owners);
    if dry_run {
        return Ok(Arc::new(ObjectVersion::new(object, 0, owners)));
    }
    state.identity.made(place);
    Ok(state.put(definition, object, owners))
}

/// A create, as whoever may refuse it is told of it.
fn creation<'a>(
    definition: &'a ResourceDefinition,
    name: &'a str,
    user: &'a str,
    object: &'a Value,
) -> AdmissionReview<'a> {
    AdmissionReview {
        operation: AdmissionOperation::Create,
        group: &definition.group,
        resource: &definition.plural,
        kind: &definition.kind,
        name,
        subresource: "",
        user,
        object: Some(object),
        old: None,
    }
}

fn refuse_existing(state: &State, definition: &ResourceDefinition, object: &Value) -> Result<(), StatusError> {
    let name = meta(object, "name");
    let Some(existing) = state.store.get(&definition.storage, meta(object, "namespace"), name) else { return Ok(()) };
    let mut error = StatusError::already_exists(definition.resource(), name);
    if at(&existing.value, &["metadata", "deletionTimestamp"]).is_some() {
        error.message = format!("object is being deleted: {}", error.message);
    }
    Err(error)
}

/// Gives the object a name where it leaves that to the server.
fn name_it(state: &mut State, definition: &ResourceDefinition, object: &mut Value) -> Result<(), StatusError> {
    let prefix = meta(object, "generateName").to_owned();
    if prefix.is_empty() || !meta(object, "name").is_empty() {
        return Ok(());
    }
    let namespace = meta(object, "namespace").to_owned();
    let mut name = String::new();
    for _ in 0..NAME_ATTEMPTS {
        name = state.identity.name(&prefix);
        if state.store.get(&definition.storage, &namespace, &name).is_none() {
            break;
        }
    }
    set(object, &["metadata", "name"], name);
    Ok(())
}
