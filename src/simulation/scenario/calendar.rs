//! The nights of a scenario and their instants.

use jiff::{Span, Timestamp, civil::Date};
use phaseloop_core::schedule::{Zone, zone::LocalInstant};

use super::event::Moment;

/// The calendar of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// Date of night 1.
    pub first: Date,
    /// The zone of all times of day.
    pub zone: Zone,
    /// Nights that are told.
    pub nights: i64,
    /// Nights before.
    pub nights_before: i64,
}

/// A date or a time that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not a date.
    #[error("{0:?} is no date; write it as 2026-03-02")]
    Date(String),
    /// Not a time zone.
    #[error("{0}")]
    Zone(String),
    /// An hour that a clock change skips.
    #[error("there is no {time} on {date}: the clock is moved on")]
    Skipped {
        /// The time.
        time: String,
        /// The date.
        date: Date,
    },
}

impl Calendar {
    /// The calendar of a scenario that begins on this date.
    ///
    /// # Errors
    /// A date or a zone that is none.
    pub fn of(first: &str, zone: &str, nights: i64, nights_before: i64) -> Result<Self, CalendarError> {
        let first = first.parse().map_err(|_| CalendarError::Date(first.to_owned()))?;
        let zone = Zone::named(zone).map_err(|error| CalendarError::Zone(error.to_string()))?;
        Ok(Self { first, zone, nights, nights_before })
    }

    /// The date of a night; night 1 is the first that is told.
    pub fn date(&self, night: i64) -> Date {
        self.first.checked_add(Span::new().days(night.saturating_sub(1))).unwrap_or(self.first)
    }

    /// The night of an instant, by its local date.
    pub fn night_of(&self, at: Timestamp) -> i64 {
        let days = self.zone.date(at).since(self.first).map_or(0, |span| i64::from(span.get_days()));
        days.saturating_add(1)
    }

    /// The instant of a moment.
    ///
    /// # Errors
    /// An hour that a clock change skips.
    pub fn instant(&self, moment: &Moment) -> Result<Timestamp, CalendarError> {
        let date = self.date(moment.night);
        let skipped = || CalendarError::Skipped { time: moment.time.clone(), date };
        let text = if moment.time.len() == 5 { format!("{}:00", moment.time) } else { moment.time.clone() };
        let time: jiff::civil::Time = text.parse().map_err(|_| skipped())?;
        match self.zone.instant_of(date.to_datetime(time)) {
            Some(LocalInstant::Once(instant) | LocalInstant::Twice(instant, _)) => Ok(instant),
            Some(LocalInstant::Skipped(_)) | None => Err(skipped()),
        }
    }

    /// When the world begins: noon of the day before the first night of all.
    pub fn beginning(&self) -> Timestamp {
        self.noon(1_i64.saturating_sub(self.nights_before).saturating_sub(1))
    }

    /// When the story is over: noon of the last night's date.
    pub fn end(&self) -> Timestamp {
        self.noon(self.nights)
    }

    /// Noon of a night's date: the night is over, the next one has not begun. No clock is changed at noon.
    pub fn noon(&self, night: i64) -> Timestamp {
        let noon = Moment { night, time: "12:00".to_owned() };
        self.instant(&noon).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        Calendar::of("2026-03-28", "Europe/Berlin", 3, 2).unwrap()
    }

    fn moment(night: i64, time: &str) -> Moment {
        Moment { night, time: time.to_owned() }
    }

    #[test]
    fn nights_are_dates_and_times_are_local() {
        let calendar = calendar();
        assert_eq!(calendar.date(1).to_string(), "2026-03-28");
        assert_eq!(calendar.date(-1).to_string(), "2026-03-26");
        assert_eq!(calendar.instant(&moment(1, "03:10")).unwrap().to_string(), "2026-03-28T02:10:00Z");
        assert_eq!(calendar.instant(&moment(3, "03:10:05")).unwrap().to_string(), "2026-03-30T01:10:05Z");
        assert_eq!(calendar.beginning().to_string(), "2026-03-25T11:00:00Z");
        assert_eq!(calendar.end().to_string(), "2026-03-30T10:00:00Z");
        for night in -3..5 {
            assert_eq!(calendar.night_of(calendar.noon(night)), night);
        }
    }

    #[test]
    fn an_hour_that_is_skipped_is_no_moment() {
        let skipped = calendar().instant(&moment(2, "02:30"));
        assert!(matches!(skipped, Err(CalendarError::Skipped { .. })), "{skipped:?}");
    }

    #[test]
    fn what_is_no_date_or_zone_is_refused() {
        assert!(matches!(Calendar::of("2026-02-30", "Etc/UTC", 1, 0), Err(CalendarError::Date(_))));
        assert!(matches!(Calendar::of("2026-02-03", "Mars", 1, 0), Err(CalendarError::Zone(_))));
    }
}
