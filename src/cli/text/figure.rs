//! Figures as people read them.

use phaseloop_core::value::{Metric, metric::MetricFamily};

/// Three significant digits, no exponent: `1260`, `11.8`, `0.925`.
pub(super) fn significant(figure: f64) -> String {
    let magnitude = figure.abs();
    if magnitude >= 100.0 || figure == 0.0 {
        thousands(figure)
    } else if magnitude >= 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.2}")
    }
}

/// A metric's figure with its unit.
pub(super) fn with_unit(metric: Metric, figure: f64) -> String {
    match metric.family() {
        MetricFamily::PassRate => format!("{:.1} %", figure * 100.0),
        _ if metric.unit().is_empty() => format!("{figure:.0}"),
        _ if metric.unit().starts_with('/') => format!("{}{}", significant(figure), metric.unit()),
        _ => format!("{} {}", significant(figure), metric.unit()),
    }
}

/// A signed change: `+34 %`, `-4 %`, `+10,613 %`.
pub(super) fn percent(change: f64) -> String {
    let sign = if change >= 0.0 { "+" } else { "-" };
    let magnitude = change.abs();
    if magnitude < 10.0 { format!("{sign}{magnitude:.1} %") } else { format!("{sign}{} %", thousands(magnitude)) }
}

/// A whole number with commas between thousands.
fn thousands(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_that_mean_something() {
        for (figure, text) in
            [(0.0, "0"), (0.0123, "0.01"), (2.345, "2.35"), (11.76, "11.8"), (952.4, "952"), (-12345.6, "-12,346")]
        {
            assert_eq!(significant(figure), text);
        }
    }

    #[test]
    fn each_metric_has_its_unit() {
        assert_eq!(with_unit(Metric::TimeToFirstToken, 1260.4), "1,260 ms");
        assert_eq!(with_unit(Metric::Throughput, 29.78), "29.8/s");
        assert_eq!(with_unit(Metric::PassRate, 0.925), "92.5 %");
        assert_eq!(with_unit(Metric::OomEvents, 2.0), "2");
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(percent(-4.04), "-4.0 %");
        assert_eq!(percent(10613.2), "+10,613 %");
        assert_eq!(percent(0.0), "+0.0 %");
    }
}
