//! Tuning runs in the status of an Escalation: the one that is going, and what the last one came to.

use jiff::Timestamp;
use phaseloop_core::value::{ParameterSet, SymptomKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{phase_run::status::Borrowed, schema};

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
    /// The attempt that is going, or went last.
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

/// A candidate that was planned and not tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UntriedCandidate {
    /// The values.
    #[schemars(schema_with = "schema::parameter_set")]
    pub parameters: ParameterSet,
    /// Why not.
    #[schemars(schema_with = "schema::short_text")]
    pub message: String,
}

/// What the last tuning run came to. That nothing was promoted is a valid end, and said with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TuningOutcome {
    /// Id of the cycle.
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: String,
    /// The symptom it was for.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// The night.
    #[schemars(schema_with = "schema::night")]
    pub night: String,
    /// When its last canary was gone.
    pub ended_at: Timestamp,
    /// Why it ended so, as one word.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// Why it ended so, with the figures.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Why the search ended, as one word; left out where it was broken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub search_ended: Option<String>,
    /// The winning values; left out where nothing won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::parameter_set")]
    pub winner: Option<ParameterSet>,
    /// Name of the Promotion; left out where nothing was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub promotion_name: Option<String>,
    /// Candidates that were measured, those that an earlier night measured included.
    #[schemars(schema_with = "schema::count")]
    pub candidates_tried: i64,
    /// What was planned and not tried, and what was not planned because it failed in production before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub untried: Vec<UntriedCandidate>,
}
