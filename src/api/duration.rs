//! Durations on the wire: text such as `90s` or `1h30m`, read once, at the border.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::SignedDuration;
use phaseloop_core::value::{
    duration::{DURATION_TEXT_LENGTH_MAX, DurationError},
    format_duration, parse_duration,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the API server admits: a part of what `parse_duration` reads. With at most nine digits a number can't overflow.
pub const DURATION_PATTERN: &str = "^([0-9]{1,9}(h|m|s|ms))+$";

/// A duration that is written as whole numbers with `h`, `m`, `s` or `ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub SignedDuration);

impl From<SignedDuration> for Duration {
    fn from(duration: SignedDuration) -> Self {
        Self(duration)
    }
}

impl From<Duration> for SignedDuration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_duration(text).map(Self)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": DURATION_TEXT_LENGTH_MAX, "pattern": DURATION_PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_text_that_the_pattern_admits_is_readable() {
        for text in ["999999999h999999999h999999999h", "0s", "999999999ms", "1h30m15s250ms"] {
            assert!(text.len() <= DURATION_TEXT_LENGTH_MAX);
            assert!(serde_json::from_value::<Duration>(text.into()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        let duration: Duration = serde_json::from_value("90m".into()).unwrap();
        assert_eq!(serde_json::to_value(duration).unwrap(), "1h30m");
        let error = serde_json::from_value::<Duration>("5d".into()).unwrap_err().to_string();
        assert!(error.contains("\"5d\" is not a duration"), "{error}");
    }
}
