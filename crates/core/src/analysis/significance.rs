//! Whether a change is more than noise: the change against the spread between the baseline's runs and the samples of
//! the run itself.
//!
//! The method, its sources and its measured error rates stand in docs/how-it-judges.md. In short: figures are compared
//! on a scale on which noise is additive and units fall away (logarithms; for pass rates the arcsine of the root); the
//! centre is the median of the baseline's runs; the spread between runs is moderated by an assumed one (Smyth 2004), so
//! that runs that scatter much still find something; and the limit is the one-sided prediction limit for one more run,
//! with the error of that run's own mean added. Where runs scatter less than assumed, what was seen stands alone.

use super::{sample::SampleSummary, settings::SignificanceSettings, student::student_t_quantile};
use crate::{prelude::*, value::metric::MetricFamily};

/// Variance of a median of n normal draws, in units of their variance over n: pi / 2 for large n, less for small.
const MEDIAN_VARIANCE_FACTOR: f64 = core::f64::consts::FRAC_PI_2;
/// The MAD of normal draws times this is their standard deviation: 1 over the third quartile of the normal
/// distribution.
const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;
/// Corrections of the MAD for 2 to 9 draws: Croux and Rousseeuw, Time-efficient algorithms for two highly robust
/// estimators of scale (1992), section 2.
const MAD_SMALL_SAMPLE: [f64; 8] = [1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107];

/// Fewest runs whose seen spread stands alone: two have one degree of freedom, and Student's quantile of 63.7 at 0.995
/// would find nothing but say much. From three on the recorded nights show no more false alarms with it than without.
pub const SEEN_RUNS_MIN: usize = 3;
/// Least spread that is believed, on the scale: runs that agree to a hair say that nothing was seen yet, not that
/// nothing ever moves.
pub const SEEN_SPREAD_MIN: f64 = 0.01;

/// The scale on which figures of a family are compared. Differences on it are free of units: multiplying all latencies
/// by any factor changes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Natural logarithm.
    Logarithm,
    /// Arcsine of the square root, which makes the variance of a proportion of n draws 1 / (4 n) whatever the
    /// proportion (Anscombe 1948).
    ArcsineRoot,
}

impl Scale {
    /// The scale of a family.
    pub const fn of(family: MetricFamily) -> Self {
        match family {
            MetricFamily::PassRate => Self::ArcsineRoot,
            _ => Self::Logarithm,
        }
    }

    /// A figure on the scale. A rate of zero is minus infinity on the logarithmic one: below everything.
    pub fn value(self, figure: f64) -> f64 {
        match self {
            Self::Logarithm => libm::log(figure),
            Self::ArcsineRoot => libm::asin(libm::sqrt(figure.clamp(0.0, 1.0))),
        }
    }

    /// The figure of a value on the scale; beyond the ends of the arcsine's scale, the end.
    pub fn figure(self, value: f64) -> f64 {
        match self {
            Self::Logarithm => libm::exp(value),
            Self::ArcsineRoot => {
                let root = libm::sin(value.clamp(0.0, core::f64::consts::FRAC_PI_2));
                root * root
            }
        }
    }

    /// Standard error of a mean on the scale, from the samples behind it: by the delta method, deviation over mean over
    /// the root of the count; for a proportion, 1 / (2 sqrt(count)).
    pub fn standard_error(self, samples: &SampleSummary) -> f64 {
        let root_of_count = libm::sqrt(samples.count.max(1) as f64);
        match self {
            Self::Logarithm if samples.mean > 0.0 => samples.standard_deviation / samples.mean / root_of_count,
            Self::Logarithm => 0.0,
            Self::ArcsineRoot => 0.5 / root_of_count,
        }
    }
}

/// How the spread of runs is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpreadEstimator {
    /// The sample standard deviation: efficient, for runs that were held against each other already.
    StandardDeviation,
    /// The MAD: stays right with outliers among the runs, for holding runs against each other.
    MedianAbsoluteDeviation,
}

impl SpreadEstimator {
    /// The spread of values; zero for fewer than two.
    pub fn spread(self, values: &[f64]) -> f64 {
        if values.len() < 2 {
            return 0.0;
        }
        match self {
            Self::StandardDeviation => {
                let count = values.len() as f64;
                let mean = values.iter().sum::<f64>() / count;
                let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
                libm::sqrt(squares / (count - 1.0))
            }
            Self::MedianAbsoluteDeviation => {
                let centre = median(values);
                let deviations: Vec<f64> = values.iter().map(|value| libm::fabs(value - centre)).collect();
                median(&deviations) * MAD_TO_DEVIATION * mad_small_sample_factor(values.len())
            }
        }
    }
}

/// The small-sample factor of the MAD; from 10 draws on n / (n - 0.8), by the same paper.
fn mad_small_sample_factor(count: usize) -> f64 {
    count
        .checked_sub(2)
        .and_then(|position| MAD_SMALL_SAMPLE.get(position))
        .copied()
        .unwrap_or(count as f64 / (count as f64 - 0.8))
}

/// The median; for an even count the mean of the two in the middle, for none zero.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    f64::midpoint(lower, upper)
}

/// The noise of one metric, learnt from the figures of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The scale it is meant on.
    pub scale: Scale,
    /// How many runs.
    pub runs: usize,
    /// The median of the figures.
    pub centre: f64,
    /// Moderated standard deviation between runs, on the scale.
    pub spread: f64,
    /// Degrees of freedom of `spread`.
    pub degrees_of_freedom: u32,
    /// Standard deviation between runs as seen, without any assumption, on the scale; at least [`SEEN_SPREAD_MIN`].
    /// Absent for fewer than [`SEEN_RUNS_MIN`] runs.
    pub seen_spread: Option<f64>,
}

impl Noise {
    /// The noise that the figures of earlier runs show. The spread is moderated: `sqrt((d0 s0² + (n - 1) s²) / (d0 + n
    /// - 1))` with the assumed spread s0 and its weight d0 (Smyth 2004, Linear models and empirical Bayes methods).
    pub fn of_runs(
        family: MetricFamily,
        figures: &[f64],
        estimator: SpreadEstimator,
        settings: &SignificanceSettings,
    ) -> Self {
        let scale = Scale::of(family);
        let prior = match family {
            MetricFamily::Throughput => settings.throughput_spread_prior,
            MetricFamily::PassRate => settings.pass_rate_spread_prior,
            _ => settings.latency_spread_prior,
        };
        let values: Vec<f64> = figures.iter().map(|figure| scale.value(*figure)).collect();
        let seen = estimator.spread(&values);
        let seen_weight = u32::try_from(figures.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let prior_weight = settings.prior_degrees_of_freedom;
        let weight = prior_weight.saturating_add(seen_weight).max(1);
        let squares = f64::from(prior_weight) * prior * prior + f64::from(seen_weight) * seen * seen;
        Self {
            scale,
            runs: figures.len(),
            centre: median(figures),
            spread: libm::sqrt(squares / f64::from(weight)),
            degrees_of_freedom: weight,
            seen_spread: (figures.len() >= SEEN_RUNS_MIN).then(|| libm::fmax(seen, SEEN_SPREAD_MIN)),
        }
    }

    /// The lesser of two prediction limits, each of which holds at the confidence: the moderated one, and, with runs
    /// enough to stand alone, the classical one of the seen spread with n - 1 degrees of freedom. The first finds
    /// something where runs scatter much; the second, where they scatter less than was assumed.
    pub fn margin_at(&self, confidence: f64, standard_error: f64) -> f64 {
        let moderated = self.margin(self.quantile(confidence), standard_error);
        let Some(seen) = self.seen_spread else { return moderated };
        let freedom = u32::try_from(self.runs.saturating_sub(1)).unwrap_or(u32::MAX);
        let alone = Self { spread: seen, degrees_of_freedom: freedom, ..*self };
        libm::fmin(moderated, alone.margin(alone.quantile(confidence), standard_error))
    }

    /// Student's quantile at the freedom of this noise; see [`Noise::margin`].
    pub fn quantile(&self, probability: f64) -> f64 {
        student_t_quantile(probability, self.degrees_of_freedom)
    }

    /// How far one more run may lie from the centre by noise alone, on the scale: `quantile * sqrt(spread² (1 + pi / (2
    /// n)) + error²)` with the standard error of that run's own mean.
    pub fn margin(&self, quantile: f64, standard_error: f64) -> f64 {
        let runs = self.runs.max(1) as f64;
        let variance = self.spread * self.spread * (1.0 + MEDIAN_VARIANCE_FACTOR / runs);
        quantile * libm::sqrt(variance + standard_error * standard_error)
    }

    /// How much worse a figure is than the centre, on the scale; negative where it is better.
    pub fn worse(&self, family: MetricFamily, figure: f64) -> f64 {
        let change = self.scale.value(figure) - self.scale.value(self.centre);
        match family {
            MetricFamily::Throughput | MetricFamily::PassRate => -change,
            _ => change,
        }
    }

    /// The figure that lies `margin` on the worse side of the centre.
    pub fn limit(&self, family: MetricFamily, margin: f64) -> f64 {
        let centre = self.scale.value(self.centre);
        match family {
            MetricFamily::Throughput | MetricFamily::PassRate => self.scale.figure(centre - margin),
            _ => self.scale.figure(centre + margin),
        }
    }
}

#[cfg(test)]
mod tests;
