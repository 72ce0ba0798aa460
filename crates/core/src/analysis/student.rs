//! Quantiles of Student's t distribution.

use core::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// Halvings of the interval in which the quantile is sought: beyond 53 a double has no more bits.
const BISECTIONS: u32 = 60;

/// The quantile of Student's t: the value below which a draw falls with `probability`, for `degrees_of_freedom` of at
/// least 1 (0 is taken as 1) and probabilities from 0.5 up to, not including, 1.
///
/// The central probability is the finite series 26.7.3 and 26.7.4 of Abramowitz and Stegun, Handbook of Mathematical
/// Functions (1964), exact for whole degrees of freedom; it is inverted by bisection over the angle
/// `atan(t / sqrt(degrees of freedom))`, which is bounded.
pub fn student_t_quantile(probability: f64, degrees_of_freedom: u32) -> f64 {
    let degrees_of_freedom = degrees_of_freedom.max(1);
    let central = 2.0 * probability - 1.0;
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if central_probability(middle, degrees_of_freedom) < central {
            low = middle;
        } else {
            high = middle;
        }
    }
    libm::sqrt(f64::from(degrees_of_freedom)) * libm::tan(high)
}

/// The probability that |t| stays below `sqrt(degrees_of_freedom) * tan(angle)`.
fn central_probability(angle: f64, degrees_of_freedom: u32) -> f64 {
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let even = degrees_of_freedom.is_multiple_of(2);
    // Even: 1 + 1/2 cos^2 + (1 3)/(2 4) cos^4 + ...; odd: cos + 2/3 cos^3 + (2 4)/(3 5) cos^5 + ...
    let mut term = if even { 1.0 } else { cosine };
    let mut sum = 0.0;
    let mut power = u32::from(!even);
    while power + 2 <= degrees_of_freedom {
        sum += term;
        power += 2;
        term *= f64::from(power - 1) / f64::from(power) * cosine * cosine;
    }
    if even { sine * sum } else { FRAC_2_PI * (angle + sine * sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_printed_tables() {
        // Abramowitz and Stegun, table 26.10; the last column from R's qt.
        for (probability, degrees_of_freedom, quantile) in [
            (0.75, 1, 1.000),
            (0.95, 1, 6.314),
            (0.99, 1, 31.821),
            (0.995, 1, 63.657),
            (0.95, 2, 2.920),
            (0.99, 2, 6.965),
            (0.995, 2, 9.925),
            (0.95, 3, 2.353),
            (0.99, 3, 4.541),
            (0.995, 4, 4.604),
            (0.99, 5, 3.365),
            (0.995, 5, 4.032),
            (0.995, 6, 3.707),
            (0.99, 7, 2.998),
            (0.995, 10, 3.169),
            (0.9995, 10, 4.587),
            (0.99, 30, 2.457),
            (0.995, 35, 2.724),
            (0.975, 120, 1.980),
        ] {
            let found = student_t_quantile(probability, degrees_of_freedom);
            assert!((found - quantile).abs() < 0.0006, "{probability} {degrees_of_freedom}: {found} for {quantile}");
        }
    }

    #[test]
    fn half_of_all_draws_fall_below_zero_and_no_freedom_counts_as_one() {
        for degrees_of_freedom in 1..40 {
            assert!(student_t_quantile(0.5, degrees_of_freedom).abs() < 1e-9, "{degrees_of_freedom}");
        }
        assert_eq!(student_t_quantile(0.9, 0), student_t_quantile(0.9, 1));
    }

    #[test]
    fn small_degrees_of_freedom_agree_with_their_closed_forms() {
        for probability in [0.6, 0.75, 0.9, 0.99, 0.999] {
            let one = libm::tan(core::f64::consts::PI * (probability - 0.5));
            assert!((student_t_quantile(probability, 1) / one - 1.0).abs() < 1e-9);
            let two = (2.0 * probability - 1.0) * libm::sqrt(2.0 / (4.0 * probability * (1.0 - probability)));
            assert!((student_t_quantile(probability, 2) / two - 1.0).abs() < 1e-9);
        }
    }
}
