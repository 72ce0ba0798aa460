//! The report as a value.

use jiff::Timestamp;

use super::ReportPart;
use crate::{
    analysis::{
        measurement::{ClientPace, CrossCheck, EngineFailure, EngineView, LatencyBound, RequestCounts},
        sample::SampleSummary,
    },
    prelude::*,
    reasons,
    tuning::exact_test::MetRequests,
    value::Metric,
};

/// Deaths that a report tells: a PHASE ends at the fourth, so that twice as many leave room for whoever changes that.
pub const DEATHS_MAX: usize = 8;
/// Characters of `detail`, as of a failure's message.
pub const DETAIL_LENGTH_MAX: usize = 300;

reasons! {
    /// How a probe ended.
    pub enum ProbeEnding {
        /// The measurement is whole: every request was answered, or its time was up.
        Measured,
        /// The engine was not ready within its start timeout.
        EngineNeverReady,
        /// The engine died more often than the test endures: a canary not once, a PHASE three times.
        EngineDied,
        /// The instant by which the pod must have ended came before the measurement was whole.
        OutOfTime,
        /// The engine is up but can't be measured: it serves no model, lacks the endpoint, or refuses the credentials.
        EngineUnusable,
        /// The probe could not work: it can't read its request, or failed itself.
        Refused,
    }
}

impl ProbeEnding {
    /// Whether what was in flight at the end was cut off because time was up, and by nothing else.
    pub const fn is_by_time(self) -> bool {
        matches!(self, Self::Measured | Self::OutOfTime)
    }
}

/// What a probe says. What it did not see is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// How it ended.
    pub ending: ProbeEnding,
    /// Why it ended so, in one line of at most [`DETAIL_LENGTH_MAX`] characters; may be empty.
    pub detail: String,
    /// When what happened, by the clock of the node.
    pub times: ProbeTimes,
    /// Requests of the measurement by outcome, the warm-up's left out; absent where none was begun.
    pub requests: Option<RequestCounts>,
    /// Requests that met every limit; absent without limits or without requests.
    pub within_slo: Option<u64>,
    /// Which requests met every limit, one answer per request that the schedule offers.
    pub met: Option<MetRequests>,
    /// Figures by metric. Only what a client measures: neither OOM events nor a pass rate.
    pub metrics: BTreeMap<Metric, ReportedMetric>,
    /// What TTFT and the whole latency came to at least, requests included that were cut off when the time of the measurement
    /// was up; empty where none was.
    pub latency_bounds: BTreeMap<Metric, LatencyBound>,
    /// Gaps between tokens, milliseconds: shown beside the metrics, and judged by nobody.
    pub inter_token_latency: Option<ReportedMetric>,
    /// What the engine's own metrics say; absent where they were not read.
    pub engine_view: Option<EngineView>,
    /// What client and engine counted between the first and the last look at those metrics.
    pub cross_check: Option<CrossCheck>,
    /// How well the client kept its schedule; absent where nothing was sent.
    pub client: Option<ClientPace>,
    /// Deaths of the engine that the probe saw, in the order in which they came, at most [`DEATHS_MAX`].
    pub deaths: Vec<ReportedDeath>,
    /// What the engine says of itself; absent where it said nothing.
    pub engine: Option<ReportedEngine>,
    /// The GPUs as the guard saw them; absent means unobserved, not none.
    pub gpu: Option<ReportedGPU>,
    /// What the size of the message left no room for.
    pub dropped: BTreeSet<ReportPart>,
}

impl ProbeReport {
    /// A report that says how the probe ended and nothing else.
    pub fn new(ending: ProbeEnding, detail: impl Into<String>) -> Self {
        Self {
            ending,
            detail: detail.into(),
            times: ProbeTimes::default(),
            requests: None,
            within_slo: None,
            met: None,
            metrics: BTreeMap::new(),
            latency_bounds: BTreeMap::new(),
            inter_token_latency: None,
            engine_view: None,
            cross_check: None,
            client: None,
            deaths: Vec::new(),
            engine: None,
            gpu: None,
            dropped: BTreeSet::new(),
        }
    }
}

/// When what happened. Each comes no earlier than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeTimes {
    /// When the engine's port first answered.
    pub first_contact_at: Option<Timestamp>,
    /// When the engine was first ready. From here on the measure budget is used.
    pub ready_at: Option<Timestamp>,
    /// When the first measured request was due: the end of the warm-up.
    pub measure_started_at: Option<Timestamp>,
    /// When the measurement ended.
    pub measure_ended_at: Option<Timestamp>,
}

/// One metric's figures, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReportedMetric {
    /// How many samples. At least 1.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one sample.
    pub standard_deviation: f64,
    /// The rest of the summary; absent where the message had no room for it.
    pub spread: Option<MetricSpread>,
}

/// The order statistics of a summary, see [`SampleSummary`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricSpread {
    /// Median of the absolute deviations from the median, unscaled.
    pub median_absolute_deviation: f64,
    /// Smallest sample.
    pub minimum: f64,
    /// Median.
    pub median: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest sample.
    pub maximum: f64,
}

impl ReportedMetric {
    /// The summary, if it is whole: a metric without its quantiles is shown, and counts as missing where it is judged.
    pub fn summary(&self) -> Option<SampleSummary> {
        let MetricSpread { median_absolute_deviation, minimum, median, p90, p95, p99, maximum } = self.spread?;
        Some(SampleSummary {
            count: self.count,
            mean: self.mean,
            standard_deviation: self.standard_deviation,
            median,
            median_absolute_deviation,
            minimum,
            maximum,
            p90,
            p95,
            p99,
        })
    }
}

impl From<SampleSummary> for ReportedMetric {
    fn from(summary: SampleSummary) -> Self {
        let SampleSummary { count, mean, standard_deviation, median, median_absolute_deviation, .. } = summary;
        let SampleSummary { minimum, maximum, p90, p95, p99, .. } = summary;
        let spread = MetricSpread { median_absolute_deviation, minimum, median, p90, p95, p99, maximum };
        Self { count, mean, standard_deviation, spread: Some(spread) }
    }
}

/// One death of the engine, or one refusal to start, as the probe saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedDeath {
    /// When it was seen.
    pub at: Timestamp,
    /// Why, from the output that the guard kept; `Unclassified` where there is no guard.
    pub failure: EngineFailure,
}

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportedEngine {
    /// Engine and version, as `vllm 0.32.0`.
    pub version: Option<String>,
    /// The model that it serves.
    pub model: Option<String>,
    /// Its effective configuration by canonical flag name: the arguments that it prints at its start, completed by the
    /// labels of `vllm:cache_config_info`, because it does not print what equals its own default.
    pub configuration: BTreeMap<String, String>,
}

/// The GPUs that the engine's container sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedGPU {
    /// Product name as NVML states it.
    pub product: Option<String>,
    /// How many.
    pub count: Option<u32>,
    /// Driver version.
    pub driver_version: Option<String>,
    /// `none`, `time-slicing`, `mps` or `mig`.
    pub sharing: Option<String>,
    /// Largest share of any of their memories that was in use, percent, rounded up: totals, because processes of other pods are
    /// not told apart.
    pub memory_percent_max: Option<u32>,
}
