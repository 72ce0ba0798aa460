//! What is measured, by the field's standard names.

use core::fmt;

/// One measured quantity of a domain.
///
/// Definitions follow those of `vllm bench serve` and inference-perf: TTFT = first non-empty token - send;
/// TPOT = (E2E - TTFT) / (output tokens - 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Engine deaths out of memory and starts refused for memory. Unit: events.
    OomEvents,
    /// Deaths of the engine, and refusals to start, for another stated reason than memory. Unit: events.
    EngineCrashes,
    /// Time to first token. Unit: milliseconds.
    TimeToFirstToken,
    /// Time per output token after the first. Unit: milliseconds.
    TimePerOutputToken,
    /// End-to-end latency of a request. Unit: milliseconds.
    EndToEndLatency,
    /// Latency of one test as a PHASE report states it (`latency_ms`). Unit: milliseconds.
    Latency,
    /// Completed requests per second, or `throughput` as a PHASE report states it.
    Throughput,
    /// Output tokens per second.
    OutputTokenThroughput,
    /// Share of requests or tests that passed, 0 to 1.
    PassRate,
}

/// The family of a metric: metrics of one family share a row of the threshold table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MetricFamily {
    /// Counted memory failures; any above a zero baseline is critical.
    OomEvents,
    /// Counted deaths for other reasons than memory; any is critical.
    EngineCrashes,
    /// Lower is better.
    Latency,
    /// Higher is better.
    Throughput,
    /// Higher is better, between 0 and 1.
    PassRate,
}

impl Metric {
    /// Every metric, in the order in which findings are told.
    pub const ALL: [Self; 9] = [
        Self::OomEvents,
        Self::EngineCrashes,
        Self::TimeToFirstToken,
        Self::TimePerOutputToken,
        Self::EndToEndLatency,
        Self::Latency,
        Self::Throughput,
        Self::OutputTokenThroughput,
        Self::PassRate,
    ];

    /// The name in objects and machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OomEvents => "oomEvents",
            Self::EngineCrashes => "engineCrashes",
            Self::TimeToFirstToken => "timeToFirstToken",
            Self::TimePerOutputToken => "timePerOutputToken",
            Self::EndToEndLatency => "endToEndLatency",
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::OutputTokenThroughput => "outputTokenThroughput",
            Self::PassRate => "passRate",
        }
    }

    /// The short name for people, as the field abbreviates it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OomEvents => "OOM events",
            Self::EngineCrashes => "engine crashes",
            Self::TimeToFirstToken => "TTFT",
            Self::TimePerOutputToken => "TPOT",
            Self::EndToEndLatency => "E2E latency",
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::OutputTokenThroughput => "output tokens",
            Self::PassRate => "pass rate",
        }
    }

    /// What the figure counts, for people; empty where the figure has no unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::OomEvents | Self::EngineCrashes | Self::PassRate => "",
            Self::TimeToFirstToken | Self::TimePerOutputToken | Self::EndToEndLatency | Self::Latency => "ms",
            Self::Throughput | Self::OutputTokenThroughput => "/s",
        }
    }

    /// Which row of the threshold table applies.
    pub const fn family(self) -> MetricFamily {
        match self {
            Self::OomEvents => MetricFamily::OomEvents,
            Self::EngineCrashes => MetricFamily::EngineCrashes,
            Self::TimeToFirstToken | Self::TimePerOutputToken | Self::EndToEndLatency | Self::Latency => {
                MetricFamily::Latency
            }
            Self::Throughput | Self::OutputTokenThroughput => MetricFamily::Throughput,
            Self::PassRate => MetricFamily::PassRate,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_has_one_name_and_it_is_the_serialised_one() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert!(!metric.to_string().is_empty());
        }
        let labels: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.label()).collect();
        assert_eq!(labels.len(), Metric::ALL.len());
    }

    #[test]
    fn latencies_are_in_milliseconds_and_rates_per_second() {
        for metric in Metric::ALL {
            let unit = match metric.family() {
                MetricFamily::Latency => "ms",
                MetricFamily::Throughput => "/s",
                MetricFamily::OomEvents | MetricFamily::EngineCrashes | MetricFamily::PassRate => "",
            };
            assert_eq!(metric.unit(), unit, "{metric}");
        }
        assert_eq!(Metric::OomEvents.family(), MetricFamily::OomEvents);
        assert_eq!(Metric::EngineCrashes.family(), MetricFamily::EngineCrashes);
        assert_eq!(Metric::PassRate.family(), MetricFamily::PassRate);
    }
}
