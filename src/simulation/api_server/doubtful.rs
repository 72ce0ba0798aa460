//! Which objects the garbage collector has to look at: what changed since it did, and what rests on what has gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    history::{Change, ChangeKind},
    object::{at, elements, text},
    version::ObjectVersion,
};

/// Resource, namespace and name.
pub(super) type ObjectPlace = (Arc<str>, String, String);

/// Objects by what the collector may have to do with them.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubtful {
    /// Places of objects by the uids of their owners.
    owned: BTreeMap<String, BTreeSet<ObjectPlace>>,
    /// Objects that the collector has to look at.
    places: BTreeSet<ObjectPlace>,
}

impl Doubtful {
    /// Takes notice of a change.
    pub(super) fn note(&mut self, change: &Change) {
        if let Some(before) = &change.before {
            for owner in owners(before) {
                if let Some(owned) = self.owned.get_mut(owner) {
                    owned.remove(&place(&change.resource, before));
                }
            }
        }
        let (object, own) = (&change.object, place(&change.resource, &change.object));
        if change.kind == ChangeKind::Deleted {
            self.places.remove(&own);
            // What is left of the table's entry are those that it leaves behind.
            self.places.extend(self.owned.remove(object.uid()).into_iter().flatten());
            return;
        }
        let mut has_owner = false;
        for owner in owners(object) {
            has_owner = true;
            self.owned.entry(owner.to_owned()).or_default().insert(own.clone());
        }
        let going = at(&object.value, &["metadata", "deletionTimestamp"]).is_some();
        if going {
            self.places.extend(self.owned.get(object.uid()).into_iter().flatten().cloned());
        }
        if has_owner || going {
            self.places.insert(own);
        }
    }

    /// Takes what has to be looked at, by resource, namespace and name.
    pub(super) fn take(&mut self) -> BTreeSet<ObjectPlace> {
        std::mem::take(&mut self.places)
    }

    /// Lets an object be looked at again.
    pub(super) fn put_back(&mut self, place: ObjectPlace) {
        self.places.insert(place);
    }

    /// Places of what an object owns, by resource, namespace and name.
    pub(super) fn owned_by(&self, uid: &str) -> impl Iterator<Item = &ObjectPlace> {
        self.owned.get(uid).into_iter().flatten()
    }
}

fn place(resource: &Arc<str>, object: &ObjectVersion) -> ObjectPlace {
    (resource.clone(), object.namespace().to_owned(), object.name().to_owned())
}

fn owners(object: &ObjectVersion) -> impl Iterator<Item = &str> {
    let references = elements(&object.value, &["metadata", "ownerReferences"]).iter();
    references.filter_map(|reference| text(reference, &["uid"]))
}
