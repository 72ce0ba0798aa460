//! One maintenance window: a stretch of the local day, start included, end excluded, that may cross midnight.

use core::fmt;

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::{
    local_time::{DayOfWeek, LocalTime},
    night::NightId,
};
use crate::{prelude::*, schedule::Zone};

/// Days before an instant on which an instance that is still open can have started: one for a window that crosses
/// midnight, one more for clocks put back over midnight.
const INSTANCE_DAYS_BACK: i32 = 2;
/// Days looked at from there: two weeks ahead, for a weekly window whose next night lies in the gap of a clock change.
const INSTANCE_DAYS: i64 = 18;

/// A window of the local day. Its start is included, its end is not; an end at or before the start lies on the next day.
///
/// On the night on which the clocks skip the start or the end, it is the first instant after the gap; where they show it
/// twice, it is the first. A window that lies in the gap whole does not open that night.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Days on which it starts; empty: every day.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub days: BTreeSet<DayOfWeek>,
    /// Start, included.
    pub start: LocalTime,
    /// End, excluded.
    pub end: LocalTime,
    /// Whose clock.
    #[serde(rename = "timeZone")]
    pub zone: Zone,
}

/// One opening of a window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowInstance {
    /// When it opens; open at this instant.
    pub opens_at: Timestamp,
    /// When it closes; closed at this instant.
    pub closes_at: Timestamp,
    /// The night whose budgets it spends.
    pub night: NightId,
}

impl WindowInstance {
    /// Whether it is open at an instant.
    pub fn holds(&self, instant: Timestamp) -> bool {
        self.opens_at <= instant && instant < self.closes_at
    }
}

impl MaintenanceWindow {
    /// Whether it can never be open: start and end are one.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The instance that starts on a local date, if there is one.
    pub fn instance_on(&self, date: Date) -> Option<WindowInstance> {
        if self.is_empty() || !(self.days.is_empty() || self.days.contains(&DayOfWeek::of(date))) {
            return None;
        }
        let end_date = if self.end <= self.start { date.tomorrow().ok()? } else { date };
        let opens_at = self.zone.instant_of(self.start.on(date)?)?.first();
        let closes_at = self.zone.instant_of(self.end.on(end_date)?)?.first();
        let night = NightId { date, zone: self.zone.clone() };
        (opens_at < closes_at).then_some(WindowInstance { opens_at, closes_at, night })
    }

    /// The instances that close after an instant, in order: one that is open, if there is one, and those of the next two
    /// weeks.
    pub(super) fn instances_from(&self, instant: Timestamp) -> impl Iterator<Item = WindowInstance> {
        let back = SignedDuration::from_hours(24).saturating_mul(-INSTANCE_DAYS_BACK);
        let mut next = self.zone.date(instant).checked_add(back).ok();
        let dates = (0..INSTANCE_DAYS).map_while(move |_| {
            let date = next?;
            next = date.tomorrow().ok();
            Some(date)
        });
        dates.filter_map(|date| self.instance_on(date)).filter(move |instance| instance.closes_at > instant)
    }
}

impl fmt::Display for MaintenanceWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.days.is_empty() {
            let days: Vec<&str> = self.days.iter().map(|day| day.name()).collect();
            write!(f, "{} ", days.join(","))?;
        }
        write!(f, "{}-{} {}", self.start, self.end, self.zone)
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
