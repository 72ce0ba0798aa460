//! What a latency came to at least, as a domain's status keeps it.

use std::collections::BTreeMap;

use phaseloop_core::{analysis::measurement::LatencyBound, value::Metric};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{kept_figure, wire_count};
use crate::api::schema;

/// A latency over all requests that were answered, or cut off because the measurement was over. Those that were cut off count
/// with their wait so far, so that the mean is a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MeasuredBound {
    /// The metric: `timeToFirstToken` or `endToEndLatency`.
    #[schemars(schema_with = "schema::metric")]
    pub metric: Metric,
    /// Requests.
    #[schemars(schema_with = "schema::count")]
    pub count: i64,
    /// How many of them were cut off while they waited for their first token, or for their end.
    #[schemars(schema_with = "schema::count")]
    pub cut_off_count: i64,
    /// Arithmetic mean, milliseconds.
    pub ms_mean: f64,
    /// Sample standard deviation, milliseconds.
    pub ms_standard_deviation: f64,
}

impl MeasuredBound {
    /// The bounds as status keeps them: those of which each figure is a number.
    pub(super) fn all_of(bounds: &BTreeMap<Metric, LatencyBound>) -> Vec<Self> {
        let kept = bounds.iter().filter_map(|(metric, bound)| {
            Some(Self {
                metric: *metric,
                count: wire_count(bound.count),
                cut_off_count: wire_count(bound.cut_off_count),
                ms_mean: kept_figure(bound.ms_mean)?,
                ms_standard_deviation: kept_figure(bound.ms_standard_deviation)?,
            })
        });
        kept.collect()
    }
}

impl From<MeasuredBound> for LatencyBound {
    fn from(bound: MeasuredBound) -> Self {
        Self {
            count: bound.count.unsigned_abs(),
            cut_off_count: bound.cut_off_count.unsigned_abs(),
            ms_mean: bound.ms_mean,
            ms_standard_deviation: bound.ms_standard_deviation,
        }
    }
}
