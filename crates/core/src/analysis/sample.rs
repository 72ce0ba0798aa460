//! The summary of one metric's samples: what is left of raw samples once a run is over.

/// Order and spread of the samples of one metric in one run, in the metric's unit. All figures are finite; a metric
/// without samples has no summary.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleSummary {
    /// How many samples. At least 1.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); 0 for one sample.
    pub standard_deviation: f64,
    /// Median.
    pub median: f64,
    /// Median of the absolute deviations from the median, unscaled.
    pub median_absolute_deviation: f64,
    /// Smallest sample.
    pub minimum: f64,
    /// Largest sample.
    pub maximum: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl SampleSummary {
    /// A figure that is one number, not a set of samples: a rate over a whole run.
    pub const fn of_single_figure(figure: f64) -> Self {
        Self {
            count: 1,
            mean: figure,
            standard_deviation: 0.0,
            median: figure,
            median_absolute_deviation: 0.0,
            minimum: figure,
            maximum: figure,
            p90: figure,
            p95: figure,
            p99: figure,
        }
    }
}
