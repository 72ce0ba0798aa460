//! What is to happen, in the order in which it happens.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::chance::Chance;

/// The place of an entry in the order: its instant, then its lot, then the order in which entries were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// When it is due.
    pub at: Timestamp,
    lot: u64,
    sequence: u64,
}

/// Entries in the order of time. Those of one instant keep the order in which they were made, or, where lots are drawn,
/// an order that the seed decides: then other interleavings are seen with other seeds.
#[derive(Debug, Clone)]
pub struct Agenda<E> {
    entries: BTreeMap<Place, E>,
    made: u64,
    lots: Option<Chance>,
}

impl<E> Agenda<E> {
    /// An empty agenda that keeps the order in which entries are made.
    pub fn in_order() -> Self {
        Self { entries: BTreeMap::new(), made: 0, lots: None }
    }

    /// An empty agenda that draws lots for the order within an instant.
    pub fn by_lot(lots: Chance) -> Self {
        Self { entries: BTreeMap::new(), made: 0, lots: Some(lots) }
    }

    /// Adds an entry.
    pub fn add(&mut self, at: Timestamp, entry: E) -> Place {
        let lot = self.lots.as_mut().map_or(0, Chance::draw);
        let place = Place { at, lot, sequence: self.made };
        self.made += 1;
        self.entries.insert(place, entry);
        place
    }

    /// Takes an entry off.
    pub fn remove(&mut self, place: &Place) -> Option<E> {
        self.entries.remove(place)
    }

    /// When the next entry is due.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.entries.keys().next().map(|place| place.at)
    }

    /// Takes the next entry off.
    pub fn pop(&mut self) -> Option<(Place, E)> {
        self.entries.pop_first()
    }

    /// Every entry, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &E)> {
        self.entries.iter()
    }

    /// Whether nothing is to happen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn drained(mut agenda: Agenda<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| agenda.pop()).map(|(_, entry)| entry).collect()
    }

    #[test]
    fn time_orders_entries_and_within_an_instant_the_order_in_which_they_were_made() {
        let mut agenda = Agenda::in_order();
        for (second, entry) in [(2, "c"), (1, "a"), (2, "d"), (1, "b")] {
            agenda.add(at(second), entry);
        }
        assert_eq!(agenda.next_at(), Some(at(1)));
        assert_eq!(drained(agenda), ["a", "b", "c", "d"]);
    }

    #[test]
    fn an_entry_that_is_taken_off_does_not_happen() {
        let mut agenda = Agenda::in_order();
        let place = agenda.add(at(1), "a");
        agenda.add(at(2), "b");
        assert_eq!(agenda.remove(&place), Some("a"));
        assert_eq!(agenda.remove(&place), None);
        assert_eq!(drained(agenda), ["b"]);
    }

    #[test]
    fn lots_change_the_order_within_an_instant_only_and_the_seed_decides_it() {
        let order = |seed| {
            let mut agenda = Agenda::by_lot(Chance::new(seed));
            for entry in ["a", "b", "c", "d", "e"] {
                agenda.add(at(1), entry);
            }
            agenda.add(at(0), "first");
            drained(agenda)
        };
        assert_eq!(order(1), order(1));
        assert_eq!(order(1).first(), Some(&"first"));
        assert!((2..20).any(|seed| order(seed) != order(1)), "some seed gives another order");
    }
}
