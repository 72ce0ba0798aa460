//! How a run is judged: baseline, thresholds, significance.

use kube::KubeSchema;
use phaseloop_core::value::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{default, duration::Duration, schema};

/// Limits of a rise, percent above the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.warningPercent <= self.criticalPercent").message("warningPercent must not be above criticalPercent"))]
pub struct RiseThresholds {
    /// Above this it is a warning.
    #[serde(default = "default::latency_warning_percent")]
    #[schemars(range(min = 1, max = 1000))]
    pub warning_percent: i64,
    /// Above this it is critical.
    #[serde(default = "default::latency_critical_percent")]
    #[schemars(range(min = 1, max = 1000))]
    pub critical_percent: i64,
}

/// Limits of a fall, percent below the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.warningPercent <= self.criticalPercent").message("warningPercent must not be above criticalPercent"))]
pub struct DropThresholds {
    /// Further down than this it is a warning.
    #[serde(default = "default::drop_warning_percent")]
    #[schemars(range(min = 1, max = 99))]
    pub warning_percent: i64,
    /// Further down than this it is critical.
    #[serde(default = "default::drop_critical_percent")]
    #[schemars(range(min = 1, max = 99))]
    pub critical_percent: i64,
}

/// Limits of out-of-memory events. Any at all is critical where the baseline has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OomThresholds {
    /// Above a baseline that has some by more than this, percent, it is a warning.
    #[serde(default = "default::oom_warning_percent")]
    #[schemars(range(min = 1, max = 1000))]
    pub warning_percent: i64,
}

impl Default for RiseThresholds {
    fn default() -> Self {
        Self {
            warning_percent: default::latency_warning_percent(),
            critical_percent: default::latency_critical_percent(),
        }
    }
}

impl Default for DropThresholds {
    fn default() -> Self {
        Self { warning_percent: default::drop_warning_percent(), critical_percent: default::drop_critical_percent() }
    }
}

impl Default for OomThresholds {
    fn default() -> Self {
        Self { warning_percent: default::oom_warning_percent() }
    }
}

/// How far a metric may move from its baseline. A change must also be significant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// Time to first token, time per output token, end-to-end latency, latency of a report.
    #[serde(default)]
    pub latency: RiseThresholds,
    /// Requests and output tokens per second.
    #[serde(default)]
    pub throughput: DropThresholds,
    /// Share of requests or tests that passed.
    #[serde(default)]
    pub pass_rate: DropThresholds,
    /// Out-of-memory events.
    #[serde(default)]
    pub oom_events: OomThresholds,
}

/// When a change counts as more than noise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Significance {
    /// Confidence that a change is no noise, given the spread of the baseline's runs and of the run's samples: from
    /// 0.5 to below 1.
    #[serde(default = "default::confidence")]
    #[schemars(schema_with = "confidence")]
    pub confidence: Decimal,
}

fn confidence(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "number", "minimum": 0.5, "maximum": 0.999_999 })
}

impl Default for Significance {
    fn default() -> Self {
        Self { confidence: default::confidence() }
    }
}

/// How a run is judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// How far back the rolling baseline reaches. Where it holds too few runs, older ones of at most 28 days serve.
    #[serde(default = "default::baseline_window")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub baseline_window: Duration,
    /// Runs that a baseline needs; with fewer, a run is `Unknown/BaselineSeeding`.
    #[serde(default = "default::baseline_runs")]
    #[schemars(range(min = 3, max = 32))]
    pub minimum_runs: i64,
    /// How far a metric may move.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// When a change counts as more than noise.
    #[serde(default)]
    pub significance: Significance,
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            baseline_window: default::baseline_window(),
            minimum_runs: default::baseline_runs(),
            thresholds: Thresholds::default(),
            significance: Significance::default(),
        }
    }
}
