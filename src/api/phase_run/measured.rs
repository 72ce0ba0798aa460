//! What a domain measured, as its status keeps it: all that judging needs and nothing more, so that a run can be judged,
//! and serve as baseline, when its pods are long gone.
//!
//! A figure is kept in twelve digits: more than any measurement has, and few enough to be read back to the same bits.

use jiff::SignedDuration;
use kube::KubeSchema;
use phaseloop_core::{
    analysis::{
        measurement::{
            ClientPace, DomainMeasurement, EngineFailure, EngineFailureClass, EngineOutcome, EngineView,
            MeasurementSource, MemoryFault, RequestCounts,
        },
        sample::SampleSummary,
    },
    value::Metric,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cross_check::MeasuredCrossCheck,
    latency_bound::MeasuredBound,
    status::{DomainStatus, MetricSummary},
};
use crate::api::schema;

/// Failures of the engine that a domain keeps: a PHASE ends at the fourth.
pub const FAILURES_MAX: usize = 8;
/// Notes that a domain keeps.
pub const NOTES_MAX: usize = 8;
/// Characters of a note.
pub const NOTE_LENGTH_MAX: usize = 256;
/// Characters of a failure's line.
pub const FAILURE_LENGTH_MAX: usize = 300;

/// What was measured of a domain, besides its metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredDomain {
    /// Who measured: `Serving`, our probe; `Report`, a test image.
    #[schemars(schema_with = "source")]
    pub source: MeasurementSource,
    /// Weight in the run's fitness.
    pub weight: f64,
    /// Requests, or tests of a report.
    pub requests: MeasuredRequests,
    /// Requests that met every limit; left out without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count", rename = "withinSLO")]
    #[serde(rename = "withinSLO")]
    pub within_slo: Option<i64>,
    /// What time to first token and end-to-end latency came to at least, with the requests that were cut off because the
    /// measurement was over; left out where none was. Evidence against the engine, never for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".into()]))]
    pub latency_bounds: Vec<MeasuredBound>,
    /// How the engine fared.
    #[serde(default)]
    pub engine: MeasuredEngine,
    /// What the engine says of itself; left out where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_view: Option<MeasuredEngineView>,
    /// What client and engine counted over the time of `engineView`, so that they can be held against each other; left out
    /// where nobody counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_check: Option<MeasuredCrossCheck>,
    /// How the load client kept its schedule; left out where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<MeasuredPace>,
    /// What the reader noticed: rejected rows, parts that a message had no room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub notes: Vec<String>,
}

/// Requests, or tests of a report, by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredRequests {
    /// Demanded by the workload.
    #[schemars(schema_with = "schema::count")]
    pub offered: i64,
    /// Answered in full, or passed.
    #[schemars(schema_with = "schema::count")]
    pub completed: i64,
    /// Answered with an error, cut off, or failed.
    #[schemars(schema_with = "schema::count")]
    pub failed: i64,
    /// Tests that passed only on a repeated try; a part of `completed`.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub flaky: i64,
    /// Tests skipped on purpose; no part of `offered`.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub skipped: i64,
}

/// How the engine fared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredEngine {
    /// Whether it ever became ready; left out where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub became_ready: Option<bool>,
    /// Out-of-memory events that a report counted without telling more.
    #[serde(default, rename = "reportedOOMEvents")]
    #[schemars(schema_with = "schema::count", rename = "reportedOOMEvents")]
    pub reported_oom_events: i64,
    /// Deaths and refusals to start, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub failures: Vec<MeasuredFailure>,
}

/// One death of the engine, or one refusal to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredFailure {
    /// What kind of failure.
    #[schemars(schema_with = "failure_class")]
    pub class: EngineFailureClass,
    /// For memory failures: whether the engine had too much or too little.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "memory_fault")]
    pub memory: Option<MemoryFault>,
    /// Exit code, where one was seen. Zero is no evidence of anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The line that decided the class; left out where no output was had.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 300))]
    pub message: String,
}

/// What the engine says of itself over the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredEngineView {
    /// Mean time to first token, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ms_mean: Option<f64>,
    /// Mean inter-token latency, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inter_token_latency_ms_mean: Option<f64>,
    /// Mean end-to-end latency, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_latency_ms_mean: Option<f64>,
    /// Mean time that a request waited before it was admitted, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_time_ms_mean: Option<f64>,
    /// Preemptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemptions: Option<f64>,
    /// Largest share of the KV cache in use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_usage_max: Option<f64>,
}

/// How the load client kept its own schedule, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredPace {
    /// Mean delay between a request's scheduled and its real send.
    pub schedule_delay_ms_mean: f64,
    /// 99th percentile of that delay.
    pub schedule_delay_ms_p99: f64,
    /// Mean interval between arrivals that the workload demanded; left out for a closed loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_interval_ms_mean: Option<f64>,
}

fn source(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["Serving", "Report"] })
}

fn memory_fault(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["Overcommitted", "Starved"] })
}

fn failure_class(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": [
        "OutOfMemory", "StartRefusedForMemory", "StartRefused", "Crash", "Timeout", "Infrastructure", "Unclassified",
    ] })
}

/// A figure in twelve digits; `None` where it is no number, which no status can hold.
pub fn kept_figure(figure: f64) -> Option<f64> {
    figure.is_finite().then(|| format!("{figure:.11e}").parse().unwrap_or(figure))
}

/// What a thousandth may lack for being written in binary.
const ROUNDING: f64 = 1e-6;

/// A fitness for people, as in every other place: three digits after the point, cut and not rounded, so that 1.000 means that
/// every request met its limits. A status keeps the number itself in twelve digits.
pub fn fitness_text(fitness: f64) -> String {
    format!("{:.3}", fitness.mul_add(1e3, ROUNDING).floor() / 1e3)
}

/// The first characters of a text.
pub fn cut(text: &str, length_max: usize) -> String {
    text.chars().take(length_max).collect()
}

pub(crate) fn wire_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl MetricSummary {
    /// A summary as status keeps it; `None` where one of its figures is no number.
    pub fn of(metric: Metric, summary: &SampleSummary) -> Option<Self> {
        let SampleSummary { count, mean, standard_deviation, median, median_absolute_deviation, .. } = *summary;
        let SampleSummary { minimum, maximum, p90, p95, p99, .. } = *summary;
        Some(Self {
            metric,
            count: wire_count(count),
            mean: kept_figure(mean)?,
            standard_deviation: kept_figure(standard_deviation)?,
            median: kept_figure(median)?,
            median_absolute_deviation: kept_figure(median_absolute_deviation)?,
            minimum: kept_figure(minimum)?,
            maximum: kept_figure(maximum)?,
            p90: kept_figure(p90)?,
            p95: kept_figure(p95)?,
            p99: kept_figure(p99)?,
        })
    }

    /// The summary as the core judges it.
    pub const fn to_summary(&self) -> SampleSummary {
        SampleSummary {
            count: self.count.unsigned_abs(),
            mean: self.mean,
            standard_deviation: self.standard_deviation,
            median: self.median,
            median_absolute_deviation: self.median_absolute_deviation,
            minimum: self.minimum,
            maximum: self.maximum,
            p90: self.p90,
            p95: self.p95,
            p99: self.p99,
        }
    }
}

impl From<RequestCounts> for MeasuredRequests {
    fn from(counts: RequestCounts) -> Self {
        let RequestCounts { offered, completed, failed, flaky, skipped } = counts;
        Self {
            offered: wire_count(offered),
            completed: wire_count(completed),
            failed: wire_count(failed),
            flaky: wire_count(flaky),
            skipped: wire_count(skipped),
        }
    }
}

impl From<MeasuredRequests> for RequestCounts {
    fn from(counts: MeasuredRequests) -> Self {
        let MeasuredRequests { offered, completed, failed, flaky, skipped } = counts;
        Self {
            offered: offered.unsigned_abs(),
            completed: completed.unsigned_abs(),
            failed: failed.unsigned_abs(),
            flaky: flaky.unsigned_abs(),
            skipped: skipped.unsigned_abs(),
        }
    }
}

impl From<&EngineOutcome> for MeasuredEngine {
    fn from(outcome: &EngineOutcome) -> Self {
        let EngineOutcome { failures, reported_oom_events, became_ready } = outcome;
        let failures = failures.iter().take(FAILURES_MAX).map(|failure| {
            let EngineFailure { class, memory, exit_code, message } = failure;
            let message = cut(message, FAILURE_LENGTH_MAX);
            MeasuredFailure { class: *class, memory: *memory, exit_code: *exit_code, message }
        });
        let failures = failures.collect();
        Self { became_ready: *became_ready, reported_oom_events: wire_count(*reported_oom_events), failures }
    }
}

impl From<&MeasuredEngine> for EngineOutcome {
    fn from(engine: &MeasuredEngine) -> Self {
        let MeasuredEngine { became_ready, reported_oom_events, failures } = engine;
        let failures = failures.iter().map(|failure| {
            let MeasuredFailure { class, memory, exit_code, message } = failure;
            EngineFailure { class: *class, memory: *memory, exit_code: *exit_code, message: message.clone() }
        });
        let failures = failures.collect();
        Self { failures, reported_oom_events: reported_oom_events.unsigned_abs(), became_ready: *became_ready }
    }
}

impl From<EngineView> for MeasuredEngineView {
    fn from(view: EngineView) -> Self {
        let kept = |figure: Option<f64>| figure.and_then(kept_figure);
        Self {
            time_to_first_token_ms_mean: kept(view.time_to_first_token_ms_mean),
            inter_token_latency_ms_mean: kept(view.inter_token_latency_ms_mean),
            end_to_end_latency_ms_mean: kept(view.end_to_end_latency_ms_mean),
            queue_time_ms_mean: kept(view.queue_time_ms_mean),
            preemptions: kept(view.preemptions),
            kv_cache_usage_max: kept(view.kv_cache_usage_max),
        }
    }
}

impl From<MeasuredEngineView> for EngineView {
    fn from(view: MeasuredEngineView) -> Self {
        Self {
            time_to_first_token_ms_mean: view.time_to_first_token_ms_mean,
            inter_token_latency_ms_mean: view.inter_token_latency_ms_mean,
            end_to_end_latency_ms_mean: view.end_to_end_latency_ms_mean,
            queue_time_ms_mean: view.queue_time_ms_mean,
            preemptions: view.preemptions,
            kv_cache_usage_max: view.kv_cache_usage_max,
        }
    }
}

impl MeasuredPace {
    /// The pace as status keeps it; `None` where one of its figures is no number.
    pub fn of(pace: &ClientPace) -> Option<Self> {
        Some(Self {
            schedule_delay_ms_mean: kept_figure(pace.schedule_delay_ms_mean)?,
            schedule_delay_ms_p99: kept_figure(pace.schedule_delay_ms_p99)?,
            arrival_interval_ms_mean: pace.arrival_interval_ms_mean.and_then(kept_figure),
        })
    }
}

impl From<MeasuredPace> for ClientPace {
    fn from(pace: MeasuredPace) -> Self {
        Self {
            schedule_delay_ms_mean: pace.schedule_delay_ms_mean,
            schedule_delay_ms_p99: pace.schedule_delay_ms_p99,
            arrival_interval_ms_mean: pace.arrival_interval_ms_mean,
        }
    }
}

impl DomainStatus {
    /// A domain that was measured and is not judged yet. Whoever judges it judges what is kept here, so that a judgement
    /// never rests on more than its status shows.
    pub fn of_measurement(domain: &DomainMeasurement) -> Self {
        let summaries = domain.metrics.iter().filter_map(|(metric, summary)| MetricSummary::of(*metric, summary));
        let notes = domain.notes.iter().take(NOTES_MAX).map(|note| cut(note, NOTE_LENGTH_MAX));
        let measured = MeasuredDomain {
            source: domain.source,
            weight: kept_figure(domain.weight).unwrap_or_default(),
            requests: domain.requests.into(),
            within_slo: domain.within_slo.map(wire_count),
            latency_bounds: MeasuredBound::all_of(&domain.latency_bounds),
            engine: (&domain.engine).into(),
            engine_view: domain.engine_view.map(Into::into),
            cross_check: domain.cross_check.map(Into::into),
            client: domain.client.as_ref().and_then(MeasuredPace::of),
            notes: notes.collect(),
        };
        Self {
            metrics: summaries.collect(),
            workload_hash: Some(domain.workload_hash.clone()),
            measured: Some(measured),
            ..Self::named(domain.name.clone())
        }
    }

    /// The measurement that it keeps; `None` where nothing was measured.
    pub fn to_measurement(&self) -> Option<DomainMeasurement> {
        let measured = self.measured.as_ref()?;
        Some(DomainMeasurement {
            name: self.name.clone(),
            workload_hash: self.workload_hash.clone().unwrap_or_default(),
            weight: measured.weight,
            source: measured.source,
            requests: measured.requests.into(),
            metrics: self.metrics.iter().map(|metric| (metric.metric, metric.to_summary())).collect(),
            latency_bounds: measured.latency_bounds.iter().map(|bound| (bound.metric, (*bound).into())).collect(),
            engine: (&measured.engine).into(),
            engine_view: measured.engine_view.map(Into::into),
            cross_check: measured.cross_check.map(Into::into),
            client: measured.client.map(Into::into),
            within_slo: measured.within_slo.map(i64::unsigned_abs),
            notes: measured.notes.clone(),
        })
    }

    /// How long its engine took to become ready.
    pub fn engine_start(&self) -> Option<SignedDuration> {
        self.engine_ready_after.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fitness_is_told_in_three_digits_and_is_1_only_where_every_request_met_its_limits() {
        for (met, offered, told) in [
            (200, 200, "1.000"),
            (9_999, 10_000, "0.999"),
            (130, 140, "0.928"),
            (185, 200, "0.925"),
            (7, 1_000, "0.007"),
            (0, 200, "0.000"),
        ] {
            let fitness = kept_figure(f64::from(met) / f64::from(offered)).unwrap();
            assert_eq!(fitness_text(fitness), told, "{met} of {offered}");
        }
    }
}
