//! When tuning may happen, and what it may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{default, duration::Duration, schema, window::MaintenanceWindow};

/// How often tuning runs may start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Tuning runs.
    #[serde(default = "default::rate_runs")]
    #[schemars(range(min = 1, max = 100))]
    pub runs: i64,
    /// In any span of this length.
    #[serde(default = "default::rate_period")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub per: Duration,
}

impl Default for Rate {
    fn default() -> Self {
        Self { runs: default::rate_runs(), per: default::rate_period() }
    }
}

/// When tuning may happen, and what it may cost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Safety {
    /// Maintenance windows; one of them must be open.
    #[serde(default = "default::windows")]
    #[schemars(length(min = 1, max = 8))]
    pub windows: Vec<MaintenanceWindow>,
    /// Measuring per night, all canaries together: from each engine being ready to the end of its measurement.
    #[serde(default = "default::measure_budget")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub measure_budget: Duration,
    /// GPUs held per night, all canaries together: from container started to finished, times GPUs.
    #[serde(default = "default::gpu_hold_budget")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub gpu_hold_budget: Duration,
    /// From the end of one tuning run to the start of the next.
    #[serde(default = "default::cooldown")]
    pub cooldown: Duration,
    /// How often tuning runs may start.
    #[serde(default)]
    pub rate: Rate,
    /// From the cause to the last container's end: when a canary ends, is aborted or runs out of time.
    #[serde(default = "default::restore_sla", rename = "restoreSLA")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub restore_sla: Duration,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            windows: default::windows(),
            measure_budget: default::measure_budget(),
            gpu_hold_budget: default::gpu_hold_budget(),
            cooldown: default::cooldown(),
            rate: Rate::default(),
            restore_sla: default::restore_sla(),
        }
    }
}
