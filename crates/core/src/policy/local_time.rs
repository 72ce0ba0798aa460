//! Times of day and days of the week, as maintenance windows write them.

use core::{fmt, str::FromStr};

use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::prelude::*;

/// Minutes of a day.
const DAY_MINUTES: i16 = 24 * 60;
/// Minutes of an hour.
const HOUR_MINUTES: i16 = 60;

/// A local time of day to the minute, `00:00` to `24:00`; the last is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime {
    minutes: i16,
}

/// The text is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0:?} is not a time of day; write HH:MM from 00:00 to 24:00, as in 03:00")]
pub struct LocalTimeError(pub String);

impl LocalTime {
    /// The time of that many whole hours after midnight; more than 24 are 24.
    pub const fn from_hour(hour: u8) -> Self {
        let hour = if hour > 24 { 24 } else { hour };
        Self { minutes: hour as i16 * HOUR_MINUTES }
    }

    /// Minutes after midnight, 0 to 1,440.
    pub const fn minutes(self) -> i16 {
        self.minutes
    }

    /// This time on a date; 24:00 is midnight of the next. `None` at the end of the calendar.
    pub fn on(self, date: Date) -> Option<DateTime> {
        if self.minutes >= DAY_MINUTES {
            return Some(date.tomorrow().ok()?.to_datetime(Time::midnight()));
        }
        let hour = i8::try_from(self.minutes / HOUR_MINUTES).ok()?;
        let minute = i8::try_from(self.minutes % HOUR_MINUTES).ok()?;
        Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?))
    }
}

impl FromStr for LocalTime {
    type Err = LocalTimeError;

    fn from_str(text: &str) -> Result<Self, LocalTimeError> {
        let refuse = || LocalTimeError(text.to_owned());
        let two_digits = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<i16>().ok()).flatten().ok_or_else(refuse)
        };
        let (hour, minute) = text.split_once(':').ok_or_else(refuse)?;
        let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
        let minutes = hour * HOUR_MINUTES + minute;
        if minute < HOUR_MINUTES && minutes <= DAY_MINUTES { Ok(Self { minutes }) } else { Err(refuse()) }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / HOUR_MINUTES, self.minutes % HOUR_MINUTES)
    }
}

impl serde::Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum DayOfWeek {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl DayOfWeek {
    /// Every day, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mon => "Mon",
            Self::Tue => "Tue",
            Self::Wed => "Wed",
            Self::Thu => "Thu",
            Self::Fri => "Fri",
            Self::Sat => "Sat",
            Self::Sun => "Sun",
        }
    }

    /// The day of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.name() == name)
    }

    /// The day of the week of a date.
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

impl fmt::Display for DayOfWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn times_of_day_are_read_and_written_to_the_minute() {
        for (text, minutes) in [("00:00", 0), ("03:00", 180), ("23:59", 1439), ("24:00", 1440)] {
            let time: LocalTime = text.parse().unwrap();
            assert_eq!((time.minutes(), time.to_string().as_str()), (minutes, text));
            assert_eq!(serde_json::to_value(time).unwrap(), text);
        }
        for text in
            ["", "3:00", "03:0", "03:60", "24:01", "25:00", "-1:00", "03:00:00", "0300", "aa:bb", "+3:00", "03:99"]
        {
            assert_eq!(text.parse::<LocalTime>(), Err(LocalTimeError(text.to_owned())), "{text:?}");
        }
        assert_eq!(LocalTime::from_hour(7).to_string(), "07:00");
        assert_eq!(LocalTime::from_hour(24).to_string(), "24:00");
        assert_eq!(LocalTime::from_hour(25).to_string(), "24:00");
    }

    #[test]
    fn the_end_of_a_day_is_midnight_of_the_next() {
        let day = date(2026, 3, 4);
        let on = |text: &str| text.parse::<LocalTime>().unwrap().on(day).unwrap().to_string();
        assert_eq!(on("24:00"), "2026-03-05T00:00:00");
        assert_eq!(on("23:59"), "2026-03-04T23:59:00");
        assert_eq!(on("00:05"), "2026-03-04T00:05:00");
        assert_eq!(LocalTime::from_hour(24).on(Date::MAX), None);
    }

    #[test]
    fn days_have_names_and_dates_have_days() {
        for (offset, day) in DayOfWeek::ALL.into_iter().enumerate() {
            let monday_on = date(2026, 3, 2 + i8::try_from(offset).unwrap());
            assert_eq!(DayOfWeek::of(monday_on), day);
            assert_eq!(DayOfWeek::from_name(day.name()), Some(day));
            assert_eq!(serde_json::to_value(day).unwrap(), day.to_string());
        }
        assert_eq!(DayOfWeek::from_name("Monday"), None);
    }
}
