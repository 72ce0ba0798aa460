//! How candidates are searched and measured.

use phaseloop_core::value::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    default,
    duration::Duration,
    schema,
    workload::{Placement, Slo, Workload},
};

/// How candidates are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// The values of one parameter after the other, in an order that suits the diagnosis.
    #[default]
    List,
    /// Every combination of the values of several parameters.
    Grid,
    /// Halving the span between a value that works and one that fails.
    Bisection,
}

/// How candidates are searched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// How candidates are chosen. Bayesian search is not available in this version: use List, Grid or Bisection.
    #[serde(default)]
    pub strategy: Strategy,
    /// Most candidates of one tuning run; the incumbent is measured besides them.
    #[serde(default = "default::candidates")]
    #[schemars(range(min = 1, max = 32))]
    pub max_candidates: i64,
    /// Candidates that fail in a row and so end the search. Faults of the infrastructure don't count, nor do engines that
    /// refused to start because they got too little memory.
    #[serde(default = "default::stop_after_failures")]
    #[schemars(range(min = 1, max = 32))]
    pub stop_after_failures: i64,
    /// Fitness by which a candidate must beat the incumbent, from 0 to 1.
    #[serde(default = "default::minimum_gain")]
    #[schemars(schema_with = "schema::fraction")]
    pub minimum_gain: Decimal,
    /// Fitness that a candidate needs where the incumbent failed by its own configuration, from 0 to 1.
    #[serde(default = "default::minimum_fitness")]
    #[schemars(schema_with = "schema::fraction")]
    pub minimum_fitness: Decimal,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            max_candidates: default::candidates(),
            stop_after_failures: default::stop_after_failures(),
            minimum_gain: default::minimum_gain(),
            minimum_fitness: default::minimum_fitness(),
        }
    }
}

/// What a measurement must hold before a canary can pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryLimits {
    /// Requests that the measurement must hold; with fewer it is Inconclusive.
    #[serde(default = "default::canary_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_requests: i64,
    /// Longest 95th percentile of the end-to-end latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub e2e_p95: Option<Duration>,
    /// Largest share of the card's memory in use, percent. The guard sees it: where the engine runs without one, a limit makes
    /// every canary Inconclusive.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "maxGPUMemoryPercent")]
    #[schemars(range(min = 1, max = 100))]
    pub max_gpu_memory_percent: Option<i64>,
}

impl Default for CanaryLimits {
    fn default() -> Self {
        Self { minimum_requests: default::canary_requests(), e2e_p95: None, max_gpu_memory_percent: None }
    }
}

/// How one candidate is measured, in one isolated pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanaryPolicy {
    /// The load. Left out: that of the domain that raised the symptom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// Limits by which a request is good. Left out: those of the domain that raised the symptom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// What a measurement must hold.
    #[serde(default)]
    pub limits: CanaryLimits,
    /// Measuring per canary: from the engine being ready to the end of the measurement, warm-up included.
    #[serde(default = "default::canary_measure")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub measure: Duration,
    /// Longest start of the engine.
    #[serde(default = "default::canary_start_timeout")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub start_timeout: Duration,
    /// Grace of the pod's containers when they are ended.
    #[serde(default = "default::canary_grace")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub grace: Duration,
    /// Measurements per candidate.
    #[serde(default = "default::canary_repeats")]
    #[schemars(range(min = 1, max = 10))]
    pub repeats: i64,
    /// Where the canary's GPU comes from.
    #[serde(default)]
    pub placement: Placement,
}

impl Default for CanaryPolicy {
    fn default() -> Self {
        Self {
            workload: None,
            slo: None,
            limits: CanaryLimits::default(),
            measure: default::canary_measure(),
            start_timeout: default::canary_start_timeout(),
            grace: default::canary_grace(),
            repeats: default::canary_repeats(),
            placement: Placement::default(),
        }
    }
}
