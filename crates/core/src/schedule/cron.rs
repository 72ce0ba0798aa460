//! The five-field cron expression, as people write it, with errors that name the field.

use core::{fmt, str::FromStr};

use jiff::civil::{Date, Time, Weekday};

use super::cron_field::{CronField, ValueSet};
use crate::prelude::*;

/// The longest text of a cron expression: five full lists fit in it.
pub const CRON_TEXT_LENGTH_MAX: usize = 256;

/// Days searched for the next firing: nine years, because 29 February stays away for eight around the year 2100.
pub(super) const SEARCH_DAYS_MAX: i64 = 9 * 366;

/// A cron expression that fires at least once in nine years.
///
/// Five fields: minute, hour, day of month, month, day of week. Where both day fields are restricted, a day that
/// meets either is meant, as POSIX has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CronExpression {
    text: String,
    minutes: ValueSet,
    hours: ValueSet,
    days_of_month: ValueSet,
    months: ValueSet,
    days_of_week: ValueSet,
}

/// Why a text is no cron expression of ours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CronError {
    /// There are not five fields.
    #[error(
        "cron expression {text:?} has {count} fields and needs 5: minute, hour, day of month, month, day of week, as in \"0 3 * * *\""
    )]
    FieldCount {
        /// The text as it stood.
        text: String,
        /// Fields in it.
        count: usize,
    },
    /// The text is longer than [`CRON_TEXT_LENGTH_MAX`].
    #[error("cron expression of {length} characters is longer than {CRON_TEXT_LENGTH_MAX}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// One field can't be read.
    #[error("cron expression {text:?}, {field}: {problem}")]
    Field {
        /// The text as it stood.
        text: String,
        /// The field at fault.
        field: CronField,
        /// What is wrong with it.
        problem: String,
    },
    /// No day of the calendar meets the expression.
    #[error("cron expression {0:?} never fires: no such day comes in nine years")]
    NeverFires(String),
}

impl CronExpression {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the hour field is a bare `*`: the expression then follows the minute hand alone, so a clock change
    /// neither moves a firing nor leaves one out.
    pub(super) const fn is_hourly(&self) -> bool {
        self.hours.is_any()
    }

    /// Whether it fires on every day: its fields say nothing of days.
    pub(super) fn fires_daily(&self) -> bool {
        self.months.is_any() && self.days_of_month.is_any() && self.days_of_week.is_any()
    }

    /// Whether the expression fires on that date at all.
    pub(super) fn fires_on(&self, date: Date) -> bool {
        let number = |value: i8| u32::try_from(value).unwrap_or(u32::MAX);
        if !self.months.contains(number(date.month())) {
            return false;
        }
        let by_month = self.days_of_month.contains(number(date.day()));
        let by_week = self.days_of_week.contains(number(weekday_number(date.weekday())));
        if self.days_of_month.is_any() || self.days_of_week.is_any() {
            by_month && by_week
        } else {
            by_month || by_week
        }
    }

    /// The local times at which it fires on a day it fires on, ascending.
    pub(super) fn times(&self) -> impl Iterator<Item = Time> {
        self.hours.values().flat_map(move |hour| {
            self.minutes
                .values()
                .filter_map(move |minute| Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok())
        })
    }
}

/// Sunday 0 to Saturday 6.
const fn weekday_number(weekday: Weekday) -> i8 {
    weekday.to_sunday_zero_offset()
}

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        if text.len() > CRON_TEXT_LENGTH_MAX {
            return Err(CronError::TooLong { length: text.len() });
        }
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = parts.as_slice() else {
            return Err(CronError::FieldCount { text: text.to_owned(), count: parts.len() });
        };
        let read = |field: CronField, part: &str| {
            field.read(part).map_err(|problem| CronError::Field { text: text.to_owned(), field, problem })
        };
        let expression = Self {
            text: text.to_owned(),
            minutes: read(CronField::Minute, minute)?,
            hours: read(CronField::Hour, hour)?,
            days_of_month: read(CronField::DayOfMonth, day_of_month)?,
            months: read(CronField::Month, month)?,
            days_of_week: read(CronField::DayOfWeek, day_of_week)?,
        };
        let reference = super::firing::REFERENCE_DATE;
        let fires = super::firing::days_from(reference, SEARCH_DAYS_MAX).any(|date| expression.fires_on(date));
        if fires { Ok(expression) } else { Err(CronError::NeverFires(text.to_owned())) }
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for CronExpression {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn parse(text: &str) -> Result<CronExpression, CronError> {
        text.parse()
    }

    #[test]
    fn an_error_names_the_field_and_the_fault() {
        let table = [
            ("60 3 * * *", "cron expression \"60 3 * * *\", minute: 60 is outside 0-59"),
            ("0 24 * * *", "cron expression \"0 24 * * *\", hour: 24 is outside 0-23"),
            ("0 3 0 * *", "cron expression \"0 3 0 * *\", day of month: 0 is outside 1-31"),
            ("0 3 * 13 *", "cron expression \"0 3 * 13 *\", month: 13 is outside 1-12"),
            ("0 3 * * 8", "cron expression \"0 3 * * 8\", day of week: 8 is outside 0-7"),
            ("0 3 31 2 *", "cron expression \"0 3 31 2 *\" never fires: no such day comes in nine years"),
            (
                "@daily",
                "cron expression \"@daily\" has 1 fields and needs 5: minute, hour, day of month, month, day of week, as in \"0 3 * * *\"",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
        for (text, count) in [("", 0), ("0 3 * *", 4), ("0 0 3 * * *", 6)] {
            assert_eq!(parse(text), Err(CronError::FieldCount { text: text.to_owned(), count }));
        }
    }

    #[test]
    fn an_expression_is_at_most_256_characters_long() {
        let spaces = CRON_TEXT_LENGTH_MAX - "0 3 * * *".len();
        assert!(parse(&format!("{}0 3 * * *", " ".repeat(spaces))).is_ok());
        assert_eq!(
            parse(&format!("{}0 3 * * *", " ".repeat(spaces + 1))),
            Err(CronError::TooLong { length: CRON_TEXT_LENGTH_MAX + 1 })
        );
    }

    #[test]
    fn two_restricted_day_fields_mean_either_and_a_star_means_the_other() {
        let friday_13 = parse("0 3 13 * FRI").unwrap();
        assert!(friday_13.fires_on(date(2026, 3, 13))); // a Friday and the 13th
        assert!(friday_13.fires_on(date(2026, 3, 20))); // a Friday
        assert!(friday_13.fires_on(date(2026, 4, 13))); // a Monday
        assert!(!friday_13.fires_on(date(2026, 4, 14)));
        let fridays = parse("0 3 * * 5").unwrap();
        assert!(fridays.fires_on(date(2026, 3, 20)) && !fridays.fires_on(date(2026, 3, 19)));
        let thirteenth = parse("0 3 13 * *").unwrap();
        assert!(thirteenth.fires_on(date(2026, 4, 13)) && !thirteenth.fires_on(date(2026, 3, 20)));
        let sundays_of_march = parse("0 3 * MAR 7").unwrap();
        assert!(sundays_of_march.fires_on(date(2026, 3, 29)) && !sundays_of_march.fires_on(date(2026, 4, 5)));
        assert!(parse("0 3 * * *").unwrap().fires_on(date(2026, 4, 14)));
    }

    #[test]
    fn a_leap_day_is_a_day_that_comes() {
        let leap = parse("0 3 29 2 *").unwrap();
        assert!(leap.fires_on(date(2028, 2, 29)) && !leap.fires_on(date(2028, 2, 28)));
        assert_eq!(leap.as_str(), "0 3 29 2 *");
        assert_eq!(leap.to_string(), "0 3 29 2 *");
        assert_eq!(serde_json::to_value(&leap).unwrap(), "0 3 29 2 *");
    }

    #[test]
    fn times_come_in_ascending_order_and_only_a_bare_star_is_hourly() {
        let times: Vec<String> = parse("*/30 3,2 * * *").unwrap().times().map(|time| time.to_string()).collect();
        assert_eq!(times, ["02:00:00", "02:30:00", "03:00:00", "03:30:00"]);
        assert!(parse("5 * * * *").unwrap().is_hourly());
        assert!(!parse("5 */1 * * *").unwrap().is_hourly());
    }
}
