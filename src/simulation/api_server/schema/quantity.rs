//! Quantities in the one form in which the API server writes them: `1000m` becomes `1`, `0.5` becomes `500m`.

/// What the API server says of a quantity that it can't read.
pub(super) const FAULT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const NANO: i128 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Notation {
    Decimal,
    Binary,
    Exponent,
}

/// The amount in billionths, or `None` where the text is no quantity.
pub(in super::super) fn billionths(text: &str) -> Option<i128> {
    read(text).map(|(amount, _)| amount)
}

/// The canonical form, or `None` where the text is no quantity.
pub(in super::super) fn canonical(text: &str) -> Option<String> {
    let (amount, notation) = read(text)?;
    if amount == 0 {
        return Some("0".to_owned());
    }
    match notation {
        Notation::Binary if amount.abs() >= 1024 * NANO => Some(in_binary(amount)),
        Notation::Exponent => {
            Some(in_decimal(amount, |_, power| if power == 0 { String::new() } else { format!("e{power}") }))
        }
        _ => Some(in_decimal(amount, |suffix, _| suffix.to_owned())),
    }
}

fn in_decimal(amount: i128, suffix: impl Fn(&str, i32) -> String) -> String {
    for (name, power) in DECIMAL.into_iter().rev() {
        let unit = ten_to(power + 9).unwrap_or(1);
        if amount % unit == 0 {
            return format!("{}{}", amount / unit, suffix(name, power));
        }
    }
    amount.to_string()
}

fn in_binary(amount: i128) -> String {
    let mut whole = amount.div_euclid(NANO) + i128::from(amount.rem_euclid(NANO) != 0);
    let mut power = 0;
    while whole % 1024 == 0 && power + 1 < BINARY.len() {
        whole /= 1024;
        power += 1;
    }
    format!("{whole}{}", BINARY.get(power).copied().unwrap_or_default())
}

fn ten_to(power: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(power).ok()?)
}

fn read(text: &str) -> Option<(i128, Notation)> {
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mantissa: i128 = digits.parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let (amount, notation) = scale(mantissa, places, suffix)?;
    Some((if negative { -amount } else { amount }, notation))
}

/// The mantissa with its decimal places and suffix in billionths, rounded up.
fn scale(mantissa: i128, places: i32, suffix: &str) -> Option<(i128, Notation)> {
    if let Some(power) = BINARY.iter().skip(1).position(|name| *name == suffix) {
        let unit = 1024_i128.checked_pow(u32::try_from(power).ok()? + 1)?;
        return Some((shift(mantissa.checked_mul(unit)?, 9 - places)?, Notation::Binary));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((shift(mantissa, 9 - places + power)?, Notation::Decimal));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((shift(mantissa, 9 - places + power)?, Notation::Exponent))
}

fn shift(amount: i128, power: i32) -> Option<i128> {
    match ten_to(power) {
        Some(factor) => amount.checked_mul(factor),
        None => Some(match ten_to(-power) {
            Some(divisor) => amount.div_euclid(divisor) + i128::from(amount.rem_euclid(divisor) != 0),
            None => i128::from(amount != 0),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_one_form() {
        for (given, written) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1", "1"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("1024Mi", "1Gi"),
            ("8Gi", "8Gi"),
            ("0.5Gi", "512Mi"),
            ("100Ki", "100Ki"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("0Gi", "0"),
            ("-1000m", "-1"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(written), "{given}");
        }
        for bad in ["", "Gi", "1Xi", "1.2.3", "one", "1 Gi"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }
}
