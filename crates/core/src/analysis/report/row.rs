//! One row of a report: its fields, read and checked.

use core::fmt;

use alloc::borrow::Cow;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::rejection::RejectionReason;
use crate::{analysis::non_finite::names_non_finite, prelude::*, value::nearest_name};

/// The fields of the contract.
pub(super) const FIELDS: [&str; 13] = [
    "epoch_id",
    "run_id",
    "test_id",
    "domain",
    "status",
    "latency_ms",
    "throughput",
    "oom_events",
    "cpu_pct",
    "memory_mb",
    "start_time",
    "end_time",
    "params",
];

/// Longest name of a domain: that of a label in Kubernetes.
pub const DOMAIN_NAME_LENGTH_MAX: usize = 63;
/// Longest id of a test, run or epoch: that of an object's name in Kubernetes.
pub const IDENTIFIER_LENGTH_MAX: usize = 253;
/// Longest latency of one test, milliseconds: a day. A whole run takes at most hours.
const LATENCY_MS_MAX: f64 = 86_400_000.0;
/// Largest throughput of one test, per second.
const THROUGHPUT_MAX: f64 = 1e12;
/// Most OOM events of one test: an engine that restarts once a second does not reach it in a day.
const OOM_EVENTS_MAX: f64 = 100_000.0;
/// Largest CPU use: 10,000 cores.
const CPU_PERCENT_MAX: f64 = 1_000_000.0;
/// Largest memory use, megabytes: a petabyte.
const MEMORY_MEGABYTES_MAX: f64 = 1e9;
/// Latest time given in seconds since 1970: the year 2100. What is larger is milliseconds.
const EPOCH_SECONDS_MAX: f64 = 4_102_444_800.0;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TestStatus {
    /// Passed.
    Pass,
    /// Failed.
    Fail,
    /// Passed only on a repeated try.
    Flake,
    /// Skipped on purpose.
    Skip,
}

impl TestStatus {
    /// Statuses by the names that rows have.
    const NAMES: [(&'static str, Self); 4] =
        [("pass", Self::Pass), ("fail", Self::Fail), ("flake", Self::Flake), ("skip", Self::Skip)];
}

/// Why a row is rejected, with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) reason: RejectionReason,
    pub(super) detail: String,
}

impl Rejection {
    pub(super) fn new(reason: RejectionReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// A row whose fields are all possible. Figures that it does not have are absent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) epoch_id: Option<Cow<'a, str>>,
    pub(super) run_id: Option<Cow<'a, str>>,
    pub(super) test_id: Cow<'a, str>,
    pub(super) domain: Cow<'a, str>,
    pub(super) status: TestStatus,
    pub(super) latency_ms: Option<f64>,
    pub(super) throughput: Option<f64>,
    pub(super) oom_events: u64,
    pub(super) cpu_percent: Option<f64>,
    pub(super) memory_megabytes: Option<f64>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) end_time: Option<Timestamp>,
}

/// The fields of a row as they stand, and the names that the contract does not know.
#[derive(Debug, Default)]
pub(super) struct RawRow<'a> {
    known: [Option<Scalar<'a>>; FIELDS.len()],
    pub(super) unknown: Vec<Cow<'a, str>>,
}

/// A field's value, as far as the contract uses it.
#[derive(Debug, Clone, PartialEq)]
enum Scalar<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, str>),
    Other(&'static str),
}

impl<'a> RawRow<'a> {
    /// Reads a line that begins with a brace.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let row = Self::deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(row)
    }

    /// Checks every field.
    pub(super) fn check(mut self) -> Result<Row<'a>, Rejection> {
        let test_id = self.required_identifier("test_id", IDENTIFIER_LENGTH_MAX)?;
        let domain = self.required_identifier("domain", DOMAIN_NAME_LENGTH_MAX)?;
        let status = self.status()?;
        let (start_time, end_time) = (self.time("start_time")?, self.time("end_time")?);
        if start_time.zip(end_time).is_some_and(|(start, end)| end < start) {
            return Err(Rejection::new(RejectionReason::ImpossibleValue, "\"end_time\" lies before \"start_time\""));
        }
        Ok(Row {
            epoch_id: self.identifier("epoch_id", IDENTIFIER_LENGTH_MAX)?,
            run_id: self.identifier("run_id", IDENTIFIER_LENGTH_MAX)?,
            test_id,
            domain,
            status,
            latency_ms: self.figure("latency_ms", LATENCY_MS_MAX)?,
            throughput: self.figure("throughput", THROUGHPUT_MAX)?,
            oom_events: self.oom_events()?,
            cpu_percent: self.figure("cpu_pct", CPU_PERCENT_MAX)?,
            memory_megabytes: self.figure("memory_mb", MEMORY_MEGABYTES_MAX)?,
            start_time,
            end_time,
        })
    }

    /// The field's value; `None` where it is absent or null.
    fn take(&mut self, field: &str) -> Option<Scalar<'a>> {
        let place = FIELDS.iter().position(|known| *known == field)?;
        self.known.get_mut(place)?.take().filter(|value| *value != Scalar::Null)
    }

    fn identifier(&mut self, field: &str, length_max: usize) -> Result<Option<Cow<'a, str>>, Rejection> {
        let text = match self.take(field) {
            None => return Ok(None),
            Some(Scalar::Text(text)) => text,
            // Epochs and tests may be numbered.
            Some(Scalar::Number(number)) => Cow::Owned(number.to_string()),
            Some(other) => return Err(wrong_type(field, &other, "a text")),
        };
        if text.is_empty() || text.len() > length_max || text.contains(char::is_control) {
            let detail = format!("field {field:?} must have 1 to {length_max} bytes without control characters");
            return Err(Rejection::new(RejectionReason::ImpossibleValue, detail));
        }
        Ok(Some(text))
    }

    fn required_identifier(&mut self, field: &str, length_max: usize) -> Result<Cow<'a, str>, Rejection> {
        self.identifier(field, length_max)?.ok_or_else(|| missing(field))
    }

    fn status(&mut self) -> Result<TestStatus, Rejection> {
        let name = match self.take("status") {
            None => return Err(missing("status")),
            Some(Scalar::Text(name)) => name,
            Some(other) => return Err(wrong_type("status", &other, "a text")),
        };
        if let Some((_, status)) = TestStatus::NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*status);
        }
        let shown: String = name.chars().take(20).collect();
        let hint = nearest_name(&name, TestStatus::NAMES.map(|(known, _)| known))
            .map_or_else(String::new, |nearest| format!("; did you mean {nearest:?}?"));
        let detail = format!("status {shown:?} is none of pass, fail, flake, skip{hint}");
        Err(Rejection::new(RejectionReason::UnknownStatus, detail))
    }

    fn figure(&mut self, field: &str, maximum: f64) -> Result<Option<f64>, Rejection> {
        match self.take(field) {
            None => Ok(None),
            Some(Scalar::Number(number)) if (0.0..=maximum).contains(&number) => Ok(Some(number)),
            Some(Scalar::Number(number)) => Err(impossible(field, &number, maximum)),
            Some(Scalar::Text(text)) if names_non_finite(&text) => Err(impossible(field, &text, maximum)),
            Some(other) => Err(wrong_type(field, &other, "a number")),
        }
    }

    fn oom_events(&mut self) -> Result<u64, Rejection> {
        let events = self.figure("oom_events", OOM_EVENTS_MAX)?.unwrap_or_default();
        if libm::floor(events) < events {
            let detail = format!("field \"oom_events\" is {events}, expected a whole number");
            return Err(Rejection::new(RejectionReason::ImpossibleValue, detail));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and from 0 to 100,000")]
        let events = events as u64;
        Ok(events)
    }

    /// A time: RFC 3339, or seconds since 1970. A time without offset is taken as UTC.
    fn time(&mut self, field: &str) -> Result<Option<Timestamp>, Rejection> {
        let time = match self.take(field) {
            None => return Ok(None),
            Some(Scalar::Text(text)) => text.parse().ok().or_else(|| utc_time(&text)),
            Some(Scalar::Number(seconds)) => epoch_time(seconds),
            Some(other) => return Err(wrong_type(field, &other, "a time")),
        };
        let refuse = || {
            let detail = format!("field {field:?} is no time of RFC 3339, and no count of seconds since 1970");
            Rejection::new(RejectionReason::ImpossibleValue, detail)
        };
        time.map(Some).ok_or_else(refuse)
    }
}

fn utc_time(text: &str) -> Option<Timestamp> {
    let local: civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn epoch_time(seconds: f64) -> Option<Timestamp> {
    if !(0.0..=EPOCH_SECONDS_MAX).contains(&seconds) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "at most 4.2 * 10^12")]
    let milliseconds = libm::round(seconds * 1_000.0) as i64;
    Timestamp::from_millisecond(milliseconds).ok()
}

fn missing(field: &str) -> Rejection {
    Rejection::new(RejectionReason::MissingField, format!("no field {field:?}"))
}

fn wrong_type(field: &str, value: &Scalar<'_>, expected: &str) -> Rejection {
    let found = match value {
        Scalar::Null => "null",
        Scalar::Number(_) => "a number",
        Scalar::Text(_) => "a text",
        Scalar::Other(kind) => kind,
    };
    Rejection::new(RejectionReason::WrongType, format!("field {field:?} is {found}, expected {expected}"))
}

fn impossible(field: &str, value: &dyn fmt::Display, maximum: f64) -> Rejection {
    let detail = format!("field {field:?} is {value}, expected 0 to {maximum}");
    Rejection::new(RejectionReason::ImpossibleValue, detail)
}

impl<'de> Deserialize<'de> for RawRow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = RawRow<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<RawRow<'de>, M::Error> {
        let mut row = RawRow::default();
        while let Some(Text(name)) = map.next_key()? {
            let place = FIELDS.iter().position(|known| *known == name);
            let Some(slot) = place.and_then(|place| row.known.get_mut(place)) else {
                map.next_value::<IgnoredAny>()?;
                row.unknown.push(name);
                continue;
            };
            if slot.replace(map.next_value()?).is_some() {
                return Err(M::Error::custom(format!("field {name:?} stands twice")));
            }
        }
        Ok(row)
    }
}

/// A text, borrowed from the line where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("a field's name is no text")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other("true or false"))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut entries: S) -> Result<Scalar<'de>, S::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<Scalar<'de>, M::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}

#[cfg(test)]
mod tests;
