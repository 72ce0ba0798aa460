//! When a repeated symptom arms its flag.

use phaseloop_core::value::{ParameterName, Severity, SymptomKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{default, duration::Duration, schema};

/// When one kind of symptom arms its flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SymptomRule {
    /// The kind of symptom.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// Runs with this symptom that arm the flag.
    #[serde(default = "default::threshold")]
    #[schemars(range(min = 1, max = 32))]
    pub threshold: i64,
    /// The window in which they are counted. Left out: what the target's schedule needs for `threshold` runs, and at
    /// least 24h. A window that can't hold `threshold` runs is `Stalled/WindowCannotHoldThreshold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub window: Option<Duration>,
    /// The least severity that counts.
    #[serde(default = "default::severity")]
    #[schemars(schema_with = "schema::severity")]
    pub min_severity: Severity,
    /// How long an armed flag permits tuning. An expired flag starts nothing.
    #[serde(default = "default::flag_ttl", rename = "flagTTL")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub flag_ttl: Duration,
    /// Keeps an armed flag valid to the end of the next maintenance window, where that is later than `flagTTL`.
    #[serde(default)]
    pub valid_through_next_window: bool,
    /// Names of the parameters to tune for this symptom. Left out: all of `spec.parameters`, or of the catalogue, that
    /// fit it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::parameter_names")]
    pub parameters: Vec<ParameterName>,
}
