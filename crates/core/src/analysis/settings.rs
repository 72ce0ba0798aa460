//! What an analysis may be told: windows, limits, confidence. The defaults are the design's numbers.

use jiff::SignedDuration;

use super::{measurement::MeasurementSource, threshold::Thresholds};
use crate::{
    policy::bound::{
        BASELINE_REACH_MAX, BASELINE_RUNS_MIN_DEFAULT, BASELINE_WINDOW_DEFAULT, FAILED_REQUESTS_PERCENT_MAX_DEFAULT,
        SIGNIFICANCE_CONFIDENCE_DEFAULT,
    },
    prelude::*,
};

/// Spread between runs of latencies that is assumed before any run is seen, as a standard deviation of logarithms: the
/// middle of the 5 to 20 % by which GPU benchmarks move by themselves.
pub const LATENCY_SPREAD_PRIOR: f64 = 0.125;
/// The same for throughputs: the lower end of 5 to 20 %, because a rate averages over a whole run.
pub const THROUGHPUT_SPREAD_PRIOR: f64 = 0.05;
/// The same for pass rates, in radians of the arcsine scale: what 100 requests leave open, 1 / (2 sqrt(100)).
pub const PASS_RATE_SPREAD_PRIOR: f64 = 0.05;
/// How much the assumed spread weighs, in degrees of freedom: as much as the seven nightly runs of a full window, so
/// that a week of runs weighs as much as what is known of such machines in general.
pub const SPREAD_PRIOR_DEGREES_OF_FREEDOM: u32 = 6;

/// Fewest answered requests or tests of a valid run. TTFT under load scatters about as much as its mean (coefficient of
/// variation 1), so that the mean of 30 is uncertain by 18 %: just inside the 20 % at which a latency counts as worse.
pub const SAMPLES_MIN_DEFAULT: u64 = 30;
/// Most failed tests of a test image whose report is judged without a baseline: what would be critical against a report
/// in which all pass.
pub const FAILED_TESTS_PERCENT_MAX_DEFAULT: f64 = 30.0;
/// Most requests that the client may leave unsent: as many as may fail.
pub const UNSENT_REQUESTS_PERCENT_MAX_DEFAULT: f64 = FAILED_REQUESTS_PERCENT_MAX_DEFAULT as f64;
/// Least share of the client's mean latency that the engine must confirm while no baseline tells what is usual. Client
/// and engine share a pod, so that nothing but the client lies between them: below half, most of what was measured is
/// the client.
pub const ENGINE_SHARE_PERCENT_MIN_DEFAULT: f64 = 50.0;
/// Once a baseline tells what is usual: most that the client alone may add, in percent of the usual latency. The same
/// 20 % at which a latency counts as worse, so that no client can raise a warning by itself.
pub const CLIENT_ADDED_PERCENT_MAX_DEFAULT: f64 = 20.0;
/// Most that client and engine may be apart in what they count, in percent of the larger count: as many as may fail. Where
/// more are, their means are of different requests.
pub const COUNTS_APART_PERCENT_MAX_DEFAULT: f64 = FAILED_REQUESTS_PERCENT_MAX_DEFAULT as f64;
/// The same as a number: one at each end of the time between two looks, whose token the engine had counted and whose text
/// was on its way.
pub const COUNTS_APART_MAX_DEFAULT: u64 = 2;
/// Most mean delay behind the schedule, in percent of the mean interval between arrivals (of the mean latency, for a
/// client without arrivals): a quarter still leaves the arrivals in their order and the load what it was.
pub const SCHEDULE_DELAY_PERCENT_MAX_DEFAULT: f64 = 25.0;

/// How sure a judgement must be.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignificanceSettings {
    /// One-sided confidence, between 0.5 and 1.
    pub confidence: f64,
    /// Assumed spread of latencies between runs (standard deviation of logarithms).
    pub latency_spread_prior: f64,
    /// Assumed spread of throughputs between runs (standard deviation of logarithms).
    pub throughput_spread_prior: f64,
    /// Assumed spread of pass rates between runs (radians of the arcsine scale).
    pub pass_rate_spread_prior: f64,
    /// Weight of the assumed spread, in degrees of freedom.
    pub prior_degrees_of_freedom: u32,
}

impl Default for SignificanceSettings {
    fn default() -> Self {
        Self {
            confidence: SIGNIFICANCE_CONFIDENCE_DEFAULT.to_f64(),
            latency_spread_prior: LATENCY_SPREAD_PRIOR,
            throughput_spread_prior: THROUGHPUT_SPREAD_PRIOR,
            pass_rate_spread_prior: PASS_RATE_SPREAD_PRIOR,
            prior_degrees_of_freedom: SPREAD_PRIOR_DEGREES_OF_FREEDOM,
        }
    }
}

/// What a measurement must fulfil before anything is concluded from it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidityLimits {
    /// Fewest answered requests or tests, and fewest samples of a latency that is judged.
    pub samples_min: u64,
    /// Most failed requests, percent of those answered.
    pub failed_requests_percent_max: f64,
    /// Most failed tests of a PHASE report, percent of those run.
    pub failed_tests_percent_max: f64,
    /// Most requests that were never sent, percent of those demanded.
    pub unsent_requests_percent_max: f64,
    /// Least share of the client's latency that the engine confirms, percent; used while no baseline tells what is
    /// usual.
    pub engine_share_percent_min: f64,
    /// Most that the client may add to the usual latency, percent.
    pub client_added_percent_max: f64,
    /// Most that client and engine may be apart in what they count, percent of the larger count.
    pub counts_apart_percent_max: f64,
    /// So many they may be apart whatever the percentage.
    pub counts_apart_max: u64,
    /// Most mean delay behind the schedule, percent of the mean interval between arrivals.
    pub schedule_delay_percent_max: f64,
}

impl Default for ValidityLimits {
    fn default() -> Self {
        Self {
            samples_min: SAMPLES_MIN_DEFAULT,
            failed_requests_percent_max: FAILED_REQUESTS_PERCENT_MAX_DEFAULT as f64,
            failed_tests_percent_max: FAILED_TESTS_PERCENT_MAX_DEFAULT,
            unsent_requests_percent_max: UNSENT_REQUESTS_PERCENT_MAX_DEFAULT,
            engine_share_percent_min: ENGINE_SHARE_PERCENT_MIN_DEFAULT,
            client_added_percent_max: CLIENT_ADDED_PERCENT_MAX_DEFAULT,
            counts_apart_percent_max: COUNTS_APART_PERCENT_MAX_DEFAULT,
            counts_apart_max: COUNTS_APART_MAX_DEFAULT,
            schedule_delay_percent_max: SCHEDULE_DELAY_PERCENT_MAX_DEFAULT,
        }
    }
}

impl ValidityLimits {
    /// The limit on failures that holds for measurements of this source, percent.
    pub const fn failed_percent_max(&self, source: MeasurementSource) -> f64 {
        match source {
            MeasurementSource::Serving => self.failed_requests_percent_max,
            MeasurementSource::Report => self.failed_tests_percent_max,
        }
    }
}

/// Everything that an analysis may be told.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisSettings {
    /// The target under test, as `Deployment/llama-8b`: runs of other targets are never compared with it.
    pub target: String,
    /// How far back the baseline reaches from the run's start.
    pub baseline_window: SignedDuration,
    /// How far back the newest admitted runs may serve when the window holds too few.
    pub baseline_reach: SignedDuration,
    /// Fewest runs of a baseline.
    pub minimum_runs: usize,
    /// The threshold table.
    pub thresholds: Thresholds,
    /// Threshold tables of domains that have their own.
    pub domain_thresholds: BTreeMap<String, Thresholds>,
    /// How sure a judgement must be.
    pub significance: SignificanceSettings,
    /// What a measurement must fulfil.
    pub validity: ValidityLimits,
}

impl Default for AnalysisSettings {
    fn default() -> Self {
        Self {
            target: String::new(),
            baseline_window: BASELINE_WINDOW_DEFAULT,
            baseline_reach: BASELINE_REACH_MAX,
            minimum_runs: usize::try_from(BASELINE_RUNS_MIN_DEFAULT).unwrap_or(usize::MAX),
            thresholds: Thresholds::default(),
            domain_thresholds: BTreeMap::new(),
            significance: SignificanceSettings::default(),
            validity: ValidityLimits::default(),
        }
    }
}

impl AnalysisSettings {
    /// The defaults for one target.
    pub fn for_target(target: impl Into<String>) -> Self {
        Self { target: target.into(), ..Self::default() }
    }

    /// The threshold table that holds for a domain.
    pub fn thresholds_of(&self, domain: &str) -> &Thresholds {
        self.domain_thresholds.get(domain).unwrap_or(&self.thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::threshold::{LATENCY_LIMITS, Limits};

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let settings = AnalysisSettings::for_target("t");
        assert_eq!(settings.target, "t");
        assert_eq!(settings.baseline_window, SignedDuration::from_hours(7 * 24));
        assert_eq!(settings.baseline_reach, SignedDuration::from_hours(28 * 24));
        assert_eq!(settings.minimum_runs, 3);
        assert_eq!(settings.thresholds.latency, LATENCY_LIMITS);
        assert_eq!(settings.significance.confidence, 0.995);
        assert_eq!(settings.validity.samples_min, 30);
    }

    #[test]
    fn a_domain_may_have_a_table_of_its_own() {
        let mut settings = AnalysisSettings::default();
        let strict = Limits { warning_percent: 5.0, critical_percent: 10.0 };
        settings.domain_thresholds.insert("chat".to_owned(), Thresholds { latency: strict, ..Thresholds::default() });
        assert_eq!(settings.thresholds_of("chat").latency, strict);
        assert_eq!(settings.thresholds_of("rag").latency, LATENCY_LIMITS);
    }

    #[test]
    fn requests_and_tests_have_limits_of_their_own() {
        let limits = ValidityLimits::default();
        assert_eq!(limits.failed_percent_max(MeasurementSource::Serving), 5.0);
        assert_eq!(limits.failed_percent_max(MeasurementSource::Report), 30.0);
    }
}
