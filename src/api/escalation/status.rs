//! Status of an Escalation: flags, gates, ledgers, the tuning run that is going.

use jiff::Timestamp;
use kube::KubeSchema;
use phaseloop_core::value::ParameterSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::{
    flag::{CountedRun, FlagState, FlagStatus},
    ledger::{BudgetPart, FoldedAttempt, Ledger, NightLedger, TuningRunRecord},
    tuning::{ActiveTuning, TuningOutcome, UntriedCandidate},
};
use crate::api::{audit::TransitionHistory, condition::Condition, schema};

/// What an Escalation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EscalationState {
    /// No flag is armed; symptoms are counted.
    Counting,
    /// A flag is armed; tuning begins as soon as every gate is open.
    Armed,
    /// A tuning run is going.
    Tuning,
    /// Somebody has suspended it.
    Suspended,
    /// It can't work until somebody changes something.
    Stalled,
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
    /// Name of the Promotion that was rolled back or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub promotion_name: Option<String>,
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
    /// What it is doing: a report, never the operator's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<EscalationState>,
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
    /// The first instant at which every gate is open; left out while all are open, and where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_gates_open_at: Option<Timestamp>,
    /// What has been spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Ledger>,
    /// The tuning run that is going.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<ActiveTuning>,
    /// What the last tuning run came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tuning: Option<TuningOutcome>,
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
