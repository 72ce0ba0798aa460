//! The load of a test, the limits by which requests are judged, and where a test takes its GPU from.

use kube::KubeSchema;
use phaseloop_core::value::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{default, duration::Duration, schema};

/// The API of the engine that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// `/v1/completions`.
    #[default]
    Completions,
    /// `/v1/chat/completions`.
    Chat,
}

/// How requests arrive: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.rate) != has(self.concurrency)").message("give exactly one of rate (open loop) and concurrency (closed loop)"))]
pub struct Arrival {
    /// Open loop: requests per second, at random intervals (Poisson), whether or not the engine keeps up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_decimal")]
    pub rate: Option<Decimal>,
    /// Closed loop: requests in flight at any time. It hides a slow engine: prefer `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4096))]
    pub concurrency: Option<i64>,
}

/// Lengths between two bounds, each equally likely.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.min <= self.max").message("min must not be above max"))]
pub struct UniformLength {
    /// Shortest, tokens.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min: i64,
    /// Longest, tokens.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max: i64,
}

/// Lengths around a mean, cut off at one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NormalLength {
    /// Mean, tokens.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub mean: i64,
    /// Standard deviation, tokens.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub standard_deviation: i64,
}

/// Token lengths: exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.fixed), has(self.uniform), has(self.normal)].exists_one(given, given)").message("give exactly one of fixed, uniform and normal"))]
pub struct TokenLength {
    /// Every request has this many tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub fixed: Option<i64>,
    /// Between two bounds, each equally likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uniform: Option<UniformLength>,
    /// Around a mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normal: Option<NormalLength>,
}

/// The load of a test. Its hash is part of the baseline's key: runs under another load are never compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// How many requests are offered.
    #[serde(default = "default::workload_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests: i64,
    /// How they arrive.
    pub arrival: Arrival,
    /// Tokens of each prompt, without the shared prefix.
    pub input_tokens: TokenLength,
    /// Tokens of each answer; the engine is told to ignore the end of the text.
    pub output_tokens: TokenLength,
    /// Tokens that all prompts begin with, so that prefix caching is exercised.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub shared_prefix_tokens: i64,
    /// Seed of arrivals, lengths and contents: equal seeds offer equal requests.
    #[serde(default)]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub seed: i64,
    /// The API that is called.
    #[serde(default)]
    pub endpoint: Endpoint,
}

/// Limits that a request must meet, all of them, to count for the fitness.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ttft) || has(self.tpot) || has(self.e2e)").message("give at least one of ttft, tpot and e2e: without a limit every request would count as good"))]
pub struct Slo {
    /// Longest time to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub ttft: Option<Duration>,
    /// Longest time per output token after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub tpot: Option<Duration>,
    /// Longest time of a whole request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub e2e: Option<Duration>,
    /// Failed requests that a measurement may hold and still be valid, percent.
    #[serde(default = "default::failed_requests_percent")]
    #[schemars(schema_with = "schema::percent")]
    pub max_failed_requests_percent: Decimal,
}

/// Where a test takes its GPU from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Placement {
    /// A GPU that nobody uses; without one the test waits, and then ends as `NoSpareGPU`.
    #[default]
    SpareGPU,
    /// Scales the target down by one replica for the time of the run. Refused where something else owns the replicas,
    /// fewer than two are ready, or a PodDisruptionBudget allows none.
    BorrowReplica,
}
