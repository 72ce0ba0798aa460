//! The firings of a schedule as instants: the next, the last, and how far apart they are.

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    cron::{CronExpression, SEARCH_DAYS_MAX},
    zone::{LocalInstant, Zone},
};
use crate::prelude::*;

/// Where the calendar is looked at for a schedule's period: the start of a leap year, so that eight years hold two leap
/// days. Any other start gives the same period for every schedule that fires at least yearly.
pub(super) const REFERENCE_DATE: Date = Date::constant(2024, 1, 1);
/// Days looked at for a schedule's period: eight years from [`REFERENCE_DATE`].
const PERIOD_DAYS: i64 = 8 * 366;

/// A cron expression in a time zone.
///
/// A local time that the clocks skip fires at the first instant after the gap; one that they show twice fires at its
/// first; so no night is lost and none is doubled. An expression whose hour is a bare `*` follows the minute hand: it
/// fires in both passes of a repeated hour, and nothing of a skipped hour is made up for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// When, by the local clock.
    pub cron: CronExpression,
    /// Whose clock.
    pub zone: Zone,
}

/// How far consecutive firings are apart by the local clock, clock changes left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchedulePeriod {
    /// The shortest distance.
    pub shortest: SignedDuration,
    /// The longest distance: what the counting window is derived from.
    pub longest: SignedDuration,
}

/// The days from `first` on, at most `count` of them.
pub(super) fn days_from(first: Date, count: i64) -> impl Iterator<Item = Date> {
    let mut next = Some(first);
    (0..count).map_while(move |_| {
        let date = next?;
        next = date.tomorrow().ok();
        Some(date)
    })
}

/// The days from `last` backwards, at most `count` of them.
fn days_back_from(last: Date, count: i64) -> impl Iterator<Item = Date> {
    let mut next = Some(last);
    (0..count).map_while(move |_| {
        let date = next?;
        next = date.yesterday().ok();
        Some(date)
    })
}

impl Schedule {
    /// The firings that belong to one local date, ascending, each instant once.
    pub fn firings_on(&self, date: Date) -> Vec<Timestamp> {
        if !self.cron.fires_on(date) {
            return Vec::new();
        }
        let hourly = self.cron.is_hourly();
        let mut firings = Vec::new();
        for time in self.cron.times() {
            match self.zone.instant_of(date.to_datetime(time)) {
                Some(LocalInstant::Twice(first, second)) if hourly => firings.extend([first, second]),
                Some(LocalInstant::Skipped(_)) if hourly => {}
                Some(instant) => firings.push(instant.first()),
                None => {}
            }
        }
        firings.sort_unstable();
        firings.dedup();
        firings
    }

    /// The first firing after an instant. `None` only at the end of the calendar.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        // A day that the zone skipped whole fires on the next, so the search begins a day early.
        let first = self.zone.date(instant).yesterday().ok()?;
        days_from(first, SEARCH_DAYS_MAX)
            .find_map(|date| self.firings_on(date).into_iter().find(|firing| *firing > instant))
    }

    /// The last firing at or before an instant. `None` only at the beginning of the calendar.
    pub fn previous_at_or_before(&self, instant: Timestamp) -> Option<Timestamp> {
        // A zone may put its clocks back over midnight, so the search begins a day late.
        let last = self.zone.date(instant).tomorrow().ok()?;
        days_back_from(last, SEARCH_DAYS_MAX)
            .find_map(|date| self.firings_on(date).into_iter().rev().find(|firing| *firing <= instant))
    }

    /// The shortest and the longest distance between consecutive firings by the local clock, seen over eight years.
    /// Clock changes are left out: a daily schedule has a period of 24 h in every zone.
    pub fn period(&self) -> SchedulePeriod {
        let by_local_clock = Self { cron: self.cron.clone(), zone: Zone::utc() };
        let times: Vec<SignedDuration> =
            by_local_clock.cron.times().map(|time| jiff::civil::Time::midnight().duration_until(time)).collect();
        let within_a_day = times.iter().zip(times.iter().skip(1)).map(|(earlier, later)| *later - *earlier);
        let day = SignedDuration::from_hours(24);
        let overnight = times.first().zip(times.last()).map_or(day, |(first, last)| day - *last + *first);
        let between_days =
            self.days_between_firings().into_iter().map(|days| SignedDuration::from_hours(24 * (days - 1)) + overnight);
        let (shortest, longest) = within_a_day
            .chain(between_days)
            .fold((SignedDuration::MAX, SignedDuration::ZERO), |(shortest, longest), distance| {
                (shortest.min(distance), longest.max(distance))
            });
        SchedulePeriod { shortest, longest }
    }

    /// How many days lie between one day with firings and the next, each distance that there is once.
    fn days_between_firings(&self) -> BTreeSet<i64> {
        if self.cron.fires_daily() {
            return BTreeSet::from([1]);
        }
        let mut distances = BTreeSet::new();
        let mut last = None;
        for (number, date) in (0..).zip(days_from(REFERENCE_DATE, PERIOD_DAYS)) {
            if self.cron.fires_on(date) {
                distances.extend(last.map(|last: i64| number - last));
                last = Some(number);
            }
        }
        distances
    }
}

#[cfg(test)]
#[path = "firing_tests.rs"]
mod tests;
