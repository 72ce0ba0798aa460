//! Exact decimals: parameter values are compared, hashed and put into names, which floating point can't bear.

use core::{fmt, str::FromStr};

use crate::prelude::*;

/// A decimal number with at most six digits after the point, held as an integer count of millionths.
///
/// `0.70` and `0.7` are the same number, and both print as `0.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(i64);

/// How many millionths make one.
const SCALE: i64 = 1_000_000;
/// Digits after the point that a [`Decimal`] can hold.
const FRACTION_DIGITS: usize = 6;

/// The text is not a decimal number with at most six digits after the point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a decimal number with at most six digits after the point")]
pub struct DecimalError(pub String);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// A whole number; saturates beyond ±9.2e12.
    pub const fn from_integer(whole: i64) -> Self {
        Self(whole.saturating_mul(SCALE))
    }

    /// From a count of millionths.
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// As a count of millionths.
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// The nearest floating-point number, for arithmetic that needs no exactness.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }

    /// The whole number, if there is nothing after the point.
    pub const fn to_integer(self) -> Option<i64> {
        if self.0 % SCALE == 0 { Some(self.0 / SCALE) } else { None }
    }

    /// Sum; saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference; saturating.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether `self` lies a whole number of `step`s away from `origin`. A step of zero admits only the origin.
    pub const fn is_on_step(self, origin: Self, step: Self) -> bool {
        let distance = self.0.saturating_sub(origin.0);
        if step.0 == 0 { distance == 0 } else { distance % step.0 == 0 }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let refuse = || DecimalError(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let point_without_digits = digits.contains('.') && fraction.is_empty();
        if whole.is_empty() || point_without_digits || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let significant = fraction.trim_end_matches('0');
        if significant.len() > FRACTION_DIGITS {
            return Err(refuse());
        }
        let whole: i64 = whole.parse().map_err(|_| refuse())?;
        let millionths: i64 = format!("{significant:0<FRACTION_DIGITS$}").parse().map_err(|_| refuse())?;
        let magnitude =
            whole.checked_mul(SCALE).and_then(|scaled| scaled.checked_add(millionths)).ok_or_else(refuse)?;
        Ok(Self(if negative { -magnitude } else { magnitude }))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / SCALE.unsigned_abs(), magnitude % SCALE.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:06}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// Written as a number: whole where nothing stands after the point.
impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_integer() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(self.to_f64()),
        }
    }
}

/// Read from a number or from text. A floating-point number stands for the shortest decimal that names it, so `0.7` is
/// seven tenths exactly.
impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

struct DecimalVisitor;

impl serde::de::Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with at most six digits after the point")
    }

    fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<Decimal, E> {
        self.visit_str(&whole.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<Decimal, E> {
        self.visit_str(&whole.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Decimal, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn trailing_zeros_do_not_make_another_number() {
        assert_eq!("0.70".parse::<Decimal>(), "0.7".parse::<Decimal>());
        assert_eq!("0.70".parse::<Decimal>().unwrap().to_string(), "0.7");
        assert_eq!("-0.05".parse::<Decimal>().unwrap().to_string(), "-0.05");
        assert_eq!("32".parse::<Decimal>().unwrap().to_integer(), Some(32));
        assert_eq!("0.5".parse::<Decimal>().unwrap().to_integer(), None);
        assert_eq!("0.0000010".parse::<Decimal>().unwrap().millionths(), 1);
    }

    #[test]
    fn what_is_no_decimal_is_refused_with_its_text() {
        for text in
            ["", ".", "1.", ".5", "1e3", "0x10", "1_000", "+1", "--1", "0.0000001", "99999999999999", " 1", "NaN"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn steps_are_counted_from_the_origin() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert!(decimal("0.72").is_on_step(decimal("0.1"), decimal("0.01")));
        assert!(!decimal("0.725").is_on_step(decimal("0.1"), decimal("0.01")));
        assert!(decimal("5").is_on_step(decimal("5"), Decimal::ZERO));
        assert!(!decimal("6").is_on_step(decimal("5"), Decimal::ZERO));
        assert_eq!(decimal("0.8").plus(decimal("0.02")), decimal("0.82"));
        assert_eq!(decimal("0.8").minus(decimal("0.02")), decimal("0.78"));
        assert!((decimal("0.25").to_f64() - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn numbers_and_texts_are_read_exactly_and_numbers_are_written() {
        let read = |json: &str| serde_json::from_str::<Decimal>(json);
        for (json, text) in
            [("0.70", "0.7"), ("\"0.70\"", "0.7"), ("32", "32"), ("-5", "-5"), ("1.0", "1"), ("1e2", "100")]
        {
            assert_eq!(read(json).unwrap().to_string(), text, "{json}");
        }
        for json in ["0.0000001", "1e300", "\"x\"", "true", "null", "[1]"] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read("[1]").unwrap_err().to_string().contains("at most six digits"));
        let written = |text: &str| serde_json::to_string(&text.parse::<Decimal>().unwrap()).unwrap();
        assert_eq!((written("0.70").as_str(), written("32").as_str(), written("-0.5").as_str()), ("0.7", "32", "-0.5"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_number(millionths in -1_000_000_000_000_000_i64..1_000_000_000_000_000) {
            let number = Decimal::from_millionths(millionths);
            prop_assert_eq!(number.to_string().parse::<Decimal>(), Ok(number));
        }
    }
}
