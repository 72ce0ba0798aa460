//! Status of a PhaseRun. Under 100 kB always: raw samples never enter it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::KubeSchema;
use phaseloop_core::value::{Diagnosis, Metric, Severity, SymptomKind, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::MeasuredDomain;
use crate::api::{audit::TransitionHistory, condition::Condition, duration::Duration, schema};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PhaseRunPhase {
    /// No pod has started.
    Pending,
    /// Domains are tested.
    Running,
    /// Every domain has ended; the figures are judged.
    Analyzing,
    /// Judged.
    Completed,
    /// It ended without a result.
    Failed,
    /// Somebody aborted it.
    Aborted,
}

/// One line per column, for `kubectl get`. Written for people; nothing reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseRunSummary {
    /// The fitness, as `0.975`: cut to three digits, so that 1.000 is every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub fitness: Option<String>,
    /// Kinds of the symptoms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub symptoms: Option<String>,
    /// The first reason of the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub why: Option<String>,
    /// The first thing that changed since the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub changed: Option<String>,
}

/// What the run ran on and with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunEnvironment {
    /// Image reference as the pod names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// Digest that the kubelet resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image_digest: Option<String>,
    /// Engine and version, as in `vllm 0.32.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub engine_version: Option<String>,
    /// Served model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub model: Option<String>,
    /// GPU product as NVML states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub gpu_product: Option<String>,
    /// GPUs that the engine uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub gpu_count: Option<i64>,
    /// `none`, `time-slicing`, `mps` or `mig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub gpu_sharing: Option<String>,
    /// GPU driver version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub driver_version: Option<String>,
    /// Engine arguments by canonical flag name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::text_map")]
    pub configuration: BTreeMap<String, String>,
    /// Hash of the target's pod template when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub template_hash: Option<String>,
    /// Hash of the target's pod template when the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub template_hash_at_end: Option<String>,
    /// Fields that were not seen in this run but taken from the last run of the same image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub inferred: Vec<String>,
}

/// Something that differs from the baseline's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineChange {
    /// What differs, in words: `image digest`, `driver version`, or a flag of the engine by its name, as `max-num-seqs`.
    #[schemars(schema_with = "schema::short_text")]
    pub field: String,
    /// What it was; left out where it was absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub from: Option<String>,
    /// What it is; left out where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub to: Option<String>,
}

/// Summary of one metric's samples, in the metric's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricSummary {
    /// The metric.
    #[schemars(schema_with = "schema::metric")]
    pub metric: Metric,
    /// Samples.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub standard_deviation: f64,
    /// Median.
    pub median: f64,
    /// Median absolute deviation from the median, unscaled.
    pub median_absolute_deviation: f64,
    /// Smallest sample.
    pub minimum: f64,
    /// Largest sample.
    pub maximum: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// The runs that a domain was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineReference {
    /// Names of the runs that served, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::object_names")]
    pub runs: Vec<String>,
    /// Names of runs that were left out, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub left_out: Vec<String>,
    /// Whether runs from before the window had to serve.
    #[serde(default)]
    pub reached_back: bool,
}

/// How one metric moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricDelta {
    /// The metric.
    #[schemars(schema_with = "schema::metric")]
    pub metric: Metric,
    /// The run's figure.
    pub current: f64,
    /// How many of the requests behind that figure were cut off while they waited: it is then a lower bound. Left out where it
    /// is a figure of what was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::count")]
    pub cut_off: Option<i64>,
    /// The baseline's figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Change in percent, signed; left out where the baseline is zero or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_percent: Option<f64>,
    /// Whether the change is more than noise; left out where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significant: Option<bool>,
    /// Severity, where the change is one to the worse beyond a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::severity")]
    pub severity: Option<Severity>,
}

/// How one domain fared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainStatus {
    /// The domain.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// When its pod was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// When its pod had ended and its result was stored, or when it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Name of its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub pod_name: Option<String>,
    /// Uid of its pod; left out until it was seen.
    #[serde(default, rename = "podUID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uid", rename = "podUID")]
    pub pod_uid: Option<String>,
    /// From the start of the engine's container to the engine's being ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_ready_after: Option<Duration>,
    /// Whether its measurement says anything of the engine: an invalid one adds no symptom. Left out until it is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    /// Its verdict; left out while it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::verdict")]
    pub verdict: Option<Verdict>,
    /// Reasons of the verdict, the decisive one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::reasons")]
    pub reasons: Vec<String>,
    /// The reasons as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub messages: Vec<String>,
    /// Hash of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub workload_hash: Option<String>,
    /// Key of the runs that this domain may be compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub baseline_key: Option<String>,
    /// Share of requests within the limits, 0 to 1; left out without limits or without a valid measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// Figures by metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".into()]))]
    pub metrics: Vec<MetricSummary>,
    /// What was measured besides; left out where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredDomain>,
    /// What it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReference>,
    /// How each metric moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".into()]))]
    pub deltas: Vec<MetricDelta>,
}

impl DomainStatus {
    /// A domain of which nothing is known yet.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// One degraded metric of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SymptomReport {
    /// Kind of the degradation.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub kind: SymptomKind,
    /// The domain that showed it.
    #[schemars(schema_with = "schema::label")]
    pub domain: String,
    /// How grave.
    #[schemars(schema_with = "schema::severity")]
    pub severity: Severity,
    /// The metric that degraded.
    #[schemars(schema_with = "schema::metric")]
    pub metric: Metric,
    /// The run's figure.
    pub current: f64,
    /// The baseline's figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Change in percent, signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_percent: Option<f64>,
    /// Which way the evidence points.
    #[schemars(schema_with = "schema::diagnosis")]
    pub diagnosis: Diagnosis,
    /// The evidence in short sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub evidence: Vec<String>,
}

/// Replicas borrowed from the target for the time of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Borrowed {
    /// Replicas before.
    #[schemars(schema_with = "schema::count")]
    pub from: i64,
    /// Replicas while borrowed.
    #[schemars(schema_with = "schema::count")]
    pub to: i64,
    /// When the wish to give back was written, before the target was scaled.
    pub since: Timestamp,
    /// The target's resourceVersion that the request tests: at another one it can land no more. Left out once it is known
    /// to have landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub target_resource_version: Option<String>,
    /// When the API server accepted the former number again; left out until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_back_at: Option<Timestamp>,
    /// Why it was not given back: somebody else had set the replicas, which stay as they are. Left out where that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub conflict: Option<String>,
}

impl Borrowed {
    /// Whether nothing is owed any more.
    pub const fn is_settled(&self) -> bool {
        self.given_back_at.is_some() || self.conflict.is_some()
    }
}

/// What a run found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhaseRunStatus {
    /// The `metadata.generation` this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// How far the run is: a report, never the operator's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PhaseRunPhase>,
    /// The verdict; left out until the run is judged. No data is `Unknown`, never `Healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::verdict")]
    pub verdict: Option<Verdict>,
    /// Reasons of the verdict, the decisive one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::reasons")]
    pub reasons: Vec<String>,
    /// Weighted share of requests within their limits, 0 to 1; left out where any domain has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// When the first pod was asked for: the target is tested as it stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the run was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// What it ran on and with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<RunEnvironment>,
    /// Key of the runs that this one may be compared with, without the domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub baseline_key: Option<String>,
    /// Whether the run may serve in later baselines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<bool>,
    /// Why it may serve in later baselines, or why not: `WithinLimits`, `BaselineSeeding` for a seed, or the reason that
    /// speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub admission_reason: Option<String>,
    /// What differs from the baseline's runs, named before anything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub changed_since_baseline: Vec<BaselineChange>,
    /// How each domain fared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<DomainStatus>,
    /// What degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub symptoms: Vec<SymptomReport>,
    /// Id of the cycle that this run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: Option<String>,
    /// Replicas borrowed from the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowed: Option<Borrowed>,
    /// One line per column for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PhaseRunSummary>,
    /// Ready, Reconciling, Stalled, Restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Chain of transitions, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TransitionHistory>,
}
