//! Several maintenance windows as one: when any is open, which night it is, and what changes next.

use core::fmt;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::window::{MaintenanceWindow, WindowInstance};
use crate::{
    prelude::*,
    schedule::{Zone, earlier_by},
};

/// Openings and closings looked at in search of an instant: two weeks of two windows a day. A search that finds none by
/// then says that there is none.
const CHANGES_MAX: usize = 64;
/// Windows that follow each other without a break and are joined: past two weeks an end limits nothing.
const JOINED_MAX: usize = 16;
/// Instances of one window that can matter at an instant: the open one and the next, which may open before it closes.
const INSTANCES_AT_ONCE: usize = 2;

/// The night whose budgets are spent: the local date on which its window started. A window that crosses midnight or a
/// clock change is one night.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NightId {
    /// The local date of the start.
    pub date: Date,
    /// In which zone.
    #[serde(rename = "timeZone")]
    pub zone: Zone,
}

impl fmt::Display for NightId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.zone)
    }
}

/// What is open at an instant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenWindow {
    /// The night: that of the instance which opened first.
    pub night: NightId,
    /// When the last of the windows that follow each other without a break closes.
    pub closes_at: Timestamp,
}

/// The maintenance windows of a target. Nothing is open where there is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, Default)]
#[serde(transparent)]
pub struct MaintenanceWindows {
    /// The windows, in the order in which they are written.
    pub windows: Vec<MaintenanceWindow>,
}

impl MaintenanceWindows {
    /// Whether any window is open.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.first_open(now).is_some()
    }

    /// What is open now.
    pub fn current(&self, now: Timestamp) -> Option<OpenWindow> {
        let night = self.first_open(now)?.night;
        let mut closes_at = now;
        for _ in 0..JOINED_MAX {
            match self.open_instances(closes_at).map(|instance| instance.closes_at).max() {
                Some(later) => closes_at = later,
                None => break,
            }
        }
        Some(OpenWindow { night, closes_at })
    }

    /// When what is open now closes; `None` if nothing is open.
    pub fn closes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.current(now).map(|open| open.closes_at)
    }

    /// When a night is over: the last window that began on its date, and those that follow it without a break, have
    /// closed. `None` where no window begins on that date.
    pub fn night_closes_at(&self, night: &NightId) -> Option<Timestamp> {
        let of_night = self.windows.iter().filter_map(|window| window.instance_on(night.date));
        let last = of_night.max_by_key(|instance| instance.closes_at)?;
        let just_before = earlier_by(last.closes_at, SignedDuration::from_nanos(1));
        self.closes_at(just_before).or(Some(last.closes_at))
    }

    /// The first instant from now on at which a window is open: now, if one is.
    pub fn next_open(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_open_where(now, |_| true)
    }

    /// The first instant from now on at which a window of another night is open.
    pub fn next_open_of_another_night(&self, now: Timestamp, spent: &NightId) -> Option<Timestamp> {
        self.next_open_where(now, |night| night != spent)
    }

    /// The night of an instant: the one that is open, else the one that opens next.
    pub fn night_at(&self, now: Timestamp) -> Option<NightId> {
        let open = self.next_open(now)?;
        self.first_open(open).map(|instance| instance.night)
    }

    /// The instance that opens next after an instant, open or not at that instant.
    pub fn next_opening_after(&self, now: Timestamp) -> Option<WindowInstance> {
        let opens_next =
            |window: &MaintenanceWindow| window.instances_from(now).find(|instance| instance.opens_at > now);
        self.windows.iter().filter_map(opens_next).min()
    }

    fn next_open_where(&self, now: Timestamp, wanted: impl Fn(&NightId) -> bool) -> Option<Timestamp> {
        let mut instant = now;
        for _ in 0..CHANGES_MAX {
            if self.first_open(instant).is_some_and(|instance| wanted(&instance.night)) {
                return Some(instant);
            }
            instant = self.next_change(instant)?;
        }
        None
    }

    /// The next opening or closing of any window.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let changes = self.instances_at(now).flat_map(|instance| [instance.opens_at, instance.closes_at]);
        changes.filter(|change| *change > now).min()
    }

    /// Of the open instances the one that opened first; of several that opened together, the first by its end.
    fn first_open(&self, now: Timestamp) -> Option<WindowInstance> {
        self.open_instances(now).min()
    }

    fn open_instances(&self, now: Timestamp) -> impl Iterator<Item = WindowInstance> {
        self.instances_at(now).filter(move |instance| instance.holds(now))
    }

    fn instances_at(&self, now: Timestamp) -> impl Iterator<Item = WindowInstance> {
        self.windows.iter().flat_map(move |window| window.instances_from(now).take(INSTANCES_AT_ONCE))
    }
}

impl fmt::Display for MaintenanceWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.windows.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join(" or "))
    }
}

#[cfg(test)]
#[path = "night_tests.rs"]
mod tests;
