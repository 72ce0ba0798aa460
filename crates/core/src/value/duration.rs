//! Durations as users write them in our objects: `90s`, `1h30m`, `250ms`. The same grammar as the pattern in the CRDs.

use jiff::SignedDuration;

use crate::prelude::*;

/// The longest text of a duration: what the CRDs allow.
pub const DURATION_TEXT_LENGTH_MAX: usize = 32;

/// Milliseconds per unit, longest unit first, as durations are written.
const UNITS: [(&str, i64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write whole numbers with h, m, s or ms, as in 90s, 4h or 1h30m")]
pub struct DurationError(pub String);

/// Reads `1h30m`, `90s`, `250ms`: one or more whole numbers, each with its unit. There are no signs, so no duration of
/// ours is negative.
///
/// # Errors
/// [`DurationError`] with the text as it stood.
pub fn parse_duration(text: &str) -> Result<SignedDuration, DurationError> {
    let refuse = || DurationError(text.to_owned());
    if text.is_empty() || text.len() > DURATION_TEXT_LENGTH_MAX {
        return Err(refuse());
    }
    let mut rest = text;
    let mut total_ms: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: i64 = number.parse().map_err(|_| refuse())?;
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        total_ms = number.checked_mul(*unit_ms).and_then(|part| total_ms.checked_add(part)).ok_or_else(refuse)?;
        rest = tail;
    }
    Ok(SignedDuration::from_millis(total_ms))
}

/// Writes a duration in the fewest units, as [`parse_duration`] reads it: `90m` prints as `1h30m`, zero as `0s`.
/// Anything below a millisecond is cut off; a negative duration gets a `-` in front, for messages.
pub fn format_duration(duration: SignedDuration) -> String {
    let mut rest_ms = duration.as_millis().unsigned_abs();
    let mut text = if duration.as_millis() < 0 { "-".to_owned() } else { String::new() };
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    for (unit, unit_ms) in UNITS {
        let unit_ms = u128::from(unit_ms.unsigned_abs());
        if rest_ms >= unit_ms {
            text.push_str(&(rest_ms / unit_ms).to_string());
            text.push_str(unit);
            rest_ms %= unit_ms;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_users_write_them() {
        for (text, seconds) in [("90s", 90), ("4h", 14_400), ("1h30m", 5_400), ("0s", 0), ("168h", 604_800)] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s250ms"), Ok(SignedDuration::from_millis(1_250)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "5", "s", "-5s", "5 s", "1.5h", "5d", "1h-30m", "99999999999999999999h", "9223372036854775807h"]
        {
            assert_eq!(parse_duration(text), Err(DurationError(text.to_owned())), "{text:?}");
        }
        let long = "1s".repeat(17);
        assert!(parse_duration(&long).is_err());
        assert!(parse_duration(&"1s".repeat(16)).is_ok());
    }

    #[test]
    fn durations_print_in_the_fewest_units() {
        assert_eq!(format_duration(SignedDuration::from_mins(90)), "1h30m");
        assert_eq!(format_duration(SignedDuration::ZERO), "0s");
        assert_eq!(format_duration(SignedDuration::from_millis(60_001)), "1m1ms");
        assert_eq!(format_duration(SignedDuration::from_hours(53)), "53h");
        assert_eq!(format_duration(SignedDuration::from_secs(-90)), "-1m30s");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_duration(ms in 0_i64..10_000_000_000) {
            let duration = SignedDuration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
