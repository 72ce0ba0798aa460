//! Every change of every object, in order. Watches read it, and so do the invariants of the simulation.

use std::{collections::VecDeque, sync::Arc};

use super::version::ObjectVersion;

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

/// The changes, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    changes: VecDeque<Change>,
    /// Revision of the first change that is kept.
    first: u64,
    /// Watches and lists from before this revision are refused.
    floor: u64,
}

impl History {
    pub(super) fn record(&mut self, change: Change) {
        if self.changes.is_empty() {
            self.first = change.revision;
        }
        self.changes.push_back(change);
    }

    /// The changes after a revision. Each revision is exactly one change.
    pub(super) fn after(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let skipped = (revision + 1).saturating_sub(self.first);
        self.changes.range(usize::try_from(skipped).unwrap_or(usize::MAX).min(self.changes.len())..)
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
        self.compact(revision);
    }

    /// The last revision that is not known any more.
    pub(super) fn forgotten(&self) -> u64 {
        self.first.saturating_sub(1)
    }

    /// Every change that is known.
    pub(super) fn all(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }
}
