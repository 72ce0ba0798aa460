//! PUT: an object in place of another.

use super::{
    super::{
        definition::{BuiltIn, ResourceDefinition},
        kinds::reset_fields,
        object::meta,
        ownership::{Operation, OwnerKey, UpdateRequest, update as update_owners},
        reply::Reply,
        request::{ApiRequest, WriteOptions},
        state::State,
        status_error::StatusError,
    },
    create::{adopt_namespace, drop_repeated_owners, make, nothing},
    decode::read_body,
    scale,
    update::{Update, Wanted, store},
};

/// Replaces an object, its status, or its scale.
pub(in super::super) fn replace(state: &mut State, mut request: ApiRequest) -> Result<Reply, StatusError> {
    let definition = request.definition.clone();
    if request.subresource == "scale" && definition.scale.is_some() {
        return scale::replace(state, request);
    }
    check_subresource(&definition, &request.subresource, request.name())?;
    let options = WriteOptions::read(&request, "UpdateOptions")?;
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let given = read_body(&definition, request.take_body(), options.validation, existing.as_deref())?;
    let given_owners = if request.subresource.is_empty() { given.owners() } else { None };
    let mut object = given.object;
    adopt_namespace(&definition, &mut object, request.namespace())?;
    let own = meta(&object, "name");
    if own != request.name() {
        return Err(StatusError::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({})",
            request.name()
        )));
    }
    let mut warnings = given.warnings;
    warnings.extend(drop_repeated_owners(&mut object));
    let now = state.now_text();
    let live = existing.as_ref().map(|existing| (*existing.owners).clone()).unwrap_or_default();
    let api_version = definition.api_version();
    let empty;
    let old = if let Some(existing) = &existing {
        &existing.value
    } else {
        empty = nothing(&definition);
        &empty
    };
    let owners = match given_owners {
        // An empty list wipes what is known of owners; a list that says nothing leaves it.
        Some(owners) if owners.0.is_empty() => owners,
        other => other.filter(|owners| !owners.0.is_empty()).unwrap_or(live),
    };
    let tracked = existing.is_none() || !owners.0.is_empty();
    let update_request = UpdateRequest {
        form: &definition.form,
        old,
        new: &object,
        owner: OwnerKey::new(Operation::Update, &options.manager, &request.subresource, &api_version),
        api_version: &api_version,
        reset: reset_fields(&definition, &request.subresource),
        now: &now,
    };
    let owners = if tracked { update_owners(&update_request, owners) } else { owners };
    let Some(existing) = existing else {
        if !creates_on_update(&definition) || !request.subresource.is_empty() {
            return Err(StatusError::not_found(definition.resource(), request.name()));
        }
        state.check_namespace(&definition, request.namespace(), request.name())?;
        super::super::object::remove(&mut object, &["metadata", "resourceVersion"]);
        super::super::object::remove(&mut object, &["metadata", "uid"]);
        let made = make(state, &definition, object, owners, &request.user, options.dry_run)?;
        return Ok(Reply::object(201, made, &definition).with_warnings(warnings));
    };
    check_uid(&definition, meta(&object, "uid"), existing.uid(), existing.namespace(), existing.name())?;
    let update = Update {
        definition: &definition,
        subresource: &request.subresource,
        user: &request.user,
        dry_run: options.dry_run,
    };
    let stored = store(state, &update, &existing, Wanted { object, owners })?;
    Ok(Reply::object(200, stored, &definition).with_warnings(warnings))
}

/// Kinds that a PUT makes where there is none.
fn creates_on_update(definition: &ResourceDefinition) -> bool {
    matches!(definition.built_in(), Some(BuiltIn::Lease | BuiltIn::Service | BuiltIn::Event | BuiltIn::Endpoints))
}

/// Refuses subresources that the kind does not have.
pub(super) fn check_subresource(
    definition: &ResourceDefinition,
    subresource: &str,
    name: &str,
) -> Result<(), StatusError> {
    let known = match subresource {
        "" => true,
        "status" => definition.has_status,
        "finalize" => definition.is(BuiltIn::Namespace),
        _ => false,
    };
    match (known, definition.built_in()) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(StatusError::resource_not_found()),
        (false, None) => Err(StatusError::not_found(definition.resource(), name)),
    }
}

/// Refuses a uid that is not the object's.
pub(super) fn check_uid(
    definition: &ResourceDefinition,
    given: &str,
    own: &str,
    namespace: &str,
    name: &str,
) -> Result<(), StatusError> {
    if given.is_empty() || given == own {
        return Ok(());
    }
    let place = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    let folder = match (definition.built_in(), definition.group.as_str()) {
        (None, group) => format!("{group}/{}", definition.plural),
        (Some(_), _) => definition.plural.clone(),
    };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{folder}/{place}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {own}"
    );
    Err(StatusError::conflict(definition.resource(), name, &why))
}
