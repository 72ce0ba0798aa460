//! What a replica is to look at, and when. One queue for both callers of the driver: a cluster's operator waits in real
//! time, the simulation in virtual time.

use std::collections::BTreeMap;

/// Things to look at, each at most once: an earlier instant takes the place of a later one.
///
/// Those that are due are taken in the order of their instants, and of one instant in the order in which they came. So a
/// thing that is asked for again and again delays nobody who was asked for before, which the queue of kube-runtime does not
/// promise: it takes those that wait for their turn out of a hash set.
///
/// Its size has a bound: two entries per thing, of about 200 bytes together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkQueue<Item, Instant> {
    order: BTreeMap<Place<Instant>, Item>,
    places: BTreeMap<Item, Place<Instant>>,
    added: u64,
}

/// When, and as the how manyth.
type Place<Instant> = (Instant, u64);

impl<Item, Instant> Default for WorkQueue<Item, Instant> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), places: BTreeMap::new(), added: 0 }
    }
}

impl<Item: Ord + Clone, Instant: Ord + Copy> WorkQueue<Item, Instant> {
    /// Asks for a look at `at`, or earlier where that is wanted already.
    pub fn add(&mut self, item: Item, at: Instant) {
        if let Some(place) = self.places.get(&item) {
            if place.0 <= at {
                return;
            }
            self.order.remove(place);
        }
        let place = (at, self.added);
        self.added += 1;
        self.order.insert(place, item.clone());
        self.places.insert(item, place);
    }

    /// When the next one is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.order.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next one that is due at `now`.
    pub fn take_due(&mut self, now: Instant) -> Option<Item> {
        if self.next_at()? > now {
            return None;
        }
        let (_, item) = self.order.pop_first()?;
        self.places.remove(&item);
        Some(item)
    }

    /// How many wait.
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

    #[test]
    fn a_thing_waits_once_and_at_the_earliest_instant_that_was_asked_for() {
        let mut queue = WorkQueue::default();
        for (name, at) in [("a", 9), ("a", 3), ("a", 5), ("b", 4)] {
            queue.add(name, at);
        }
        assert_eq!((queue.len(), queue.next_at()), (2, Some(3)));
        assert_eq!(queue.take_due(2), None, "nothing is due yet");
        assert_eq!(queue.take_due(9), Some("a"));
        assert_eq!(queue.take_due(9), Some("b"));
        assert!(queue.take_due(9).is_none() && queue.is_empty());
    }

    #[test]
    fn things_of_one_instant_are_taken_in_the_order_in_which_they_came() {
        let mut queue = WorkQueue::default();
        for name in ["c", "a", "b"] {
            queue.add(name, 1);
        }
        let taken: Vec<&str> = std::iter::from_fn(|| queue.take_due(1)).collect();
        assert_eq!(taken, ["c", "a", "b"]);
    }

    #[test]
    fn a_thing_that_was_taken_can_be_asked_for_again() {
        let mut queue = WorkQueue::default();
        queue.add("a", 1);
        assert_eq!(queue.take_due(1), Some("a"));
        queue.add("a", 2);
        assert_eq!(queue.next_at(), Some(2));
    }

    #[test]
    fn things_that_are_asked_for_all_the_time_delay_nobody_who_came_before() {
        let mut queue = WorkQueue::default();
        for name in 0..100 {
            queue.add(name, 0);
        }
        let mut taken = Vec::new();
        for now in 0..100 {
            taken.extend(queue.take_due(now));
            for name in 0..100 {
                queue.add(name, now);
            }
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..100).collect::<Vec<_>>(), "each has had its turn, and none of them twice");
    }
}
