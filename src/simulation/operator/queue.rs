//! What a replica looks at, and when.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use phaseloop_core::plan::OwnKind;

use crate::{
    controllers::ObjectKey,
    simulation::agenda::{Agenda, Place},
};

/// An object to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkItem {
    /// Its kind.
    pub kind: OwnKind,
    /// Its namespace and name.
    pub key: ObjectKey,
}

impl fmt::Display for WorkItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// Objects to look at, each at most once: an earlier instant takes the place of a later one, as in the scheduler of
/// kube-runtime.
#[derive(Debug, Clone)]
pub struct WorkQueue {
    agenda: Agenda<WorkItem>,
    places: BTreeMap<WorkItem, Place>,
}

impl Default for WorkQueue {
    fn default() -> Self {
        Self { agenda: Agenda::in_order(), places: BTreeMap::new() }
    }
}

impl WorkQueue {
    /// Looks at an object at `at`, or earlier where that is wanted already.
    pub fn add(&mut self, item: WorkItem, at: Timestamp) {
        if let Some(place) = self.places.get(&item) {
            if place.at <= at {
                return;
            }
            self.agenda.remove(place);
        }
        let place = self.agenda.add(at, item.clone());
        self.places.insert(item, place);
    }

    /// When the next object is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    /// Takes the next object that is due at `now`.
    pub fn take_due(&mut self, now: Timestamp) -> Option<WorkItem> {
        if self.next_at()? > now {
            return None;
        }
        let (_, item) = self.agenda.pop()?;
        self.places.remove(&item);
        Some(item)
    }

    /// Whether an object waits.
    pub fn contains(&self, item: &WorkItem) -> bool {
        self.places.contains_key(item)
    }

    /// How many objects wait.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> WorkItem {
        WorkItem { kind: OwnKind::PhaseRun, key: ObjectKey::new("chat", name) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_object_waits_once_and_at_the_earliest_instant_that_was_asked_for() {
        let mut queue = WorkQueue::default();
        for (name, second) in [("a", 9), ("a", 3), ("a", 5), ("b", 4)] {
            queue.add(item(name), at(second));
        }
        assert_eq!((queue.len(), queue.next_at()), (2, Some(at(3))));
        assert_eq!(queue.take_due(at(2)), None, "nothing is due yet");
        assert_eq!(queue.take_due(at(9)), Some(item("a")));
        assert_eq!(queue.take_due(at(9)), Some(item("b")));
        assert!(queue.take_due(at(9)).is_none() && queue.is_empty());
    }

    #[test]
    fn objects_of_one_instant_are_looked_at_in_the_order_in_which_they_came() {
        let mut queue = WorkQueue::default();
        for name in ["c", "a", "b"] {
            queue.add(item(name), at(1));
        }
        let taken: Vec<String> = std::iter::from_fn(|| queue.take_due(at(1))).map(|item| item.key.name).collect();
        assert_eq!(taken, ["c", "a", "b"]);
    }

    #[test]
    fn an_object_that_was_taken_can_be_asked_for_again() {
        let mut queue = WorkQueue::default();
        queue.add(item("a"), at(1));
        assert_eq!(queue.take_due(at(1)), Some(item("a")));
        queue.add(item("a"), at(2));
        assert_eq!(queue.next_at(), Some(at(2)));
    }
}
