//! Status of a TuningCanary.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    audit::TransitionHistory,
    condition::Condition,
    duration::Duration,
    phase_run::status::{MetricSummary, RunEnvironment},
    schema,
};

/// How far a canary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CanaryPhase {
    /// Reserved; no pod yet.
    Pending,
    /// The engine starts.
    Starting,
    /// Its engine is warmed up and measured.
    Measuring,
    /// The figures are judged.
    Scoring,
    /// Ended, and everything is given back.
    Done,
}

/// What a canary's evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CanaryVerdict {
    /// Everything that a candidate must show was shown.
    Passed,
    /// It was shown to be bad.
    Failed,
    /// Nothing was shown.
    Inconclusive,
    /// Somebody, or a bound on time, ended it.
    Aborted,
}

/// Why a canary failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FailureClass {
    /// The engine ran out of memory.
    OutOfMemory,
    /// The engine refused to start.
    StartRefused,
    /// The engine died for another reason.
    Crash,
    /// It did not become ready, or did not end, in time.
    Timeout,
    /// The card, the node or the cluster: never held against the candidate.
    Infrastructure,
    /// The cluster's policy, or ours, refused it.
    Policy,
}

/// Why a canary failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryFailure {
    /// The class. Only OutOfMemory, StartRefused, Crash and Timeout count towards `stopAfterFailures`, and of StartRefused
    /// not those that got too little memory.
    pub class: FailureClass,
    /// The line that decided the class.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// What was really used of both budgets. What nobody can prove counts as used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetUse {
    /// Of the measure budget.
    pub measure: Duration,
    /// Of the GPU-hold budget, times GPUs.
    pub hold: Duration,
    /// Whether the kubelet's times prove both figures; else the whole reservation counts.
    pub proven: bool,
}

/// Requests by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestTally {
    /// Offered by the workload.
    #[schemars(schema_with = "schema::count")]
    pub offered: i64,
    /// Answered in full.
    #[schemars(schema_with = "schema::count")]
    pub completed: i64,
    /// Failed.
    #[schemars(schema_with = "schema::count")]
    pub failed: i64,
    /// Within every limit: fitness is this over `offered`.
    #[schemars(schema_with = "schema::count")]
    pub within_limits: i64,
}

/// Which requests met every limit, so that canaries of one load can be compared request by request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetRequestsRecord {
    /// Hash of the request schedule.
    #[schemars(schema_with = "schema::digest")]
    pub schedule: String,
    /// Requests of the schedule.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
    /// One bit per request in the order of the schedule, as hexadecimal digits, the first request in the highest bit.
    #[schemars(length(max = 4096))]
    pub bits: String,
}

/// How the canary compares with the incumbent of its tuning run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncumbentComparison {
    /// Name of the incumbent's canary.
    #[schemars(schema_with = "schema::object_name")]
    pub canary_name: String,
    /// The incumbent's fitness; left out where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// This canary's fitness less the incumbent's; left out where either has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Probability of a difference this large by chance alone; left out where the two can't be paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
}

/// One line per column, for `kubectl get`. Written for people; nothing reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanarySummary {
    /// The values, as `gpu-memory-utilization=0.75`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub parameters: Option<String>,
    /// The fitness, as `0.975`: cut to three digits, so that 1.000 is every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub fitness: Option<String>,
    /// Measured and held, as `8s/74s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub used: Option<String>,
}

/// What a canary showed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TuningCanaryStatus {
    /// The `metadata.generation` this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// How far it is: a report, never the operator's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<CanaryPhase>,
    /// What the evidence says; left out until it is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CanaryVerdict>,
    /// Reasons of the verdict, the decisive one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::reasons")]
    pub reasons: Vec<String>,
    /// The reasons as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::sentences")]
    pub messages: Vec<String>,
    /// Share of requests within every limit, 0 to 1; left out unless it passed every hard gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// Requests by outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestTally>,
    /// Which requests met every limit; left out where the probe's message had no room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<MetRequestsRecord>,
    /// Figures by metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["metric".into()]))]
    pub metrics: Vec<MetricSummary>,
    /// How it compares with the incumbent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incumbent: Option<IncumbentComparison>,
    /// What the engine reports about itself: a value that it does not report was not tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<RunEnvironment>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CanaryFailure>,
    /// When its pod was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// When the first container started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the engine was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When the measurement ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When the kubelet reported the last container terminated; else when it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// What was used of both budgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<BudgetUse>,
    /// Name of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub pod_name: Option<String>,
    /// Uid of the pod; left out until it was seen.
    #[serde(default, rename = "podUID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uid", rename = "podUID")]
    pub pod_uid: Option<String>,
    /// Why the operator ends the pod, as one word; left out where it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub ended_by: Option<String>,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub node_name: Option<String>,
    /// One line per column for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<CanarySummary>,
    /// Ready, Reconciling, Stalled, Restored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Chain of transitions, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TransitionHistory>,
}
