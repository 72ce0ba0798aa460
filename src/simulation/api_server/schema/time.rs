//! Instants as Go reads them, with its messages.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// The form of an instant with whole seconds.
const SECONDS: Layout = Layout { shown: "2006-01-02T15:04:05Z07:00", fraction: false };
/// The form of an instant with microseconds.
const MICROSECONDS: Layout = Layout { shown: "2006-01-02T15:04:05.000000Z07:00", fraction: true };

struct Layout {
    shown: &'static str,
    /// Whether six digits after the second are a part of the form.
    fraction: bool,
}

/// An instant in the one form in which the API server writes it.
///
/// # Errors
/// Where the text ceases to be an instant.
pub(super) fn written(text: &str, microseconds: bool) -> Result<String, String> {
    let layout = if microseconds { MICROSECONDS } else { SECONDS };
    check(text, &layout)?;
    let out_of_range = |_| format!("parsing time {text:?}: day out of range");
    let instant: Timestamp = text.replace(',', ".").parse().map_err(out_of_range)?;
    let precision = if microseconds { 6 } else { 0 };
    Ok(DateTimePrinter::new().precision(Some(precision)).timestamp_to_string(&instant))
}

fn check(text: &str, layout: &Layout) -> Result<(), String> {
    let told = |rest: &str, element: &str| {
        format!("parsing time {text:?} as {:?}: cannot parse {rest:?} as {element:?}", layout.shown)
    };
    let elements = [
        ("2006", 4),
        ("-", 0),
        ("01", 2),
        ("-", 0),
        ("02", 2),
        ("T", 0),
        ("15", 2),
        (":", 0),
        ("04", 2),
        (":", 0),
        ("05", 2),
    ];
    let mut rest = text;
    for (element, digits) in elements {
        let after = match digits {
            0 => rest.strip_prefix(element),
            digits => number(rest, digits).map(|(_, after)| after),
        };
        let Some(after) = after else { return Err(told(rest, element)) };
        check_range(text, element, number(rest, digits.max(1)).map_or(0, |(value, _)| value))?;
        rest = after;
    }
    if layout.fraction {
        let fraction = rest.strip_prefix(['.', ',']).and_then(|digits| number(digits, 6));
        rest = fraction.ok_or_else(|| told(rest, ".000000"))?.1;
    } else if let Some(digits) = rest.strip_prefix(['.', ',']).filter(|digits| number(digits, 1).is_some()) {
        // Any number of digits may follow the second.
        rest = digits.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    let zone = match rest.strip_prefix('Z') {
        Some(after) => Some(after),
        None => offset(rest),
    };
    match zone {
        None => Err(told(rest, "Z07:00")),
        Some("") => Ok(()),
        Some(extra) => Err(format!("parsing time {text:?}: extra text: {extra:?}")),
    }
}

/// What follows `+01:00`.
fn offset(text: &str) -> Option<&str> {
    let (_, after) = number(text.strip_prefix(['+', '-'])?, 2)?;
    number(after.strip_prefix(':')?, 2).map(|(_, after)| after)
}

/// A number of exactly so many digits, and what follows it.
fn number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let (number, after) = text.split_at_checked(digits)?;
    let whole = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| whole).map(|value| (value, after))
}

fn check_range(text: &str, element: &str, value: u32) -> Result<(), String> {
    let (name, most, least) = match element {
        "01" => ("month", 12, 1),
        "15" => ("hour", 23, 0),
        "04" => ("minute", 59, 0),
        "05" => ("second", 59, 0),
        _ => return Ok(()),
    };
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("parsing time {text:?}: {name} out of range")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_in_one_form() {
        for (text, seconds) in [
            ("2026-03-04T03:00:00Z", "2026-03-04T03:00:00Z"),
            ("2026-03-04T03:00:00.999Z", "2026-03-04T03:00:00Z"),
            ("2026-03-04T03:00:00+01:00", "2026-03-04T02:00:00Z"),
        ] {
            assert_eq!(written(text, false).unwrap(), seconds, "{text}");
        }
        assert_eq!(written("2026-03-04T03:00:00.123456Z", true).unwrap(), "2026-03-04T03:00:00.123456Z");
    }

    #[test]
    fn the_first_wrong_part_is_told() {
        let layout = |text: &str, rest: &str, element: &str| {
            format!(
                "parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse {rest:?} as {element:?}"
            )
        };
        for (text, rest, element) in [
            ("2026-03-04T03:00:00Z", "Z", ".000000"),
            ("2026-03-04T03:00:00.123456789Z", "789Z", "Z07:00"),
            ("2026-03-04 03:00", " 03:00", "T"),
            ("tomorrow", "tomorrow", "2006"),
        ] {
            assert_eq!(written(text, true).unwrap_err(), layout(text, rest, element));
        }
        let month = "2026-13-04T03:00:00Z";
        assert_eq!(written(month, false).unwrap_err(), format!("parsing time {month:?}: month out of range"));
        let day = "2026-02-30T03:00:00Z";
        assert_eq!(written(day, false).unwrap_err(), format!("parsing time {day:?}: day out of range"));
    }
}
