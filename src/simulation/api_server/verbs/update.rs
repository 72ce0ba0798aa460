//! What replacements, patches and applies have in common: the update of an object that exists.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    super::{
        admission::{AdmissionOperation, AdmissionReview},
        definition::{BuiltIn, ResourceDefinition},
        field_error::FieldError,
        kinds::{metadata_errors, metadata_update_errors, prepare_update, validate_update},
        object::{at, copy, integer, meta, set, texts},
        ownership::Owners,
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    create::drop_repeated_owners,
};

const CONFLICT: &str = "the object has been modified; please apply your changes to the latest version and try again";

/// An object as a request wants it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) object: Value,
    pub(super) owners: Owners,
}

/// Whom and what an update is about.
pub(super) struct Update<'a> {
    pub(super) definition: &'a Arc<ResourceDefinition>,
    pub(super) subresource: &'a str,
    pub(super) user: &'a str,
    pub(super) dry_run: bool,
}

/// Stores what a request wants of an object that exists.
///
/// # Errors
/// 409 where the object is not at the resourceVersion that the request names, 422 where the object does not fit.
pub(super) fn store(
    state: &mut State,
    update: &Update<'_>,
    existing: &Arc<ObjectVersion>,
    wanted: Wanted,
) -> Result<Arc<ObjectVersion>, StatusError> {
    let definition = update.definition;
    let Wanted { object: mut new, mut owners } = wanted;
    let old = &existing.value;
    let name = existing.name();
    check_revision(definition, &mut new, existing)?;
    if definition.namespaced {
        set(&mut new, &["metadata", "namespace"], existing.namespace());
    }
    prepare_update(definition, update.subresource, &mut new, old);
    keep_system_fields(&mut new, old);
    drop_repeated_owners(&mut new);
    let review = AdmissionReview {
        operation: AdmissionOperation::Update,
        group: &definition.group,
        resource: &definition.plural,
        kind: &definition.kind,
        name,
        subresource: update.subresource,
        user: update.user,
        object: Some(&new),
        old: Some(old),
    };
    let mut errors = errors_of(definition, update.subresource, &new, old);
    state.check_rules(&review, definition, &mut errors)?;
    if !errors.is_empty() {
        return Err(StatusError::invalid(definition.kind_named(), name, &errors));
    }
    state.admit(&review)?;
    let same = new == *old;
    if owners.same_but_for_times(&existing.owners) && same {
        owners = (*existing.owners).clone();
    }
    if ends(definition, &new, old) {
        let version = Arc::new(ObjectVersion::new(new, existing.revision, Arc::new(owners)));
        if !update.dry_run {
            state.delete(definition, existing.namespace(), name);
        }
        return Ok(version);
    }
    if same && owners == *existing.owners {
        return Ok(existing.clone());
    }
    let owners = Arc::new(owners);
    if update.dry_run {
        return Ok(Arc::new(ObjectVersion::new(new, existing.revision, owners)));
    }
    Ok(state.put(definition, new, owners))
}

/// Looks at the resourceVersion that the request names.
fn check_revision(
    definition: &ResourceDefinition,
    new: &mut Value,
    existing: &ObjectVersion,
) -> Result<(), StatusError> {
    let name = existing.name();
    let given = meta(new, "resourceVersion");
    let resource = Named { group: &definition.group, name: &definition.plural };
    let Ok(revision) = (if given.is_empty() { Ok(0) } else { given.parse::<u64>() }) else {
        let problem = format!("strconv.ParseUint: parsing {given:?}: invalid syntax");
        return Err(StatusError::internal_without_reason(&problem));
    };
    if revision == 0 && !allows_unconditional_update(definition) {
        let error = FieldError::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        return Err(StatusError::invalid(resource, name, &[error]));
    }
    if revision != 0 && revision != existing.revision {
        return Err(StatusError::conflict(resource, name, CONFLICT));
    }
    set(new, &["metadata", "resourceVersion"], existing.revision.to_string());
    Ok(())
}

/// Whether the kind may be replaced without naming the version that is replaced.
fn allows_unconditional_update(definition: &ResourceDefinition) -> bool {
    !matches!(
        definition.built_in(),
        None | Some(
            BuiltIn::Lease
                | BuiltIn::PodDisruptionBudget
                | BuiltIn::AdmissionPolicy
                | BuiltIn::AdmissionPolicyBinding
                | BuiltIn::CustomResourceDefinition
        )
    )
}

fn keep_system_fields(new: &mut Value, old: &Value) {
    if meta(new, "uid").is_empty() {
        copy(new, old, &["metadata", "uid"]);
    }
    copy(new, old, &["metadata", "creationTimestamp"]);
    if at(old, &["metadata", "deletionTimestamp"]).is_some() {
        copy(new, old, &["metadata", "deletionTimestamp"]);
        if at(new, &["metadata", "deletionGracePeriodSeconds"]).is_none() {
            copy(new, old, &["metadata", "deletionGracePeriodSeconds"]);
        }
    }
}

fn errors_of(definition: &ResourceDefinition, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
    // Nothing of the metadata can be wrong that is as it was.
    let mut errors = Vec::new();
    if new.get("metadata") != old.get("metadata") {
        errors.extend(metadata_errors(definition, new));
        // Kubernetes looks twice, before and in the strategy of the kind, and tells both.
        let changed = metadata_update_errors(new, old);
        errors.extend(changed.iter().cloned().chain(changed.iter().cloned()));
    }
    errors.extend(validate_update(definition, subresource, new, old));
    errors
}

/// Whether the update takes the last thing away that an object waits for which is being deleted.
fn ends(definition: &ResourceDefinition, new: &Value, old: &Value) -> bool {
    let waits = !texts(new, &["metadata", "finalizers"]).is_empty();
    let going = at(old, &["metadata", "deletionTimestamp"]).is_some();
    let grace = integer(old, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
    let namespace_waits = definition.is(BuiltIn::Namespace) && !texts(new, &["spec", "finalizers"]).is_empty();
    going && !waits && grace == 0 && !namespace_waits
}
