//! Tunable parameters and their values.

use core::{fmt, str::FromStr};

use super::Decimal;
use crate::prelude::*;

/// A parameter by its canonical flag name, without dashes in front: `gpu-memory-utilization`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ParameterName(String);

impl ParameterName {
    /// The canonical form of a flag as anybody spells it: leading dashes fall away, underscores become dashes, letters
    /// become small.
    pub fn new(spelling: &str) -> Self {
        Self(spelling.trim_start_matches('-').replace('_', "-").to_ascii_lowercase())
    }

    /// The canonical name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parameter's value. Numbers are exact, so that equal values are one candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterValue {
    /// A number, whole or decimal.
    Number(Decimal),
    /// A word, such as `auto` or `true`.
    Text(String),
}

impl ParameterValue {
    /// The number, if it is one.
    pub const fn as_number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

impl FromStr for ParameterValue {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Number))
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Number)
    }
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for ParameterValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Read from a number, a word, or true and false: as people write values of flags.
impl<'de> serde::Deserialize<'de> for ParameterValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParameterValueVisitor)
    }
}

/// Longest word that a flag's value may be: as in the CRDs.
pub const VALUE_LENGTH_MAX: usize = 256;

struct ParameterValueVisitor;

impl serde::de::Visitor<'_> for ParameterValueVisitor {
    type Value = ParameterValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a word")
    }

    fn visit_bool<E: serde::de::Error>(self, switch: bool) -> Result<ParameterValue, E> {
        Ok(ParameterValue::Text(switch.to_string()))
    }

    fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<ParameterValue, E> {
        self.visit_str(&whole.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<ParameterValue, E> {
        self.visit_str(&whole.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<ParameterValue, E> {
        number.to_string().parse().map(ParameterValue::Number).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ParameterValue, E> {
        if text.is_empty() || text.chars().count() > VALUE_LENGTH_MAX {
            return Err(E::custom(format!("a value has 1 to {VALUE_LENGTH_MAX} characters")));
        }
        Ok(ParameterValue::from(text))
    }
}

/// What a candidate sets: values by parameter. An incumbent sets nothing.
pub type ParameterSet = BTreeMap<ParameterName, ParameterValue>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_flag_is_one_parameter() {
        for spelling in
            ["--gpu-memory-utilization", "gpu_memory_utilization", "--gpu_memory_utilization", "GPU-memory-utilization"]
        {
            assert_eq!(ParameterName::new(spelling).as_str(), "gpu-memory-utilization");
        }
    }

    #[test]
    fn equal_numbers_are_one_value_however_written() {
        assert_eq!(ParameterValue::from("0.70"), ParameterValue::from("0.7"));
        assert_ne!(ParameterValue::from("auto"), ParameterValue::from("1"));
        assert_eq!(ParameterValue::from("0.70").to_string(), "0.7");
        assert_eq!(ParameterValue::from("fp8").to_string(), "fp8");
        assert_eq!(ParameterValue::from("fp8").as_number(), None);
        assert_eq!("32".parse(), Ok(ParameterValue::Number(Decimal::from_integer(32))));
        let read = |json: &str| serde_json::from_str::<ParameterValue>(json);
        for json in ["\"0.70\"", "0.70", "0.7"] {
            assert_eq!(read(json).unwrap(), ParameterValue::from("0.7"));
        }
        assert_eq!(read("32").unwrap(), ParameterValue::from("32"));
        assert_eq!(read("-1").unwrap(), ParameterValue::from("-1"));
        assert_eq!(read("true").unwrap(), ParameterValue::from("true"));
        assert_eq!(serde_json::to_string(&read("0.70").unwrap()).unwrap(), "\"0.7\"");
    }

    #[test]
    fn what_is_no_value_of_a_flag_is_refused() {
        let read = |json: &str| serde_json::from_str::<ParameterValue>(json).map_err(|error| error.to_string());
        for json in ["null", "[1]", "{}", "\"\"", "0.0000001"] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read("{}").unwrap_err().contains("a number or a word"));
        let word = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(read(&word(VALUE_LENGTH_MAX)).is_ok());
        assert!(read(&word(VALUE_LENGTH_MAX + 1)).unwrap_err().contains("1 to 256 characters"));
    }
}
