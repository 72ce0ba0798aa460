//! The garbage collector, one pass at a time: what its owners left behind goes, and owners that wait are let go.

use std::sync::Arc;

use serde_json::Value;

use super::{
    definition::ResourceDefinition,
    object::{at, elements, meta, remove, set, text, texts},
    request::{DeleteOptions, Propagation},
    state::State,
    upstream,
    verbs::{delete_one, record_step},
    version::ObjectVersion,
};

/// The name under which the collector acts.
const USER: &str = "system:serviceaccount:kube-system:generic-garbage-collector";
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// One pass over every object that it may have something to do with. Says how many it changed or took away.
pub(super) fn collect(state: &mut State) -> usize {
    let mut changes = 0;
    for (resource, namespace, name) in state.store.doubtful.take() {
        let Some(definition) = state.registry.stored_as(&resource).cloned() else { continue };
        // An earlier step of this pass may have changed it, or taken it away.
        let Some(object) = state.store.get(&resource, &namespace, &name).cloned() else { continue };
        let is_collected = collect_one(state, &definition, &object);
        changes += usize::from(is_collected);
        if !is_collected && stays_doubtful(state, &object) {
            state.store.doubtful.put_back((resource, namespace, name));
        }
    }
    changes
}

/// Whether the next pass looks at an object again to which this one could do nothing: it waits for others, or a step was
/// refused.
fn stays_doubtful(state: &State, object: &ObjectVersion) -> bool {
    let going = at(&object.value, &["metadata", "deletionTimestamp"]).is_some();
    if going {
        let finalizers = texts(&object.value, &["metadata", "finalizers"]);
        return finalizers.contains(&ORPHAN) || finalizers.contains(&FOREGROUND);
    }
    let references = elements(&object.value, &["metadata", "ownerReferences"]);
    references.iter().any(|reference| owner_of(state, reference, object).is_none_or(|owner| is_waiting(&owner)))
}

/// Whether an owner is going and waits for what it owns.
fn is_waiting(owner: &ObjectVersion) -> bool {
    at(&owner.value, &["metadata", "deletionTimestamp"]).is_some()
        && texts(&owner.value, &["metadata", "finalizers"]).contains(&FOREGROUND)
}

fn collect_one(state: &mut State, definition: &Arc<ResourceDefinition>, object: &Arc<ObjectVersion>) -> bool {
    let going = at(&object.value, &["metadata", "deletionTimestamp"]).is_some();
    let finalizers = texts(&object.value, &["metadata", "finalizers"]);
    if going && finalizers.contains(&ORPHAN) {
        return orphan(state, definition, object);
    }
    if going && finalizers.contains(&FOREGROUND) {
        return finish_foreground(state, definition, object);
    }
    let references = elements(&object.value, &["metadata", "ownerReferences"]);
    if references.is_empty() || going {
        return false;
    }
    let owners: Vec<(&Value, Option<Arc<ObjectVersion>>)> =
        references.iter().map(|reference| (reference, owner_of(state, reference, object))).collect();
    let solid = owners.iter().any(|(_, owner)| owner.as_ref().is_some_and(|owner| !is_waiting(owner)));
    if solid {
        return drop_references(state, definition, object, |reference| {
            owners.iter().any(|(own, owner)| *own == reference && owner.as_ref().is_none_or(|owner| is_waiting(owner)))
        });
    }
    let policy =
        if owners.iter().any(|(_, owner)| owner.is_some()) { Propagation::Foreground } else { Propagation::Background };
    delete(state, definition, object, policy)
}

/// The object that a reference names, if it is still the same one.
fn owner_of(state: &State, reference: &Value, object: &ObjectVersion) -> Option<Arc<ObjectVersion>> {
    let field = |name: &str| text(reference, &[name]).unwrap_or_default();
    let definition = state.registry.of_kind(field("apiVersion"), field("kind"))?;
    let namespace = if definition.namespaced { object.namespace() } else { "" };
    let owner = state.store.get(&definition.storage, namespace, field("name"))?;
    (owner.uid() == field("uid")).then(|| owner.clone())
}

fn delete(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    object: &Arc<ObjectVersion>,
    propagation: Propagation,
) -> bool {
    let own = texts(&object.value, &["metadata", "finalizers"]);
    // What an object itself asks for stands.
    let propagation = if own.contains(&ORPHAN) { Propagation::Orphan } else { propagation };
    if state.upstream.is_some() {
        return upstream::delete(state, definition, object, propagation, USER);
    }
    let options = DeleteOptions {
        propagation: Some(propagation),
        uid: Some(object.uid().to_owned()),
        ..DeleteOptions::default()
    };
    record_step(state, definition, object, USER, |state| {
        delete_one(state, definition, object, object.name(), &options, USER).map(drop)
    })
}

/// Takes the owner away from what it owned, then lets the owner go.
fn orphan(state: &mut State, definition: &Arc<ResourceDefinition>, owner: &Arc<ObjectVersion>) -> bool {
    for (own, dependent) in dependents(state, owner) {
        let uid = owner.uid().to_owned();
        drop_references(state, &own, &dependent, |reference| text(reference, &["uid"]) == Some(uid.as_str()));
    }
    release(state, definition, owner, ORPHAN)
}

/// Lets an owner go when nothing is left that blocks it; until then deletes what it owns.
fn finish_foreground(state: &mut State, definition: &Arc<ResourceDefinition>, owner: &Arc<ObjectVersion>) -> bool {
    let uid = owner.uid().to_owned();
    let mut changed = false;
    let mut blocked = false;
    for (own, dependent) in dependents(state, owner) {
        let blocks = elements(&dependent.value, &["metadata", "ownerReferences"]).iter().any(|reference| {
            text(reference, &["uid"]) == Some(uid.as_str())
                && reference.get("blockOwnerDeletion") == Some(&Value::Bool(true))
        });
        blocked |= blocks;
        if at(&dependent.value, &["metadata", "deletionTimestamp"]).is_none() {
            changed |= collect_one(state, &own, &dependent);
        }
    }
    let still_there = blocked && !dependents(state, owner).is_empty();
    if still_there { changed } else { release(state, definition, owner, FOREGROUND) }
}

/// What an object owns, by resource, namespace and name.
fn dependents(state: &State, owner: &ObjectVersion) -> Vec<(Arc<ResourceDefinition>, Arc<ObjectVersion>)> {
    let places = state.store.doubtful.owned_by(owner.uid());
    let found = places.filter_map(|(resource, namespace, name)| {
        let object = state.store.get(resource, namespace, name)?;
        Some((state.registry.stored_as(resource)?.clone(), object.clone()))
    });
    found.collect()
}

fn drop_references(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    object: &Arc<ObjectVersion>,
    gone: impl Fn(&Value) -> bool,
) -> bool {
    let references = elements(&object.value, &["metadata", "ownerReferences"]);
    let kept: Vec<Value> = references.iter().filter(|reference| !gone(reference)).cloned().collect();
    if kept.len() == references.len() {
        return false;
    }
    if state.upstream.is_some() {
        return upstream::set_metadata(state, definition, object, "ownerReferences", kept.into(), USER);
    }
    let mut value = object.value.clone();
    if kept.is_empty() {
        remove(&mut value, &["metadata", "ownerReferences"]);
    } else {
        set(&mut value, &["metadata", "ownerReferences"], kept);
    }
    record_step(state, definition, object, USER, |state| {
        state.put(definition, value, object.owners.clone());
        Ok(())
    })
}

/// Takes a finalizer away; with the last one the object goes.
fn release(
    state: &mut State,
    definition: &Arc<ResourceDefinition>,
    owner: &Arc<ObjectVersion>,
    finalizer: &str,
) -> bool {
    let mut value = owner.value.clone();
    let kept: Vec<String> = texts(&value, &["metadata", "finalizers"])
        .into_iter()
        .filter(|own| *own != finalizer)
        .map(str::to_owned)
        .collect();
    if state.upstream.is_some() {
        return upstream::set_metadata(state, definition, owner, "finalizers", kept.into(), USER);
    }
    let grace = at(&value, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64).unwrap_or(0);
    record_step(state, definition, owner, USER, |state| {
        if kept.is_empty() && grace == 0 {
            state.delete(definition, owner.namespace(), meta(&value, "name"));
        } else {
            if kept.is_empty() {
                remove(&mut value, &["metadata", "finalizers"]);
            } else {
                set(&mut value, &["metadata", "finalizers"], kept);
            }
            state.put(definition, value, owner.owners.clone());
        }
        Ok(())
    })
}
