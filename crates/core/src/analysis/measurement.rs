//! What a run measured, in the form in which it is judged, whoever measured it.

use jiff::Timestamp;

use super::sample::SampleSummary;
use crate::{
    prelude::*,
    value::{Environment, Metric, Uid},
};

/// Everything that one run measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunMeasurement {
    /// The run's uid; in recordings its name.
    pub uid: Uid,
    /// The run's name.
    pub name: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When its last domain ended.
    pub completed_at: Timestamp,
    /// What it ran on and with.
    pub environment: Environment,
    /// What each domain measured. At least one; names are unique.
    pub domains: Vec<DomainMeasurement>,
}

/// What one domain measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainMeasurement {
    /// The domain's name.
    pub name: String,
    /// Hash of the workload: runs under another load are never compared.
    pub workload_hash: String,
    /// Weight in the run's fitness; positive.
    pub weight: f64,
    /// Whether this domain's client reports what the engine says of itself (the serving probe does; a custom report may not).
    pub source: MeasurementSource,
    /// Requests, or tests of a report.
    pub requests: RequestCounts,
    /// Summaries by metric. OOM events and pass rate are derived from `engine` and `requests`, not listed here.
    pub metrics: BTreeMap<Metric, SampleSummary>,
    /// What TTFT and the whole latency came to at least, with the requests that were cut off; empty where none was, or where
    /// nobody tells. Evidence against the engine and never for it: it serves in no baseline.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latency_bounds: BTreeMap<Metric, LatencyBound>,
    /// How the engine fared.
    pub engine: EngineOutcome,
    /// What the engine says of itself over the same time; absent where it was not read.
    pub engine_view: Option<EngineView>,
    /// What client and engine counted over the time of `engine_view`; absent where `metrics` themselves are of all requests
    /// that the engine counted, as in recordings of whole loads.
    pub cross_check: Option<CrossCheck>,
    /// How well the load client kept up; absent where it does not tell.
    pub client: Option<ClientPace>,
    /// Requests that met every limit of the SLO; absent without an SLO.
    pub within_slo: Option<u64>,
    /// Things the reader noticed and the report must show: rejected rows, taken-over fields.
    pub notes: Vec<String>,
}

impl DomainMeasurement {
    /// Whether a client measured an engine that said nothing of itself.
    pub const fn is_unobserved(&self) -> bool {
        matches!(self.source, MeasurementSource::Serving) && self.engine_view.is_none()
    }
}

/// Who measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum MeasurementSource {
    /// A load client against an engine: our probe, or `vllm bench serve`.
    Serving,
    /// A test image that wrote a PHASE report.
    Report,
}

/// Requests by outcome. `offered` is what the workload demanded; what neither completed nor failed was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCounts {
    /// Demanded by the workload.
    pub offered: u64,
    /// Answered in full, or passed.
    pub completed: u64,
    /// Answered with an error, cut off, or failed.
    pub failed: u64,
    /// Tests that passed only on a repeated try; a part of `completed`.
    pub flaky: u64,
    /// Tests skipped on purpose; not part of `offered`.
    pub skipped: u64,
}

/// A latency over all requests that were answered, or cut off because the measurement was over. Who was cut off had waited so
/// long and would have waited longer, so that the mean is a lower bound. What was refused or broke off is not in it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyBound {
    /// How many requests. At least 1.
    pub count: u64,
    /// How many of them were cut off before they had what the latency runs to: they count with their wait so far.
    pub cut_off_count: u64,
    /// Mean, milliseconds.
    pub ms_mean: f64,
    /// Sample standard deviation, milliseconds; 0 for one request.
    pub ms_standard_deviation: f64,
}

/// How the engine fared in a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineOutcome {
    /// Deaths and refusals in the order in which they came. Empty: none was seen.
    pub failures: Vec<EngineFailure>,
    /// OOM events that a report counted without telling more.
    pub reported_oom_events: u64,
    /// Whether the engine ever became ready; absent where nobody looked.
    pub became_ready: Option<bool>,
}

/// One death of an engine, or one refusal to start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineFailure {
    /// What kind of failure.
    pub class: EngineFailureClass,
    /// For memory failures: whether the engine had too much or too little; else absent.
    pub memory: Option<MemoryFault>,
    /// Exit code, where one was seen. Zero is no evidence of anything.
    pub exit_code: Option<i32>,
    /// The line that decided the class, cut to 300 characters; empty where no output was had.
    pub message: String,
}

/// Class of an engine's failure, decided in this order: kubelet reason, exit code, output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum EngineFailureClass {
    /// Out of memory while it served or warmed up.
    OutOfMemory,
    /// Refused to start for want of memory.
    StartRefusedForMemory,
    /// Refused to start for another stated reason (a bad flag, a model that is not there).
    StartRefused,
    /// Died while it served, for another reason than memory.
    Crash,
    /// Did not become ready, or did not end, in time.
    Timeout,
    /// Faults of the card, the node or the cluster: never a symptom of the configuration.
    Infrastructure,
    /// It ended, and nothing says why.
    Unclassified,
}

/// Which way memory was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum MemoryFault {
    /// The engine claimed more than the card has: give it less.
    Overcommitted,
    /// The engine had too little for its cache: give it more.
    Starved,
}

/// What the engine says of itself over the run: means from its own histograms, counters as differences.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineView {
    /// Mean TTFT, milliseconds.
    pub time_to_first_token_ms_mean: Option<f64>,
    /// Mean inter-token latency, milliseconds.
    pub inter_token_latency_ms_mean: Option<f64>,
    /// Mean end-to-end latency, milliseconds.
    pub end_to_end_latency_ms_mean: Option<f64>,
    /// Mean time a request waited before it was admitted, milliseconds.
    pub queue_time_ms_mean: Option<f64>,
    /// Preemptions during the run.
    pub preemptions: Option<f64>,
    /// Largest share of the KV cache in use, 0 to 1.
    pub kv_cache_usage_max: Option<f64>,
}

/// The same events as client and engine counted them: those between the first and the last look at the engine's metrics,
/// whenever their requests were sent and whatever became of those later.
///
/// A run's own figures are of requests that were *due* in its measurement, and an engine's of what *happened* in it. As long
/// as requests wait hardly at all these are the same. Where a queue grows they are not: of the requests that are due, those
/// that wait longest are cut off, and what happens is the first tokens of those that came early and waited less.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrossCheck {
    /// First tokens, with the time from the send to them; absent where the engine does not count them.
    pub first_tokens: Option<CountedTwice>,
    /// Whole answers, with the time from the send to their last token; absent where the engine does not count them.
    pub answers: Option<CountedTwice>,
}

/// Events that client and engine counted each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedTwice {
    /// How many the engine counted.
    pub engine_count: u64,
    /// How many the client saw.
    pub client_count: u64,
    /// Of how many the client can't tell whether the engine counted them: they came so near to a look that it may or may
    /// not have, or the request failed midway.
    pub unsure_count: u64,
    /// Mean latency of those that the client saw, milliseconds; absent where it saw none.
    pub client_ms_mean: Option<f64>,
}

/// How the load client kept its own schedule.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientPace {
    /// Mean delay between a request's scheduled and its real send, milliseconds.
    pub schedule_delay_ms_mean: f64,
    /// 99th percentile of that delay, milliseconds.
    pub schedule_delay_ms_p99: f64,
    /// Mean interval between arrivals that the workload demanded, milliseconds; absent for a closed loop.
    pub arrival_interval_ms_mean: Option<f64>,
}
