//! The fields of a result file, read by name and type.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::error::BenchError;
use crate::{
    analysis::{
        non_finite::{names_non_finite, quote_non_finite},
        summary::{Moments, SAMPLE_MAGNITUDE_MAX},
    },
    prelude::*,
};

/// What a figure may be, for the errors.
const FIGURE_EXPECTED: &str = "a number from 0 to 1e15";
/// What a count may be, for the errors.
const COUNT_EXPECTED: &str = "a whole number from 0";

/// The fields of one result. Inter-token gaps are kept as their sum per request only: a file may hold millions.
#[derive(Debug)]
pub(super) struct Document {
    fields: BTreeMap<String, Value>,
    gap_sums_seconds: Option<Vec<f64>>,
}

impl Document {
    /// Reads the one JSON object of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BenchError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match Self::parse(bytes) {
            // Python writes NaN and Infinity bare: with quotes the field that holds one can be named.
            Err(error @ BenchError::BrokenJson { .. }) => {
                quote_non_finite(bytes).map_or(Err(error), |quoted| Self::parse(&quoted))
            }
            outcome => outcome,
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, BenchError> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let found = match first {
            None => Some("an empty file"),
            Some(b'[') => Some("a list"),
            Some(b'"') => Some("a text"),
            Some(b'n' | b't' | b'f' | b'0'..=b'9' | b'-') => Some("a single value"),
            Some(b'{') => None,
            Some(_) => Some("no JSON"),
        };
        if let Some(found) = found {
            return Err(BenchError::NotAnObject { found });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let document = Self::deserialize(&mut deserializer).map_err(|error| broken(&error))?;
        deserializer.end().map_err(|error| BenchError::SeveralValues { line: error.line() })?;
        Ok(document)
    }

    /// The field's value; `None` where it is absent or null.
    fn value(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// A number from 0 to 1e15.
    pub(super) fn figure(&self, field: &str) -> Result<Option<f64>, BenchError> {
        self.value(field).map(|value| figure(field, value)).transpose()
    }

    /// A number from 0 to 1e15 that must be there.
    pub(super) fn required_figure(&self, field: &str) -> Result<f64, BenchError> {
        self.figure(field)?.ok_or_else(|| self.absent(field, "a number"))
    }

    /// A whole number.
    pub(super) fn count(&self, field: &str) -> Result<Option<u64>, BenchError> {
        self.value(field).map(|value| count(field, value)).transpose()
    }

    /// A whole number that must be there.
    pub(super) fn required_count(&self, field: &str) -> Result<u64, BenchError> {
        self.count(field)?.ok_or_else(|| self.absent(field, "a whole number"))
    }

    /// A number above 0, or `None` for what Python calls infinite, or for null: no limit.
    pub(super) fn rate(&self, field: &str) -> Result<Option<f64>, BenchError> {
        match self.value(field) {
            Some(Value::String(text)) if names_non_finite(text) && !text.to_ascii_lowercase().contains("nan") => {
                Ok(None)
            }
            Some(value) => {
                let rate = figure(field, value)?;
                if rate > 0.0 { Ok(Some(rate)) } else { Err(impossible(field, &rate, "above 0, or \"inf\"")) }
            }
            None => Ok(None),
        }
    }

    /// A text.
    pub(super) fn text(&self, field: &str) -> Result<Option<&str>, BenchError> {
        self.value(field).map(|value| value.as_str().ok_or_else(|| wrong_type(field, value, "a text"))).transpose()
    }

    /// A list of figures.
    pub(super) fn figures(&self, field: &str) -> Result<Option<Vec<f64>>, BenchError> {
        self.list(field, figure)
    }

    /// A list of counts.
    pub(super) fn counts(&self, field: &str) -> Result<Option<Vec<u64>>, BenchError> {
        self.list(field, count)
    }

    /// For a list of texts: which of them say something.
    pub(super) fn non_empty(&self, field: &str) -> Result<Option<Vec<bool>>, BenchError> {
        self.list(field, |place, value| match value {
            Value::Null => Ok(false),
            Value::String(text) => Ok(!text.is_empty()),
            other => Err(wrong_type(place, other, "a text")),
        })
    }

    /// Sum of the inter-token gaps of each request, in seconds.
    pub(super) fn gap_sums_seconds(&self) -> Option<&[f64]> {
        self.gap_sums_seconds.as_deref()
    }

    fn list<T>(
        &self,
        field: &str,
        read: impl Fn(&str, &Value) -> Result<T, BenchError>,
    ) -> Result<Option<Vec<T>>, BenchError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let entries = value.as_array().ok_or_else(|| wrong_type(field, value, "a list"))?;
        let read_entry = |(place, entry)| read(&format!("{field}[{place}]"), entry);
        entries.iter().enumerate().map(read_entry).collect::<Result<_, _>>().map(Some)
    }

    fn absent(&self, field: &str, expected: &'static str) -> BenchError {
        match self.fields.get(field) {
            Some(value) => wrong_type(field, value, expected),
            None => BenchError::MissingField { field: field.to_owned() },
        }
    }
}

fn figure(place: &str, value: &Value) -> Result<f64, BenchError> {
    let figure = match value {
        Value::String(text) if names_non_finite(text) => return Err(impossible(place, text, FIGURE_EXPECTED)),
        other => other.as_f64().ok_or_else(|| wrong_type(place, other, "a number"))?,
    };
    if (0.0..=SAMPLE_MAGNITUDE_MAX).contains(&figure) {
        return Ok(figure);
    }
    Err(impossible(place, &figure, FIGURE_EXPECTED))
}

fn count(place: &str, value: &Value) -> Result<u64, BenchError> {
    if let Some(count) = value.as_u64() {
        return Ok(count);
    }
    let number = figure(place, value)?;
    if libm::floor(number) < number {
        return Err(impossible(place, &number, COUNT_EXPECTED));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and from 0 to 10^15")]
    let count = number as u64;
    Ok(count)
}

fn impossible(field: &str, value: &dyn fmt::Display, expected: &'static str) -> BenchError {
    BenchError::ImpossibleValue { field: field.to_owned(), value: value.to_string(), expected }
}

fn wrong_type(field: &str, value: &Value, expected: &'static str) -> BenchError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    BenchError::WrongType { field: field.to_owned(), found, expected }
}

fn broken(error: &serde_json::Error) -> BenchError {
    let text = error.to_string();
    let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
    BenchError::BrokenJson { line: error.line(), column: error.column(), detail: detail.to_owned() }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Document, M::Error> {
        let mut fields = BTreeMap::new();
        let mut gap_sums_seconds = None;
        while let Some(name) = map.next_key::<String>()? {
            let twice = match name.as_str() {
                "generated_texts" => map.next_value::<IgnoredAny>().map(|_| false)?,
                "itls" => gap_sums_seconds.replace(read_gap_sums(&mut map)?).is_some(),
                _ => fields.insert(name.clone(), map.next_value()?).is_some(),
            };
            if twice {
                return Err(M::Error::custom(format!("field {name:?} stands twice")));
            }
        }
        Ok(Document { fields, gap_sums_seconds })
    }
}

fn read_gap_sums<'de, M: MapAccess<'de>>(map: &mut M) -> Result<Vec<f64>, M::Error> {
    let GapSums(sums) = map.next_value().map_err(|error| M::Error::custom(format!("in field \"itls\": {error}")))?;
    Ok(sums)
}

/// The sums of the inner lists of `itls`.
struct GapSums(Vec<f64>);

impl<'de> Deserialize<'de> for GapSums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = GapSums;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of lists of seconds")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut entries: S) -> Result<GapSums, S::Error> {
                let mut sums = Vec::new();
                while let Some(GapSum(sum)) = entries.next_element()? {
                    sums.push(sum);
                }
                Ok(GapSums(sums))
            }
        }
        deserializer.deserialize_seq(Outer)
    }
}

/// The sum of one inner list of `itls`, in seconds.
struct GapSum(f64);

impl<'de> Deserialize<'de> for GapSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inner;
        impl<'de> Visitor<'de> for Inner {
            type Value = GapSum;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of seconds")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut gaps: S) -> Result<GapSum, S::Error> {
                let mut sum = 0.0;
                while let Some(gap) = gaps.next_element::<f64>()? {
                    if gap < 0.0 || !Moments::accepts(gap) {
                        return Err(S::Error::custom(format!("a gap of {gap} seconds")));
                    }
                    sum += gap;
                }
                Ok(GapSum(sum))
            }
        }
        deserializer.deserialize_seq(Inner)
    }
}
