//! Status of a Promotion.

use jiff::Timestamp;
use kube::KubeSchema;
use phaseloop_core::value::{Metric, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{audit::TransitionHistory, condition::Condition, schema};

/// How far a promotion is. Validated, RolledBack, Rejected, Superseded, Expired and Conflict are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PromotionPhase {
    /// Made; the state before is saved.
    Staged,
    /// Waits for a person.
    AwaitingReview,
    /// The change is being written.
    Applying,
    /// The change is rolled out and waits for the run that validates it.
    Applied,
    /// A later run has confirmed it: it stays.
    Validated,
    /// The state before is being restored.
    RollingBack,
    /// The state before is restored exactly.
    RolledBack,
    /// A person refused it.
    Rejected,
    /// The target was changed before it was applied.
    Superseded,
    /// Its time ran out before it was applied.
    Expired,
    /// Somebody else changed the promoted value: nothing is overwritten.
    Conflict,
}

/// The pull request that carries the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Where it is.
    #[schemars(length(max = 512))]
    pub url: String,
    /// Its number.
    #[schemars(schema_with = "schema::count")]
    pub number: i64,
    /// Its branch.
    #[schemars(schema_with = "schema::short_text")]
    pub branch: String,
    /// The commit that was made; left out until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub commit: Option<String>,
}

/// What the validating run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Name of the PhaseRun.
    #[schemars(schema_with = "schema::object_name")]
    pub phase_run: String,
    /// Uid of the PhaseRun.
    #[schemars(schema_with = "schema::uid")]
    pub phase_run_uid: String,
    /// Its verdict.
    #[schemars(schema_with = "schema::verdict")]
    pub verdict: Verdict,
    /// How each metric of the promotion's domains moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["domain".into(), "metric".into()]))]
    pub deltas: Vec<ValidationDelta>,
}

/// How one metric of one domain moved, as the validating run has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationDelta {
    /// The domain.
    #[schemars(schema_with = "schema::label")]
    pub domain: String,
    /// The metric.
    #[schemars(schema_with = "schema::metric")]
    pub metric: Metric,
    /// The run's figure.
    pub current: f64,
    /// The baseline's figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Change in percent, signed; left out where the baseline is zero or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_percent: Option<f64>,
}

/// A patch that was sent and is not known to have landed: remembered before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it was sent.
    pub since: Timestamp,
    /// The resourceVersion of the target that it tests.
    #[schemars(schema_with = "schema::short_text")]
    pub target_resource_version: String,
    /// The target's generation before it.
    #[schemars(schema_with = "schema::count")]
    pub target_generation: i64,
}

/// The same for the ConfigMap that values lie in, whose patch goes before that of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapAttempt {
    /// When it was sent.
    pub since: Timestamp,
    /// The resourceVersion of the ConfigMap that it tests.
    #[schemars(schema_with = "schema::short_text")]
    pub resource_version: String,
}

/// The decision to go back. Once it is remembered it holds, whatever a later run finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Why, as one word of the reference of reasons.
    #[schemars(schema_with = "schema::reason")]
    pub cause: String,
    /// When it was decided.
    pub since: Timestamp,
}

/// One line per column, for `kubectl get`. Written for people; nothing reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionSummary {
    /// The change, as `0.92 -> 0.75`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub change: Option<String>,
    /// The way, as `Patch` or `Git #1207`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub delivery: Option<String>,
    /// `Automatic` where nobody is asked, else what a person decided; `Rejected` in any case where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub decision: Option<String>,
}

/// How far a promotion is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// The `metadata.generation` this status was written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// How far it is: a report, never the operator's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PromotionPhase>,
    /// Why it is there, as one word of the reference of reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub reason: Option<String>,
    /// Why, as a sentence with the figure, the limit and the next instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::message")]
    pub message: Option<String>,
    /// Whether the admission policy that guards approvals was in force while nobody had decided: an approval counts only
    /// where it was. Left out until it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_guarded: Option<bool>,
    /// The patch that was sent and is not known to have landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The patch of the ConfigMap that was sent and is not known to have landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_attempt: Option<ConfigMapAttempt>,
    /// Since when the value is taken out of the ConfigMap again, because something stood in the way before the target was
    /// changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taking_out_since: Option<Timestamp>,
    /// The pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequest>,
    /// When the change was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// When every new pod was ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Timestamp>,
    /// Hash of the target's pod template with the change: the validating run must see it at its start and at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub promoted_template_hash: Option<String>,
    /// The decision to go back; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// What the validating run found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// When the state before was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_at: Option<Timestamp>,
    /// One line per column for `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PromotionSummary>,
    /// Ready, Reconciling, Stalled, Approved, RolledOut, Validated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Chain of transitions, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TransitionHistory>,
}
