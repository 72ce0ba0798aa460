//! The end of namespaces, one pass at a time: their content is deleted, and they go when it is gone.

use std::sync::Arc;

use super::{
    definition::ResourceDefinition,
    object::{at, remove, text, texts},
    request::{DeleteOptions, Propagation},
    state::State,
    upstream,
    verbs::{delete_one, record_step},
    version::ObjectVersion,
};

/// The name under which namespaces are emptied.
const USER: &str = "system:serviceaccount:kube-system:namespace-controller";

/// One pass over the namespaces that are going. Says how many objects it changed or took away.
pub(super) fn finish(state: &mut State) -> usize {
    let Some(namespaces) = state.registry.stored_as("namespaces").cloned() else { return 0 };
    let going: Vec<Arc<ObjectVersion>> = state
        .store
        .list("namespaces", None)
        .filter(|namespace| text(&namespace.value, &["status", "phase"]) == Some("Terminating"))
        .cloned()
        .collect();
    let mut changes = 0;
    for namespace in going {
        let content = content_of(state, namespace.name());
        if content.is_empty() {
            changes += usize::from(release(state, &namespaces, &namespace));
            continue;
        }
        for (definition, object) in content {
            if at(&object.value, &["metadata", "deletionTimestamp"]).is_some() {
                continue;
            }
            if state.upstream.is_some() {
                changes += usize::from(upstream::delete(state, &definition, &object, Propagation::Background, USER));
                continue;
            }
            let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
            let done = record_step(state, &definition, &object, USER, |state| {
                delete_one(state, &definition, &object, object.name(), &options, USER).map(drop)
            });
            changes += usize::from(done);
        }
    }
    changes
}

fn content_of(state: &State, namespace: &str) -> Vec<(Arc<ResourceDefinition>, Arc<ObjectVersion>)> {
    let own = state.store.all().filter(|(_, object)| object.namespace() == namespace);
    own.filter_map(|(resource, object)| Some((state.registry.stored_as(resource)?.clone(), object.clone()))).collect()
}

/// Takes the server's own finalizer away; without another one the namespace goes.
fn release(state: &mut State, definition: &Arc<ResourceDefinition>, namespace: &Arc<ObjectVersion>) -> bool {
    let own = texts(&namespace.value, &["spec", "finalizers"]);
    let others = own.iter().any(|finalizer| *finalizer != "kubernetes");
    let held = !texts(&namespace.value, &["metadata", "finalizers"]).is_empty();
    if (others || held) && !own.contains(&"kubernetes") {
        return false;
    }
    let mut value = namespace.value.clone();
    let kept: Vec<&str> = own.into_iter().filter(|finalizer| *finalizer != "kubernetes").collect();
    let kept: Vec<String> = kept.into_iter().map(str::to_owned).collect();
    if state.upstream.is_some() {
        return upstream::finalize(state, definition, namespace, kept, USER);
    }
    if kept.is_empty() {
        remove(&mut value, &["spec", "finalizers"]);
    } else {
        super::object::set(&mut value, &["spec", "finalizers"], kept);
    }
    record_step(state, definition, namespace, USER, |state| {
        if others || held {
            state.put(definition, value, namespace.owners.clone());
        } else {
            state.delete(definition, "", namespace.name());
        }
        Ok(())
    })
}
