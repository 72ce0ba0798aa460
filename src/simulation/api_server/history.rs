//! Every change of every object, in order. Watches read it, and so do the invariants of the simulation.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{ownership::Owners, packing::Names, version::ObjectVersion};

/// Superseded versions that are kept whole: whoever follows the history reads them within some changes. Those before take a
/// fifth of their room.
const WHOLE_MAX: usize = 100;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It was taken away.
    Deleted,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its place in the order of all changes: the resourceVersion that it made.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The resource, as in `deployments.apps`.
    pub resource: Arc<str>,
    /// The object after the change; for a deletion as it was last, with the deletion's resourceVersion.
    pub object: Arc<ObjectVersion>,
    /// The object before the change.
    pub before: Option<Arc<ObjectVersion>>,
}

/// Revisions of objects, oldest first, by namespace and name.
type Revisions = BTreeMap<(String, String), Vec<u64>>;

/// The changes, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    changes: VecDeque<Kept>,
    /// Revision of the first change that is kept.
    first: u64,
    /// Watches and lists from before this revision are refused.
    floor: u64,
    names: Names,
    /// Versions that are kept whole though a newer one, or none, has taken their place.
    superseded: VecDeque<Superseded>,
    /// The revisions of each object, by resource.
    places: BTreeMap<Arc<str>, Revisions>,
}

/// A change as it is kept.
#[derive(Debug, Clone)]
struct Kept {
    revision: u64,
    kind: ChangeKind,
    resource: Arc<str>,
    object: KeptVersion,
    before: Option<KeptVersion>,
}

/// A version as it is kept.
#[derive(Debug, Clone)]
enum KeptVersion {
    Whole(Arc<ObjectVersion>),
    Packed(Arc<PackedVersion>),
}

#[derive(Debug)]
struct PackedVersion {
    value: Box<[u8]>,
    revision: u64,
    owners: Arc<Owners>,
}

/// A version that is the object no more.
#[derive(Debug, Clone, Copy)]
struct Superseded {
    revision: u64,
    /// The change that has it as the object before.
    by: Option<u64>,
}

impl History {
    pub(super) fn record(&mut self, change: Change) {
        if self.changes.is_empty() {
            self.first = change.revision;
        }
        let Change { revision, kind, resource, object, before } = change;
        let place = (object.namespace().to_owned(), object.name().to_owned());
        self.places.entry(resource.clone()).or_default().entry(place).or_default().push(revision);
        self.superseded.extend(before.as_ref().map(|one| Superseded { revision: one.revision, by: Some(revision) }));
        if kind == ChangeKind::Deleted {
            self.superseded.push_back(Superseded { revision, by: None });
        }
        let (object, before) = (KeptVersion::Whole(object), before.map(KeptVersion::Whole));
        self.changes.push_back(Kept { revision, kind, resource, object, before });
        while self.superseded.len() > WHOLE_MAX {
            self.pack_one();
        }
    }

    /// Packs the version that is superseded longest, wherever it is kept.
    fn pack_one(&mut self) {
        let Some(Superseded { revision, by }) = self.superseded.pop_front() else { return };
        let (own, next) = (self.index(revision), by.and_then(|by| self.index(by)));
        let as_object = own.and_then(|own| self.changes.get(own)).map(|kept| &kept.object);
        let as_before = next.and_then(|next| self.changes.get(next)).and_then(|kept| kept.before.as_ref());
        let Some(KeptVersion::Whole(version)) = as_object.or(as_before) else { return };
        let (value, owners) = (self.names.pack(&version.value), version.owners.clone());
        let packed = Arc::new(PackedVersion { value, revision: version.revision, owners });
        if let Some(kept) = own.and_then(|own| self.changes.get_mut(own)) {
            kept.object = KeptVersion::Packed(packed.clone());
        }
        if let Some(kept) = next.and_then(|next| self.changes.get_mut(next)) {
            kept.before = Some(KeptVersion::Packed(packed));
        }
    }

    /// Where the change is that made a revision: each revision is exactly one change.
    fn index(&self, revision: u64) -> Option<usize> {
        usize::try_from(revision.checked_sub(self.first)?).ok()
    }

    fn kept_after(&self, revision: u64) -> impl Iterator<Item = &Kept> {
        let skipped = (revision + 1).saturating_sub(self.first);
        self.changes.range(usize::try_from(skipped).unwrap_or(usize::MAX).min(self.changes.len())..)
    }

    /// The changes after a revision.
    pub(super) fn after(&self, revision: u64) -> impl Iterator<Item = Change> {
        self.kept_after(revision).map(|kept| self.whole(kept))
    }

    /// The resources that changed after a revision.
    pub(super) fn resources_after(&self, revision: u64) -> BTreeSet<Arc<str>> {
        self.kept_after(revision).map(|kept| kept.resource.clone()).collect()
    }

    /// The changes of one object, oldest first.
    pub(super) fn of(&self, resource: &str, namespace: &str, name: &str) -> impl Iterator<Item = Change> {
        let place = (namespace.to_owned(), name.to_owned());
        let revisions = self.places.get(resource).and_then(|places| places.get(&place)).map(Vec::as_slice);
        let kept = revisions.unwrap_or_default().iter().filter_map(|revision| self.changes.get(self.index(*revision)?));
        kept.map(|kept| self.whole(kept))
    }

    fn whole(&self, kept: &Kept) -> Change {
        Change {
            revision: kept.revision,
            kind: kept.kind,
            resource: kept.resource.clone(),
            object: self.version(&kept.object),
            before: kept.before.as_ref().map(|before| self.version(before)),
        }
    }

    fn version(&self, kept: &KeptVersion) -> Arc<ObjectVersion> {
        match kept {
            KeptVersion::Whole(version) => version.clone(),
            KeptVersion::Packed(packed) => {
                let value = self.names.unpack(&packed.value).unwrap_or_default();
                Arc::new(ObjectVersion::new(value, packed.revision, packed.owners.clone()))
            }
        }
    }

    /// Refuses whoever asks for what was before `revision`, as after a compaction of etcd.
    pub(super) fn compact(&mut self, revision: u64) {
        self.floor = self.floor.max(revision);
    }

    /// Forgets the changes up to `revision`, to save memory.
    pub(super) fn forget(&mut self, revision: u64) {
        while self.changes.front().is_some_and(|change| change.revision <= revision) {
            self.changes.pop_front();
            self.first += 1;
        }
        for places in self.places.values_mut() {
            for revisions in places.values_mut() {
                revisions.retain(|own| *own > revision);
            }
            places.retain(|_, revisions| !revisions.is_empty());
        }
        self.compact(revision);
    }

    /// The last revision that is not known any more.
    pub(super) fn forgotten(&self) -> u64 {
        self.first.saturating_sub(1)
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A history of one object that was changed that often, and then deleted.
    fn history(changes: u64) -> History {
        let (mut history, mut before) = (History::default(), None);
        for revision in 1..=changes + 1 {
            let value = json!({ "metadata": { "namespace": "chat", "name": "a" }, "revision": revision });
            let object = Arc::new(ObjectVersion::new(value, revision, Arc::default()));
            let kind = match revision {
                1 => ChangeKind::Added,
                _ if revision > changes => ChangeKind::Deleted,
                _ => ChangeKind::Modified,
            };
            let before = before.replace(object.clone());
            history.record(Change { revision, kind, resource: "pods".into(), object, before });
        }
        history
    }

    fn revisions(changes: impl Iterator<Item = Change>) -> Vec<(u64, u64, Option<u64>)> {
        let written = |version: &ObjectVersion| version.value["revision"].as_u64().unwrap();
        changes
            .map(|change| {
                assert_eq!(change.object.revision, change.revision);
                (change.revision, written(&change.object), change.before.as_deref().map(written))
            })
            .collect()
    }

    #[test]
    fn what_was_packed_is_told_as_what_was_not() {
        let changes = WHOLE_MAX as u64 + 100;
        let history = history(changes);
        let is_packed = |kept: &&Kept| matches!(kept.object, KeptVersion::Packed(_));
        assert_eq!(history.changes.iter().filter(is_packed).count(), 101, "all but the last of those superseded");
        let expected: Vec<_> =
            (1..=changes + 1).map(|revision| (revision, revision, Some(revision - 1).filter(|it| *it > 0))).collect();
        assert_eq!(revisions(history.after(0)), expected);
        assert_eq!(revisions(history.of("pods", "chat", "a")), expected);
        assert_eq!(revisions(history.of("pods", "chat", "b")), []);
        assert_eq!(revisions(history.after(changes)), expected[expected.len() - 1..]);
    }

    #[test]
    fn what_is_forgotten_is_not_told() {
        let mut history = history(5);
        history.forget(3);
        assert_eq!(revisions(history.after(0)), [(4, 4, Some(3)), (5, 5, Some(4)), (6, 6, Some(5))]);
        assert_eq!(revisions(history.of("pods", "chat", "a")).len(), 3);
        assert_eq!((history.forgotten(), history.floor()), (3, 3));
        assert_eq!(history.resources_after(5), BTreeSet::from(["pods".into()]));
        assert_eq!(history.resources_after(6), BTreeSet::new());
    }
}
