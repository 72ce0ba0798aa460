//! An IANA time zone, and the one rule by which local times of its odd nights become instants.

use core::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::{policy::bound::TIME_ZONE_DEFAULT, prelude::*};

/// A time zone by its IANA name. Two zones are the same if their names are.
///
/// The rules are those of the database in the binary, so that the same inputs give the same answer on every machine.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// The name is in no time zone database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("unknown time zone {0:?}; write an IANA name such as Etc/UTC, Europe/Berlin or America/New_York")]
pub struct ZoneError(pub String);

/// What a local time is in a zone on a given day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalInstant {
    /// It exists once.
    Once(Timestamp),
    /// The clocks skip it; this is the first instant after the gap.
    Skipped(Timestamp),
    /// The clocks show it twice.
    Twice(Timestamp, Timestamp),
}

impl LocalInstant {
    /// The one instant that stands for this local time: a skipped one is the first instant after the gap, one that comes
    /// twice is its first. The order of local times is kept.
    pub const fn first(self) -> Timestamp {
        match self {
            Self::Once(instant) | Self::Skipped(instant) | Self::Twice(instant, _) => instant,
        }
    }
}

impl Zone {
    /// The zone of that name, in any letter case.
    ///
    /// # Errors
    /// [`ZoneError`] with the text, if it is no IANA name.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let rules = TimeZoneDatabase::bundled().get(name).map_err(|_| ZoneError(name.to_owned()))?;
        let name = rules.iana_name().ok_or_else(|| ZoneError(name.to_owned()))?.to_owned();
        Ok(Self { name, rules })
    }

    /// `Etc/UTC`, the default of schedules and windows.
    pub fn utc() -> Self {
        Self { name: TIME_ZONE_DEFAULT.to_owned(), rules: TimeZone::UTC }
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The local date and time at an instant.
    pub fn local(&self, instant: Timestamp) -> DateTime {
        self.rules.to_datetime(instant)
    }

    /// The local date at an instant.
    pub fn date(&self, instant: Timestamp) -> Date {
        self.local(instant).date()
    }

    /// What a local time is in this zone; `None` only at the very ends of the calendar.
    pub fn instant_of(&self, local: DateTime) -> Option<LocalInstant> {
        let ambiguous = self.rules.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok().map(LocalInstant::Once),
            AmbiguousOffset::Fold { before, after } => {
                let first = before.to_timestamp(local).ok()?;
                Some(LocalInstant::Twice(first, after.to_timestamp(local).ok()?))
            }
            AmbiguousOffset::Gap { before, .. } => {
                // Read with the offset before the gap, a skipped time lies after the transition and before the next.
                let beyond = before.to_timestamp(local).ok()?;
                let in_new_time = beyond.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
                let transition = self.rules.preceding(in_new_time).next()?;
                Some(LocalInstant::Skipped(transition.timestamp()))
            }
        }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Zone {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_zone_is_known_by_its_iana_name_in_any_case() {
        let berlin = Zone::named("europe/berlin").unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        assert_eq!(berlin, Zone::named("Europe/Berlin").unwrap());
        assert_ne!(berlin, Zone::utc());
        assert!(berlin > Zone::named("America/New_York").unwrap());
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        assert_eq!(format!("{berlin:?}"), "Zone(Europe/Berlin)");
        assert_eq!(serde_json::to_value(&berlin).unwrap(), "Europe/Berlin");
        assert_eq!(Zone::named("Etc/UTC").unwrap(), Zone::utc());
        let hash = |zone: &Zone| {
            let mut hasher = std::hash::DefaultHasher::new();
            zone.hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(hash(&berlin), hash(&Zone::named("Europe/Berlin").unwrap()));
        assert_ne!(hash(&berlin), hash(&Zone::utc()));
    }

    #[test]
    fn what_is_no_iana_name_is_refused_with_its_text() {
        for text in ["", "Berlin", "Europe/Berlinn", "UTC+2", "CET-1CEST", " Etc/UTC"] {
            assert_eq!(Zone::named(text), Err(ZoneError(text.to_owned())), "{text:?}");
        }
        let message = Zone::named("Mars/Olympus").unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown time zone \"Mars/Olympus\"; write an IANA name such as Etc/UTC, Europe/Berlin or America/New_York"
        );
    }

    #[test]
    fn local_times_of_the_odd_nights_have_one_meaning() {
        use LocalInstant::{Once, Skipped, Twice};
        let table = [
            ("Europe/Berlin", date(2026, 3, 29).at(1, 59, 0, 0), Once(at("2026-03-29T00:59:00Z"))),
            ("Europe/Berlin", date(2026, 3, 29).at(2, 0, 0, 0), Skipped(at("2026-03-29T01:00:00Z"))),
            ("Europe/Berlin", date(2026, 3, 29).at(2, 30, 0, 0), Skipped(at("2026-03-29T01:00:00Z"))),
            ("Europe/Berlin", date(2026, 3, 29).at(2, 59, 59, 0), Skipped(at("2026-03-29T01:00:00Z"))),
            ("Europe/Berlin", date(2026, 3, 29).at(3, 0, 0, 0), Once(at("2026-03-29T01:00:00Z"))),
            ("Europe/Berlin", date(2026, 10, 25).at(1, 59, 0, 0), Once(at("2026-10-24T23:59:00Z"))),
            (
                "Europe/Berlin",
                date(2026, 10, 25).at(2, 30, 0, 0),
                Twice(at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")),
            ),
            ("Europe/Berlin", date(2026, 10, 25).at(3, 0, 0, 0), Once(at("2026-10-25T02:00:00Z"))),
            ("America/New_York", date(2026, 3, 8).at(2, 30, 0, 0), Skipped(at("2026-03-08T07:00:00Z"))),
            (
                "America/New_York",
                date(2026, 11, 1).at(1, 30, 0, 0),
                Twice(at("2026-11-01T05:30:00Z"), at("2026-11-01T06:30:00Z")),
            ),
            ("Australia/Lord_Howe", date(2026, 10, 4).at(2, 15, 0, 0), Skipped(at("2026-10-03T15:30:00Z"))),
            ("Pacific/Apia", date(2011, 12, 30).at(3, 0, 0, 0), Skipped(at("2011-12-30T10:00:00Z"))),
        ];
        for (name, local, expected) in table {
            let zone = Zone::named(name).unwrap();
            assert_eq!(zone.instant_of(local), Some(expected), "{local} {name}");
        }
        assert_eq!(Twice(at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")).first(), at("2026-10-25T00:30:00Z"));
        assert_eq!(Zone::named("Asia/Tokyo").unwrap().date(at("2026-03-04T15:00:00Z")), date(2026, 3, 5));
    }
}
