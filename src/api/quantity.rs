//! Quantities of resources, as numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Suffixes with the number of thousandths in one.
const UNITS: [(&str, i128); 13] = [
    ("m", 1),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

/// The quantity in thousandths. The API server has checked its form; what is none counts as nothing.
pub fn thousandths(quantity: &Quantity) -> i128 {
    let text = quantity.0.as_str();
    let (number, unit) =
        UNITS.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit))).unwrap_or((text, 1_000));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: String = fraction.chars().take(9).collect();
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).unwrap_or(0)).unwrap_or(1);
    let whole: i128 = whole.parse().unwrap_or(0);
    let fraction: i128 = fraction.parse().unwrap_or(0);
    whole * unit + fraction * unit / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_notation() {
        for (text, expected) in [
            ("2", 2_000),
            ("500m", 500),
            ("0.5", 500),
            ("1.5", 1_500),
            ("1Ki", 1_024_000),
            ("8Gi", 8_589_934_592_000),
            ("1M", 1_000_000_000),
            ("much", 0),
        ] {
            assert_eq!(thousandths(&Quantity(text.to_owned())), expected, "{text}");
        }
    }
}
