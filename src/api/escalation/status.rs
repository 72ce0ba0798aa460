//! Status of an Escalation: flags, gates, ledgers, the tuning run that is going.

use jiff::Timestamp;
use kube::KubeSchema;
use phaseloop_core::value::{ParameterSet, SymptomKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{audit::TransitionHistory, condition::Condition, phase_run::status::Borrowed, schema};

/// State of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FlagState {
    /// Too few symptoms.
    Idle,
    /// Tuning is permitted.
    Armed,
    /// It was used up, or somebody cleared it.
    Cleared,
    /// Its time ran out before it was used. It starts nothing.
    Expired,
}

/// A run that was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedRun {
    /// Name of the PhaseRun.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Its uid.
    #[schemars(schema_with = "schema::uid")]
    pub uid: String,
    /// When it was judged.
    pub completed_at: Timestamp,
}

/// One flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagStatus {
    /// The kind of symptom.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// Its state.
    pub state: FlagState,
    /// Runs that count now.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
    /// Runs that arm it.
    #[schemars(schema_with = "schema::count")]
    pub threshold: i64,
    /// When it was last armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub armed_at: Option<Timestamp>,
    /// When it expires, or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The runs that count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub evidence: Vec<CountedRun>,
}

/// The names of the gates, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GateName {
    /// Nobody has suspended the Escalation.
    NotSuspended,
    /// No other tuning run, no unvalidated promotion, nothing left behind.
    TargetFree,
    /// A maintenance window is open.
    WindowOpen,
    /// Both budgets of the night hold at least one more canary.
    BudgetAvailable,
    /// Enough time since the last tuning run.
    CooldownElapsed,
    /// Fewer tuning runs than the rate allows.
    RateAvailable,
}

/// One gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// The gate.
    pub name: GateName,
    /// Whether it is open.
    pub open: bool,
    /// Why, as one word.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// Why, with the figure, the limit and the next instant.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When it opens next; left out while it is open, and where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
}

/// Seconds of the two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSeconds {
    /// Measuring.
    #[schemars(schema_with = "schema::seconds")]
    pub measure_seconds: i64,
    /// Holding GPUs.
    #[schemars(schema_with = "schema::seconds")]
    pub hold_seconds: i64,
}

/// What one night has spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NightLedger {
    /// The night, by the local date on which its window began.
    #[schemars(schema_with = "schema::night")]
    pub night: String,
    /// Reserved by canaries that are going.
    pub reserved: BudgetSeconds,
    /// Used by canaries that have ended. What nobody can prove counts as used.
    pub used: BudgetSeconds,
    /// Attempts folded into `used`: each canary is folded once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub folded_attempts: Vec<i64>,
}

/// A tuning run that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TuningRunRecord {
    /// Id of the cycle.
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; left out while it is going.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// What has been spent. Folded from canaries, so that deleting one refunds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Nights, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["night".into()]))]
    pub nights: Vec<NightLedger>,
    /// Tuning runs inside the rate window, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub runs: Vec<TuningRunRecord>,
    /// When the cooldown ends; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Timestamp>,
    /// Uids of runs whose symptoms tuning runs have consumed, folded from canaries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "consumed")]
    pub consumed: Vec<String>,
}

fn consumed(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 400, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": schema::DIGEST_LENGTH_MAX },
    })
}

/// The tuning run that is going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveTuning {
    /// Id of the cycle.
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: String,
    /// The symptom it is for.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// The night.
    #[schemars(schema_with = "schema::night")]
    pub night: String,
    /// The attempt that is going.
    #[schemars(schema_with = "schema::count")]
    pub attempt: i64,
    /// When it started.
    pub started_at: Timestamp,
    /// Candidates measured.
    #[schemars(schema_with = "schema::count")]
    pub candidates_done: i64,
    /// Candidates still to measure.
    #[schemars(schema_with = "schema::count")]
    pub candidates_left: i64,
    /// Replicas borrowed from the target for this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub borrowed: Option<Borrowed>,
}

/// A candidate that is not tried again in this environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeniedCandidate {
    /// Hash of the parameters, image digest, model, GPU product and driver.
    #[schemars(schema_with = "schema::digest")]
    pub fingerprint: String,
    /// The values.
    #[schemars(schema_with = "schema::parameter_set")]
    pub parameters: ParameterSet,
    /// Why it is denied.
    #[schemars(length(max = 512))]
    pub reason: String,
}

/// One line per column, for `kubectl get`. Written for people; nothing reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscalationSummary {
    /// The armed flag and until when, or the count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub flag: Option<String>,
    /// Open, or the first closed gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub gates: Option<String>,
    /// What is tried now, or when tuning may start next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub tuning: Option<String>,
}

/// Flags, gates, ledgers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscalationStatus {
    /// The `metadata.generation` this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// One flag per kind of symptom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["symptom".into()]))]
    pub flags: Vec<FlagStatus>,
    /// The gates, in the order in which they are looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<GateStatus>,
    /// The first instant at which every gate is open; left out where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_gates_open_at: Option<Timestamp>,
    /// What has been spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// The tuning run that is going.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<ActiveTuning>,
    /// Candidates that are not tried again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["fingerprint".into()]))]
    pub denied: Vec<DeniedCandidate>,
    /// One line per column for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<EscalationSummary>,
    /// Ready, Reconciling, Stalled, and each gate with its next opening in the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Chain of transitions: the newest 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TransitionHistory>,
}
