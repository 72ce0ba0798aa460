//! The exact summary of samples that are all in memory.

use super::moments::Moments;
use crate::{analysis::sample::SampleSummary, prelude::*};

/// A summary and what did not enter it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactSummary {
    /// The summary; absent if no sample could be taken.
    pub summary: Option<SampleSummary>,
    /// Samples refused because they are not finite, or beyond [`SAMPLE_MAGNITUDE_MAX`](super::SAMPLE_MAGNITUDE_MAX).
    pub refused: u64,
}

/// Summarises samples. Percentiles, the median and the median absolute deviation interpolate linearly between the
/// neighbouring samples, as numpy's default does ([`percentile`]).
pub fn summarise_samples(samples: &[f64]) -> ExactSummary {
    let mut sorted: Vec<f64> = samples.iter().copied().filter(|sample| Moments::accepts(*sample)).collect();
    sorted.sort_by(f64::total_cmp);
    let refused = (samples.len() - sorted.len()) as u64;
    ExactSummary { summary: summarise_sorted(&sorted), refused }
}

/// The quantile (0 to 1) of ascending samples at position `quantile * (n - 1)`, interpolated linearly between the two
/// samples beside it: numpy's `method="linear"`, type 7 of Hyndman and Fan (1996). `None` without samples.
pub fn percentile(ascending: &[f64], quantile: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = quantile.clamp(0.0, 1.0) * last as f64;
    let below = libm::floor(position);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length of a slice")]
    let index = below as usize;
    let low = ascending.get(index)?;
    let high = ascending.get(index + 1).unwrap_or(low);
    Some(low + (high - low) * (position - below))
}

fn summarise_sorted(ascending: &[f64]) -> Option<SampleSummary> {
    let mut moments = Moments::default();
    for sample in ascending {
        moments.push(*sample);
    }
    let median = percentile(ascending, 0.5)?;
    Some(SampleSummary {
        count: moments.count,
        mean: moments.mean,
        standard_deviation: moments.standard_deviation(),
        median,
        median_absolute_deviation: percentile(&deviations(ascending, median), 0.5)?,
        minimum: *ascending.first()?,
        maximum: *ascending.last()?,
        p90: percentile(ascending, 0.90)?,
        p95: percentile(ascending, 0.95)?,
        p99: percentile(ascending, 0.99)?,
    })
}

/// The absolute deviations of ascending samples from their median, ascending. On either side of the median they are in
/// order already, so that merging them is enough, which takes a fraction of the time of sorting.
fn deviations(ascending: &[f64], median: f64) -> Vec<f64> {
    let (below, above) = ascending.split_at(ascending.partition_point(|sample| *sample < median));
    let mut below = below.iter().rev().map(|sample| median - sample).peekable();
    let mut above = above.iter().map(|sample| sample - median).peekable();
    let mut merged = Vec::with_capacity(ascending.len());
    loop {
        let nearer_below = match (below.peek(), above.peek()) {
            (Some(under), Some(over)) => under < over,
            (under, over) => under.is_some() || over.is_none(),
        };
        let Some(nearest) = (if nearer_below { below.next() } else { above.next() }) else { return merged };
        merged.push(nearest);
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_figure_is_that_of_an_independent_computation() {
        // Mean and stdev of Python's statistics module; percentiles by the formula that numpy states for "linear".
        let summary = summarise_samples(&[12.0, 1.0, 7.0, 3.0, 100.0, 5.0, 9.0, 2.0, 4.0, 8.0]).summary.unwrap();
        let close = |figure: f64, expected: f64| assert!((figure - expected).abs() < 1e-9, "{figure} {expected}");
        assert_eq!(summary.count, 10);
        close(summary.mean, 15.1);
        close(summary.standard_deviation, 30.023_879_385_138_31);
        close(summary.median, 6.0);
        close(summary.median_absolute_deviation, 3.0);
        close(summary.minimum, 1.0);
        close(summary.maximum, 100.0);
        close(summary.p90, 20.8);
        close(summary.p95, 60.4);
        close(summary.p99, 92.08);
    }

    #[test]
    fn one_sample_is_every_figure() {
        assert_eq!(summarise_samples(&[4.5]).summary, Some(SampleSummary::of_single_figure(4.5)));
    }

    #[test]
    fn samples_that_are_no_numbers_are_refused_and_counted() {
        let exact = summarise_samples(&[f64::NAN, 1.0, f64::INFINITY, 3.0, 2e15]);
        assert_eq!(exact.refused, 3);
        assert_eq!(exact.summary.unwrap().mean, 2.0);
        assert_eq!(summarise_samples(&[f64::NAN]), ExactSummary { summary: None, refused: 1 });
        assert_eq!(summarise_samples(&[]), ExactSummary { summary: None, refused: 0 });
    }

    #[test]
    fn a_quantile_outside_of_its_range_is_the_end() {
        assert_eq!(percentile(&[1.0, 2.0], -0.1), Some(1.0));
        assert_eq!(percentile(&[1.0, 2.0], 1.1), Some(2.0));
        assert_eq!(percentile(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(percentile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn figures_are_ordered_and_scale_with_the_samples(samples in prop::collection::vec(0.0_f64..1e6, 1..60)) {
            let summary = summarise_samples(&samples).summary.unwrap();
            let ordered =
                [summary.minimum, summary.median, summary.p90, summary.p95, summary.p99, summary.maximum];
            prop_assert!(ordered.is_sorted(), "{ordered:?}");
            let mut deviations: Vec<f64> = samples.iter().map(|sample| (sample - summary.median).abs()).collect();
            deviations.sort_by(f64::total_cmp);
            prop_assert_eq!(Some(summary.median_absolute_deviation), percentile(&deviations, 0.5));
            let scaled: Vec<f64> = samples.iter().map(|sample| sample * 7.0).collect();
            let scaled = summarise_samples(&scaled).summary.unwrap();
            prop_assert!((scaled.median - 7.0 * summary.median).abs() <= 1e-6);
            prop_assert!((scaled.median_absolute_deviation - 7.0 * summary.median_absolute_deviation).abs() <= 1e-6);
        }
    }
}
