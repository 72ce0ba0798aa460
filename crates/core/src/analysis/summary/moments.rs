//! Count, mean and spread of samples that arrive one by one.

/// Largest magnitude of a sample. No latency in milliseconds and no rate comes near it, and below it neither a sum nor a
/// square can overflow.
pub const SAMPLE_MAGNITUDE_MAX: f64 = 1e15;

/// Running count, mean and squared deviations (Welford, Technometrics 4(3), 1962), which loses no digits where the mean
/// is large against the spread. Two of them add up as in Chan, Golub and LeVeque (1979).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// Samples so far.
    pub count: u64,
    /// Their arithmetic mean; 0 without samples.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squared_deviations: f64,
}

impl Moments {
    /// Whether a sample can be taken: finite, and not beyond [`SAMPLE_MAGNITUDE_MAX`].
    pub fn accepts(sample: f64) -> bool {
        sample.abs() <= SAMPLE_MAGNITUDE_MAX
    }

    /// Takes one sample, which must be one that [`accepts`](Self::accepts) grants.
    pub fn push(&mut self, sample: f64) {
        self.count += 1;
        let delta = sample - self.mean;
        self.mean += delta / self.count as f64;
        self.squared_deviations += delta * (sample - self.mean);
    }

    /// Takes over all samples of another.
    pub fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        if count == 0 {
            return;
        }
        let share = other.count as f64 / count as f64;
        let delta = other.mean - self.mean;
        self.squared_deviations += other.squared_deviations + delta * delta * self.count as f64 * share;
        self.mean += delta * share;
        self.count = count;
    }

    /// Sample standard deviation (divisor n - 1); 0 below two samples.
    pub fn standard_deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        libm::sqrt(self.squared_deviations / (self.count - 1) as f64)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[f64]) -> Moments {
        let mut moments = Moments::default();
        for sample in samples {
            moments.push(*sample);
        }
        moments
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_textbook() {
        let moments = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((moments.count, moments.mean), (8, 5.0));
        assert!((moments.squared_deviations - 32.0).abs() < 1e-12);
        assert!((moments.standard_deviation() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_sample_has_no_spread_and_two_have() {
        assert_eq!(of(&[]).standard_deviation(), 0.0);
        assert_eq!(of(&[3.0]).standard_deviation(), 0.0);
        assert!((of(&[3.0, 5.0]).standard_deviation() - 2.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_large_mean_does_not_drown_a_small_spread() {
        let moments = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert!((moments.standard_deviation() - 30.0_f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn what_is_not_finite_or_beyond_the_largest_magnitude_is_not_accepted() {
        for sample in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e15, -1.1e15] {
            assert!(!Moments::accepts(sample), "{sample}");
        }
        for sample in [0.0, -0.0, 1e15, -1e15, f64::MIN_POSITIVE] {
            assert!(Moments::accepts(sample), "{sample}");
        }
    }

    #[test]
    fn two_empty_ones_make_an_empty_one() {
        let mut moments = Moments::default();
        moments.merge(&Moments::default());
        assert_eq!(moments, Moments::default());
    }

    proptest! {
        #[test]
        fn merged_parts_are_the_whole(left in prop::collection::vec(0.0_f64..1e6, 0..40), right in prop::collection::vec(0.0_f64..1e6, 0..40)) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            let whole = of(&[left, right].concat());
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.mean - whole.mean).abs() <= 1e-6);
            prop_assert!((merged.standard_deviation() - whole.standard_deviation()).abs() <= 1e-5);
        }
    }
}
