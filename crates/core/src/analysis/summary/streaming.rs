//! The summary of samples that arrive one by one, in constant memory.

use super::{
    moments::{Moments, SAMPLE_MAGNITUDE_MAX},
    sketch::QuantileSketch,
};
use crate::analysis::sample::SampleSummary;

/// Running summary of non-negative samples. Count, mean, standard deviation, minimum and maximum are exact; median,
/// percentiles and median absolute deviation come from a [`QuantileSketch`] with its stated error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamingSummary {
    moments: Moments,
    minimum: f64,
    maximum: f64,
    sketch: QuantileSketch,
    refused: u64,
}

impl StreamingSummary {
    /// Takes a sample. One that is negative, not finite or above 1e15 is refused and counted; `false` then.
    pub fn push(&mut self, sample: f64) -> bool {
        if !(0.0..=SAMPLE_MAGNITUDE_MAX).contains(&sample) {
            self.refused += 1;
            return false;
        }
        self.widen(sample, sample);
        self.moments.push(sample);
        self.sketch.push(sample)
    }

    /// Takes over all samples of another.
    pub fn merge(&mut self, other: &Self) {
        self.refused += other.refused;
        if other.moments.count > 0 {
            self.widen(other.minimum, other.maximum);
            self.moments.merge(&other.moments);
            self.sketch.merge(&other.sketch);
        }
    }

    /// Samples taken.
    pub const fn count(&self) -> u64 {
        self.moments.count
    }

    /// Samples refused.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// The sketch of the samples taken.
    pub const fn sketch(&self) -> &QuantileSketch {
        &self.sketch
    }

    /// The summary so far; `None` without samples. Quantiles are those at rank `quantile * (n - 1)`, rounded down, and
    /// never outside of minimum and maximum.
    pub fn summary(&self) -> Option<SampleSummary> {
        let quantile = |quantile: f64| Some(self.sketch.quantile(quantile)?.clamp(self.minimum, self.maximum));
        let median = quantile(0.5)?;
        Some(SampleSummary {
            count: self.moments.count,
            mean: self.moments.mean,
            standard_deviation: self.moments.standard_deviation(),
            median,
            median_absolute_deviation: self.sketch.median_absolute_deviation(median)?.min(self.maximum - self.minimum),
            minimum: self.minimum,
            maximum: self.maximum,
            p90: quantile(0.90)?,
            p95: quantile(0.95)?,
            p99: quantile(0.99)?,
        })
    }

    /// Widens the range; must come before the moments take the samples.
    fn widen(&mut self, minimum: f64, maximum: f64) {
        let is_first = self.moments.count == 0;
        self.minimum = if is_first { minimum } else { self.minimum.min(minimum) };
        self.maximum = if is_first { maximum } else { self.maximum.max(maximum) };
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::summary::{SKETCH_RELATIVE_ACCURACY, summarise_samples};

    fn of(samples: &[f64]) -> StreamingSummary {
        let mut summary = StreamingSummary::default();
        for sample in samples {
            assert!(summary.push(*sample));
        }
        summary
    }

    #[test]
    fn one_sample_is_every_figure() {
        assert_eq!(of(&[4.5]).summary(), Some(SampleSummary::of_single_figure(4.5)));
        assert_eq!(StreamingSummary::default().summary(), None);
    }

    #[test]
    fn equal_samples_have_no_spread() {
        assert_eq!(
            of(&[7.3, 7.3, 7.3]).summary().unwrap(),
            SampleSummary { count: 3, ..SampleSummary::of_single_figure(7.3) }
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused_and_counted() {
        let mut summary = of(&[1.0]);
        for refused in [-1.0, f64::NAN, f64::INFINITY, 2e15] {
            assert!(!summary.push(refused));
        }
        assert_eq!((summary.count(), summary.refused()), (1, 4));
        assert_eq!(summary.summary(), Some(SampleSummary::of_single_figure(1.0)));
        assert!(summary.push(1e15) && summary.push(0.0));
    }

    #[test]
    fn an_empty_part_adds_its_refusals_only() {
        let mut summary = of(&[3.0, 5.0]);
        let mut empty = StreamingSummary::default();
        empty.push(f64::NAN);
        summary.merge(&empty);
        assert_eq!((summary.count(), summary.refused(), summary.summary().unwrap().minimum), (2, 1, 3.0));
        empty.merge(&of(&[3.0, 5.0]));
        assert_eq!((empty.summary(), empty.refused()), (of(&[3.0, 5.0]).summary(), 1));
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_exact_summary(samples in prop::collection::vec(0.1..1e5_f64, 1..150)) {
            let (streamed, exact) = (of(&samples).summary().unwrap(), summarise_samples(&samples).summary.unwrap());
            prop_assert_eq!((streamed.count, streamed.minimum, streamed.maximum), (exact.count, exact.minimum, exact.maximum));
            // The exact one takes the samples in ascending order: the last digits may differ.
            prop_assert!((streamed.mean - exact.mean).abs() <= 1e-9 * exact.mean);
            prop_assert!((streamed.standard_deviation - exact.standard_deviation).abs() <= 1e-6 * exact.mean);
            let ordered = [streamed.minimum, streamed.median, streamed.p90, streamed.p95, streamed.p99, streamed.maximum];
            prop_assert!(ordered.is_sorted(), "{ordered:?}");
        }

        #[test]
        fn many_samples_give_nearly_the_exact_percentiles(offset in 1.0..100.0_f64) {
            let samples: Vec<f64> = (0..2000).map(|step| offset + f64::from(step % 997)).collect();
            let (streamed, exact) = (of(&samples).summary().unwrap(), summarise_samples(&samples).summary.unwrap());
            for (found, exact) in [(streamed.median, exact.median), (streamed.p90, exact.p90), (streamed.p99, exact.p99)] {
                prop_assert!((found - exact).abs() <= SKETCH_RELATIVE_ACCURACY * exact + 1.0);
            }
            let error = 2.0 * SKETCH_RELATIVE_ACCURACY * (2.0 * exact.median + exact.median_absolute_deviation);
            prop_assert!((streamed.median_absolute_deviation - exact.median_absolute_deviation).abs() <= error);
        }

        #[test]
        fn merged_parts_are_the_whole(left in prop::collection::vec(0.0..1e5_f64, 0..60), right in prop::collection::vec(0.0..1e5_f64, 0..60)) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let whole = of(&[left, right].concat());
            prop_assert_eq!(merged.sketch(), whole.sketch());
            match (merged.summary(), whole.summary()) {
                (Some(merged), Some(whole)) => {
                    prop_assert_eq!((merged.count, merged.minimum, merged.maximum), (whole.count, whole.minimum, whole.maximum));
                    prop_assert!((merged.mean - whole.mean).abs() <= 1e-6);
                }
                (merged, whole) => prop_assert_eq!(merged, whole),
            }
        }
    }
}
