//! DELETE: an object goes, at once or when whatever holds it lets go.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        admission::{AdmissionOperation, AdmissionReview},
        definition::{BuiltIn, ResourceDefinition},
        object::{at, integer, remove, set, text, texts},
        reply::{Content, Reply},
        request::{ApiRequest, DeleteOptions, Propagation},
        state::State,
        status_error::{Named, StatusError},
        version::ObjectVersion,
    },
    list::{list_object, selected},
    replace::check_subresource,
};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Takes an object away.
pub(in super::super) fn delete(state: &mut State, request: &ApiRequest) -> Result<Reply, StatusError> {
    if !request.subresource.is_empty() {
        check_subresource(&request.definition, &request.subresource, request.name())?;
        return Err(StatusError::method_not_allowed());
    }
    let options = DeleteOptions::read(request)?;
    let definition = &request.definition;
    let existing = state.store.get(&definition.storage, request.namespace(), request.name()).cloned();
    let existing = existing.ok_or_else(|| StatusError::not_found(definition.resource(), request.name()))?;
    state.check_deletable(definition, request.name())?;
    let (left, gone) = delete_one(state, definition, &existing, request.name(), &options, &request.user)?;
    if gone && !returns_object(definition) {
        let mut details = json!({ "name": existing.name(), "kind": definition.plural, "uid": existing.uid() });
        if !definition.group.is_empty() {
            set(&mut details, &["group"], definition.group.clone());
        }
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
        });
        return Ok(Reply::new(200, Content::Json(status)));
    }
    Ok(Reply::object(200, left, definition))
}

/// Takes every object away that the request selects. What comes back is what was there.
pub(in super::super) fn delete_collection(state: &mut State, request: &ApiRequest) -> Result<Reply, StatusError> {
    if request.definition.is(BuiltIn::Namespace) || request.definition.is(BuiltIn::Service) {
        return Err(StatusError::method_not_allowed());
    }
    let options = DeleteOptions::read(request)?;
    let chosen = selected(state, request)?;
    let list = list_object(&request.definition, state.store.revision(), &chosen);
    for object in &chosen {
        delete_one(state, &request.definition, object, "", &options, &request.user)?;
    }
    Ok(Reply::new(200, Content::Json(list)))
}

/// Kinds whose deletion answers with the object.
fn returns_object(definition: &ResourceDefinition) -> bool {
    matches!(
        definition.built_in(),
        Some(
            BuiltIn::Pod
                | BuiltIn::Namespace
                | BuiltIn::Service
                | BuiltIn::ServiceAccount
                | BuiltIn::PersistentVolumeClaim
                | BuiltIn::ResourceQuota
                | BuiltIn::PodTemplate
        )
    )
}

/// Deletes an object; `name` is the one that was asked for, empty where several were. Says what is left of it, or what it
/// was, and whether it is gone.
pub(in super::super) fn delete_one(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    existing: &Arc<ObjectVersion>,
    name: &str,
    options: &DeleteOptions,
    user: &str,
) -> Result<(Arc<ObjectVersion>, bool), StatusError> {
    check_preconditions(definition, existing, options)?;
    let review = AdmissionReview {
        operation: AdmissionOperation::Delete,
        group: &definition.group,
        resource: &definition.plural,
        kind: &definition.kind,
        name,
        subresource: "",
        user,
        object: None,
        old: Some(&existing.value),
    };
    let errors = state.ask_hooks(&review)?;
    if !errors.is_empty() {
        return Err(StatusError::invalid(definition.kind_named(), name, &errors));
    }
    state.admit(&review)?;
    if definition.is(BuiltIn::Namespace) {
        return Ok(delete_namespace(state, definition, existing, options));
    }
    let now = state.clock.now();
    let mut object = existing.value.clone();
    let grace = if definition.is(BuiltIn::Pod) { pod_grace(&mut object, options, now) } else { Grace::None };
    if matches!(grace, Grace::Pending) {
        return Ok((existing.clone(), false));
    }
    set_propagation(&mut object, options.propagation);
    let held = !texts(&object, &["metadata", "finalizers"]).is_empty();
    let graceful = matches!(grace, Grace::Seconds(_));
    if held && !graceful {
        mark(&mut object, now);
    }
    let waits = held || matches!(grace, Grace::Seconds(seconds) if seconds > 0);
    if options.dry_run {
        let version = ObjectVersion::new(object, existing.revision, existing.owners.clone());
        return Ok((Arc::new(version), !waits));
    }
    let changed = object != existing.value;
    let left = if changed && (held || graceful) {
        state.put(definition, object, existing.owners.clone())
    } else {
        existing.clone()
    };
    if waits {
        return Ok((left, false));
    }
    let gone = state.delete(definition, existing.namespace(), existing.name());
    Ok((gone.unwrap_or(left), true))
}

/// Looks at what the request demands of the object.
///
/// # Errors
/// 409 where the object is another one, or at another version.
pub(super) fn check_preconditions(
    definition: &ResourceDefinition,
    existing: &ObjectVersion,
    options: &DeleteOptions,
) -> Result<(), StatusError> {
    let name = existing.name();
    if definition.is(BuiltIn::Namespace) {
        let resource = definition.resource();
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != existing.uid()) {
            let own = existing.uid();
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {own}");
            return Err(StatusError::conflict(resource, name, &why));
        }
    }
    let kind = Named { group: &definition.group, name: &definition.kind };
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != existing.uid()) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            existing.uid()
        );
        return Err(StatusError::conflict(kind, name, &why));
    }
    let own = existing.revision.to_string();
    if let Some(revision) = options.resource_version.as_deref().filter(|revision| *revision != own) {
        let why = format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({own}). The object might have been modified"
        );
        return Err(StatusError::conflict(kind, name, &why));
    }
    Ok(())
}

/// How an object goes that may take its time.
enum Grace {
    /// The kind has no grace.
    None,
    /// It is going already, and not sooner for this request.
    Pending,
    /// It has these seconds.
    Seconds(i64),
}

/// Enters into a pod when it has to be gone.
fn pod_grace(pod: &mut Value, options: &DeleteOptions, now: Timestamp) -> Grace {
    let asked = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    if at(pod, &["metadata", "deletionTimestamp"]).is_some() {
        return shorten(pod, asked, now);
    }
    let default = integer(pod, &["spec", "terminationGracePeriodSeconds"]).unwrap_or(0);
    let phase = text(pod, &["status", "phase"]).unwrap_or_default();
    let at_once = text(pod, &["spec", "nodeName"]).is_none() || ["Succeeded", "Failed"].contains(&phase);
    let seconds = if at_once { 0 } else { asked.unwrap_or(default).max(0) };
    let until = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    set(pod, &["metadata", "deletionTimestamp"], super::super::state::written(until));
    set(pod, &["metadata", "deletionGracePeriodSeconds"], seconds);
    count_change(pod);
    Grace::Seconds(seconds)
}

fn shorten(pod: &mut Value, asked: Option<i64>, now: Timestamp) -> Grace {
    let left = integer(pod, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
    if left == 0 {
        return Grace::None;
    }
    let Some(asked) = asked.filter(|asked| *asked < left) else { return Grace::Pending };
    let until: Option<Timestamp> = text(pod, &["metadata", "deletionTimestamp"]).and_then(|text| text.parse().ok());
    let sooner = until.and_then(|until| until.saturating_add(SignedDuration::from_secs(asked - left)).ok());
    let (until, seconds) = match sooner {
        Some(sooner) if sooner >= now => (sooner, asked),
        _ => (now, i64::from(asked != 0)),
    };
    set(pod, &["metadata", "deletionTimestamp"], super::super::state::written(until));
    set(pod, &["metadata", "deletionGracePeriodSeconds"], seconds);
    // What counts for whether the pod goes at once is what was asked for.
    Grace::Seconds(asked)
}

fn count_change(object: &mut Value) {
    if let Some(generation) = integer(object, &["metadata", "generation"]).filter(|generation| *generation > 0) {
        set(object, &["metadata", "generation"], generation + 1);
    }
}

/// Marks an object as going that waits for its finalizers.
fn mark(object: &mut Value, now: Timestamp) {
    let until: Option<Timestamp> = text(object, &["metadata", "deletionTimestamp"]).and_then(|text| text.parse().ok());
    if until.is_none() {
        count_change(object);
    }
    if until.is_none_or(|until| until > now) {
        set(object, &["metadata", "deletionTimestamp"], super::super::state::written(now));
    }
    set(object, &["metadata", "deletionGracePeriodSeconds"], 0);
}

/// Sets the finalizers by which the garbage collector learns what to do with what the object owns.
fn set_propagation(object: &mut Value, propagation: Option<Propagation>) {
    let own = texts(object, &["metadata", "finalizers"]);
    let wanted = match propagation {
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Background) => None,
        None => own
            .iter()
            .find(|own| [ORPHAN, FOREGROUND].contains(*own))
            .map(|own| if *own == ORPHAN { ORPHAN } else { FOREGROUND }),
    };
    let mut finalizers: Vec<String> =
        own.iter().filter(|own| ![ORPHAN, FOREGROUND].contains(*own)).map(|own| (*own).to_owned()).collect();
    finalizers.extend(wanted.map(str::to_owned));
    if finalizers.len() == own.len() && finalizers.iter().all(|wanted| own.contains(&wanted.as_str())) {
        return;
    }
    if finalizers.is_empty() {
        remove(object, &["metadata", "finalizers"]);
    } else {
        set(object, &["metadata", "finalizers"], finalizers);
    }
}

/// A namespace is emptied before it goes.
fn delete_namespace(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    existing: &Arc<ObjectVersion>,
    options: &DeleteOptions,
) -> (Arc<ObjectVersion>, bool) {
    let mut object = existing.value.clone();
    if at(&object, &["metadata", "deletionTimestamp"]).is_some() {
        if texts(&object, &["spec", "finalizers"]).is_empty() && texts(&object, &["metadata", "finalizers"]).is_empty()
        {
            let gone = state.delete(definition, "", existing.name());
            return (gone.unwrap_or_else(|| existing.clone()), true);
        }
        return (existing.clone(), false);
    }
    set(&mut object, &["metadata", "deletionTimestamp"], state.now_text());
    set(&mut object, &["status", "phase"], "Terminating");
    set_propagation(&mut object, options.propagation);
    if options.dry_run {
        return (Arc::new(ObjectVersion::new(object, existing.revision, existing.owners.clone())), false);
    }
    (state.put(definition, object, existing.owners.clone()), false)
}

/// Does a step that no request asked for, and notes it like one.
pub(in super::super) fn record_step(
    state: &mut State,
    definition: &ResourceDefinition,
    object: &ObjectVersion,
    user: &str,
    step: impl FnOnce(&mut State) -> Result<(), StatusError>,
) -> bool {
    let before = state.store.revision();
    let result = step(state);
    let changed = state.store.revision() != before;
    if changed || result.is_err() {
        state.note_step(definition, object, user, result.as_ref().err());
    }
    changed
}
