//! The aggregated figures of a result that holds no single requests.

use super::{document::Document, error::BenchError};
use crate::{analysis::sample::SampleSummary, prelude::*};

/// Median absolute deviation of a normal distribution in standard deviations: the 75 % quantile of N(0, 1).
const MAD_PER_STANDARD_DEVIATION: f64 = 0.674_489_750_196_081_7;

/// What the aggregated figures of one metric give.
pub(super) struct AggregatedMetric {
    pub(super) summary: SampleSummary,
    /// What is not in the file, and what stands for it.
    pub(super) note: String,
}

/// Reads `mean_X_ms`, `median_X_ms`, `std_X_ms` and the percentiles of metric X. `None` where the first three, or every
/// percentile, are absent.
///
/// What such a file does not hold is bounded by what it does: an absent percentile by the next greater one that is there
/// (else by the greatest), the smallest sample by the median, the largest by the greatest percentile. The median
/// absolute deviation is that of a normal distribution of the same standard deviation; latencies have a longer tail, so
/// that it is rather too large than too small.
pub(super) fn read_aggregated(
    document: &Document,
    metric: &str,
    count: u64,
) -> Result<Option<AggregatedMetric>, BenchError> {
    let figure = |prefix: &str| document.figure(&format!("{prefix}_{metric}_ms"));
    let (mean, median, deviation) = (figure("mean")?, figure("median")?, figure("std")?);
    let percentiles = [figure("p90")?, figure("p95")?, figure("p99")?];
    let greatest = percentiles.into_iter().flatten().reduce(f64::max);
    let (Some(mean), Some(median), Some(standard_deviation), Some(greatest), 1..) =
        (mean, median, deviation, greatest, count)
    else {
        return Ok(None);
    };
    let [p90, p95, p99] = percentiles;
    let absent: Vec<&str> = [("p90", p90), ("p95", p95), ("p99", p99)]
        .iter()
        .filter(|(_, seen)| seen.is_none())
        .map(|(name, _)| *name)
        .collect();
    let bounded = if absent.is_empty() {
        String::new()
    } else {
        format!(", {} from the percentiles it has", absent.join(" and "))
    };
    Ok(Some(AggregatedMetric {
        summary: SampleSummary {
            count,
            mean,
            standard_deviation,
            median,
            median_absolute_deviation: MAD_PER_STANDARD_DEVIATION * standard_deviation,
            minimum: median.min(mean),
            maximum: greatest,
            p90: p90.or(p95).or(p99).unwrap_or(greatest),
            p95: p95.or(p99).unwrap_or(greatest),
            p99: p99.unwrap_or(greatest),
        },
        note: format!("{metric}: no samples in the file; MAD taken from the standard deviation{bounded}"),
    }))
}
