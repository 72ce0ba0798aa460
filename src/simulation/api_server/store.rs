//! The objects as they are, ordered by resource, namespace and name, and the one counter of their versions.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    doubtful::Doubtful,
    history::{Change, ChangeKind, History},
    object::set,
    ownership::Owners,
    version::ObjectVersion,
};

/// Objects of a resource by namespace and name.
pub(super) type Collection = BTreeMap<String, BTreeMap<String, Arc<ObjectVersion>>>;

/// All objects.
#[derive(Debug, Clone)]
pub(super) struct Store {
    collections: BTreeMap<Arc<str>, Collection>,
    revision: u64,
    pub(super) history: History,
    pub(super) doubtful: Doubtful,
    /// Whether objects keep the resourceVersion that another server gave them.
    mirrors: bool,
}

impl Store {
    /// An empty store. Its first object has the resourceVersion 2: 0 and 1 mean something to clients, or nothing.
    pub(super) fn new() -> Self {
        Self {
            collections: BTreeMap::new(),
            revision: 1,
            history: History::default(),
            doubtful: Doubtful::default(),
            mirrors: false,
        }
    }

    /// An empty store whose objects keep the resourceVersion that another server gave them.
    pub(super) fn mirror() -> Self {
        Self { mirrors: true, ..Self::new() }
    }

    /// The revision of the last change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    fn record(&mut self, change: Change) {
        self.doubtful.note(&change);
        self.history.record(change);
    }

    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<ObjectVersion>> {
        self.collections.get(resource)?.get(namespace)?.get(name)
    }

    /// The objects of a resource, of one namespace or of all.
    pub(super) fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<ObjectVersion>> {
        let collection = self.collections.get(resource);
        let all = collection.into_iter().flat_map(move |collection| {
            let one = namespace.map(|namespace| collection.get(namespace));
            let several = namespace.is_none().then(|| collection.values());
            one.into_iter().flatten().chain(several.into_iter().flatten())
        });
        all.flat_map(BTreeMap::values)
    }

    /// Every object, by resource, namespace and name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<ObjectVersion>)> {
        self.collections.iter().flat_map(|(resource, collection)| {
            collection.values().flat_map(BTreeMap::values).map(move |object| (resource, object))
        })
    }

    /// Stores a new version of an object, or a new object.
    pub(super) fn put(&mut self, resource: &Arc<str>, mut object: Value, owners: Arc<Owners>) -> Arc<ObjectVersion> {
        self.revision += 1;
        if !self.mirrors {
            set(&mut object, &["metadata", "resourceVersion"], self.revision.to_string());
        }
        let version = Arc::new(ObjectVersion::new(object, self.revision, owners));
        let collection = self.collections.entry(resource.clone()).or_default();
        let (namespace, name) = (version.namespace().to_owned(), version.name().to_owned());
        let before = collection.entry(namespace).or_default().insert(name, version.clone());
        if let Some(before) = &before {
            before.forget_texts();
        }
        let kind = if before.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        let (revision, resource) = (self.revision, resource.clone());
        self.record(Change { revision, kind, resource, object: version.clone(), before });
        version
    }

    /// Takes an object away. What comes back is its last state with the revision of the deletion, as watches see it.
    pub(super) fn delete(&mut self, resource: &Arc<str>, namespace: &str, name: &str) -> Option<Arc<ObjectVersion>> {
        let before = self.collections.get_mut(resource)?.get_mut(namespace)?.remove(name)?;
        self.revision += 1;
        before.forget_texts();
        let mut value = before.value.clone();
        set(&mut value, &["metadata", "resourceVersion"], self.revision.to_string());
        let version = Arc::new(ObjectVersion::new(value, self.revision, before.owners.clone()));
        let change = Change {
            revision: self.revision,
            kind: ChangeKind::Deleted,
            resource: resource.clone(),
            object: version.clone(),
            before: Some(before),
        };
        self.record(change);
        Some(version)
    }
}
