//! One field of a cron expression: its range, its names, and the set of values it stands for.

use core::fmt;

use crate::prelude::*;

/// The five fields in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CronField {
    /// Minute, 0 to 59.
    Minute,
    /// Hour, 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    DayOfMonth,
    /// Month, 1 to 12 or JAN to DEC.
    Month,
    /// Day of the week, 0 to 7 or SUN to SAT; 0 and 7 are Sunday.
    DayOfWeek,
}

/// Months by their three letters, from 1.
const MONTH_NAMES: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
/// Days of the week by their three letters, from 0.
const WEEKDAY_NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Sunday is 0 and, by the same old custom, 7.
const SECOND_SUNDAY: u32 = 7;

impl CronField {
    /// The fields in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek];

    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        }
    }

    /// Smallest and largest value that may be written.
    pub const fn bounds(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, SECOND_SUNDAY),
        }
    }

    /// The names that stand for values, the first for the smallest value.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTH_NAMES,
            Self::DayOfWeek => &WEEKDAY_NAMES,
            Self::Minute | Self::Hour | Self::DayOfMonth => &[],
        }
    }

    /// A single number or name.
    fn read_value(self, text: &str) -> Result<u32, String> {
        let (low, high) = self.bounds();
        let position = self.names().iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(value) = position.and_then(|position| u32::try_from(position).ok()) {
            return Ok(low + value);
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let or_names = if self.names().is_empty() { "" } else { " or a three-letter name" };
            return Err(format!("{text:?} is no number{or_names}"));
        }
        match text.parse::<u32>() {
            Ok(value) if (low..=high).contains(&value) => Ok(value),
            _ => Err(format!("{text} is outside {low}-{high}")),
        }
    }

    /// One part between commas: `*`, `7`, `1-5`, and with `/step` behind a star or a range.
    fn read_part(self, part: &str) -> Result<(u32, u32, u32), String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (low, high) = if range == "*" {
            self.bounds()
        } else if let Some((from, to)) = range.split_once('-') {
            (self.read_value(from)?, self.read_value(to)?)
        } else {
            let value = self.read_value(range)?;
            if step.is_some() {
                return Err(format!("a step needs a range before it: write {value}-{}/…", self.bounds().1));
            }
            (value, value)
        };
        if low > high {
            return Err(format!("the range {range} runs backwards"));
        }
        let Some(step) = step else { return Ok((low, high, 1)) };
        match step.parse::<u32>() {
            Ok(step) if step > 0 && step <= high => Ok((low, high, step)),
            _ => Err(format!("the step {step:?} is not between 1 and {high}")),
        }
    }

    /// Reads the field's text.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn read(self, text: &str) -> Result<ValueSet, String> {
        let mut bits = 0_u64;
        for part in text.split(',') {
            let (low, high, step) = self.read_part(part)?;
            let mut value = low;
            while value <= high {
                let stored = if self == Self::DayOfWeek && value == SECOND_SUNDAY { 0 } else { value };
                bits |= 1 << stored;
                value += step;
            }
        }
        Ok(ValueSet { bits, any: text == "*" })
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values a field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ValueSet {
    /// Bit n is set if value n is meant.
    bits: u64,
    /// Whether the field was a bare `*`.
    any: bool,
}

impl ValueSet {
    /// Whether the field was a bare `*`, which leaves the choice of the day to the other day field.
    pub(super) const fn is_any(self) -> bool {
        self.any
    }

    /// Whether the value is meant.
    pub(super) fn contains(self, value: u32) -> bool {
        value < u64::BITS && self.bits >> value & 1 == 1
    }

    /// The values in ascending order.
    pub(super) fn values(self) -> impl Iterator<Item = u32> {
        (0..u64::BITS).filter(move |value| self.contains(*value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(field: CronField, text: &str) -> Vec<u32> {
        field.read(text).unwrap().values().collect()
    }

    #[test]
    fn lists_ranges_steps_and_names_give_their_values() {
        assert_eq!(values(CronField::Minute, "*/20"), [0, 20, 40]);
        assert_eq!(values(CronField::Minute, "5-12/3,59,0"), [0, 5, 8, 11, 59]);
        assert_eq!(values(CronField::Minute, "0-59/59"), [0, 59]);
        assert_eq!(values(CronField::Hour, "*"), (0..24).collect::<Vec<_>>());
        assert_eq!(values(CronField::Hour, "22-23"), [22, 23]);
        assert_eq!(values(CronField::DayOfMonth, "1,31"), [1, 31]);
        assert_eq!(values(CronField::Month, "jan-MAR,Dec"), [1, 2, 3, 12]);
        assert_eq!(values(CronField::DayOfWeek, "MON-FRI"), [1, 2, 3, 4, 5]);
        assert_eq!(values(CronField::DayOfWeek, "5-7"), [0, 5, 6]);
        assert_eq!(values(CronField::DayOfWeek, "7"), [0]);
        assert_eq!(values(CronField::DayOfWeek, "*/3"), [0, 3, 6]);
        assert_eq!(values(CronField::DayOfWeek, "*"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(values(CronField::DayOfWeek, "*/7"), [0]);
    }

    #[test]
    fn only_a_bare_star_leaves_the_choice_open() {
        for (text, any) in [("*", true), ("*/1", false), ("1-31", false), ("*,5", false)] {
            assert_eq!(CronField::DayOfMonth.read(text).unwrap().is_any(), any, "{text}");
        }
    }

    #[test]
    fn a_bad_field_is_refused_with_what_is_wrong() {
        let table = [
            (CronField::Minute, "60", "60 is outside 0-59"),
            (CronField::Hour, "24", "24 is outside 0-23"),
            (CronField::DayOfMonth, "0", "0 is outside 1-31"),
            (CronField::DayOfMonth, "32", "32 is outside 1-31"),
            (CronField::Month, "13", "13 is outside 1-12"),
            (CronField::Month, "0", "0 is outside 1-12"),
            (CronField::DayOfWeek, "8", "8 is outside 0-7"),
            (CronField::Minute, "99999999999", "99999999999 is outside 0-59"),
            (CronField::Minute, "", "\"\" is no number"),
            (CronField::Minute, "1,,2", "\"\" is no number"),
            (CronField::Minute, "MON", "\"MON\" is no number"),
            (CronField::Minute, "-5", "\"\" is no number"),
            (CronField::Month, "MON", "\"MON\" is no number or a three-letter name"),
            (CronField::DayOfWeek, "5L", "\"5L\" is no number or a three-letter name"),
            (CronField::DayOfMonth, "15W", "\"15W\" is no number"),
            (CronField::DayOfMonth, "?", "\"?\" is no number"),
            (CronField::Hour, "5-3", "the range 5-3 runs backwards"),
            (CronField::DayOfWeek, "FRI-SUN", "the range FRI-SUN runs backwards"),
            (CronField::Hour, "5/2", "a step needs a range before it: write 5-23/…"),
            (CronField::Hour, "*/0", "the step \"0\" is not between 1 and 23"),
            (CronField::Hour, "*/24", "the step \"24\" is not between 1 and 23"),
            (CronField::Hour, "*/x", "the step \"x\" is not between 1 and 23"),
            (CronField::Hour, "1-5/6", "the step \"6\" is not between 1 and 5"),
        ];
        for (field, text, expected) in table {
            assert_eq!(field.read(text), Err(expected.to_owned()), "{field} {text:?}");
        }
        assert_eq!(values(CronField::Hour, "3-3"), [3]);
        assert_eq!(values(CronField::Hour, "*/23"), [0, 23]);
        assert_eq!(values(CronField::Hour, "1-5/5"), [1]);
    }

    #[test]
    fn values_beyond_the_set_are_not_in_it() {
        let set = CronField::Minute.read("59").unwrap();
        assert!(set.contains(59) && !set.contains(58) && !set.contains(63) && !set.contains(64) && !set.contains(123));
        assert_eq!(CronField::ALL.map(CronField::name), ["minute", "hour", "day of month", "month", "day of week"]);
    }
}
