//! What client and engine counted over one and the same time, as a domain's status keeps it.

use phaseloop_core::analysis::measurement::{CountedTwice, CrossCheck};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{kept_figure, wire_count};
use crate::api::schema;

/// What client and engine counted between the first and the last look at the engine's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredCrossCheck {
    /// First tokens; left out where the engine does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_tokens: Option<MeasuredTwice>,
    /// Whole answers; left out where the engine does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<MeasuredTwice>,
}

/// Events that client and engine counted each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredTwice {
    /// How many the engine counted.
    #[schemars(schema_with = "schema::count")]
    pub engine_count: i64,
    /// How many the client saw.
    #[schemars(schema_with = "schema::count")]
    pub client_count: i64,
    /// Of how many the client can't tell whether the engine counted them.
    #[serde(default)]
    #[schemars(schema_with = "schema::count")]
    pub unsure_count: i64,
    /// Mean latency of those that the client saw, milliseconds; left out where it saw none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ms_mean: Option<f64>,
}

impl From<CrossCheck> for MeasuredCrossCheck {
    fn from(check: CrossCheck) -> Self {
        Self { first_tokens: check.first_tokens.map(Into::into), answers: check.answers.map(Into::into) }
    }
}

impl From<MeasuredCrossCheck> for CrossCheck {
    fn from(check: MeasuredCrossCheck) -> Self {
        Self { first_tokens: check.first_tokens.map(Into::into), answers: check.answers.map(Into::into) }
    }
}

impl From<CountedTwice> for MeasuredTwice {
    fn from(counted: CountedTwice) -> Self {
        Self {
            engine_count: wire_count(counted.engine_count),
            client_count: wire_count(counted.client_count),
            unsure_count: wire_count(counted.unsure_count),
            client_ms_mean: counted.client_ms_mean.and_then(kept_figure),
        }
    }
}

impl From<MeasuredTwice> for CountedTwice {
    fn from(counted: MeasuredTwice) -> Self {
        Self {
            engine_count: counted.engine_count.unsigned_abs(),
            client_count: counted.client_count.unsigned_abs(),
            unsure_count: counted.unsure_count.unsigned_abs(),
            client_ms_mean: counted.client_ms_mean,
        }
    }
}
