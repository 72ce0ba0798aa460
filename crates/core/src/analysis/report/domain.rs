//! What a report says of one domain.

use jiff::Timestamp;

use super::row::{Row, TestStatus};
use crate::{analysis::summary::StreamingSummary, prelude::*};

/// Different ids kept per domain: one is the rule, two are a mistake worth seeing.
const IDENTIFIERS_MAX: usize = 4;

/// Tests by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCounts {
    /// `pass`.
    pub passed: u64,
    /// `fail`.
    pub failed: u64,
    /// `flake`.
    pub flaky: u64,
    /// `skip`.
    pub skipped: u64,
}

/// The different ids that rows carried: the first few, and whether there were more.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identifiers {
    /// The first few, sorted.
    pub seen: BTreeSet<String>,
    /// Whether others followed that were not kept.
    pub more: bool,
}

impl Identifiers {
    fn see(&mut self, identifier: &str) {
        if self.seen.contains(identifier) {
            return;
        }
        if self.seen.len() < IDENTIFIERS_MAX {
            self.seen.insert(identifier.to_owned());
        } else {
            self.more = true;
        }
    }
}

/// The running summary of one domain. Latency and throughput are those of tests that passed, at once or on a repeated
/// try; everything else is of all tests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DomainReport {
    /// Tests by status.
    pub tests: StatusCounts,
    /// `latency_ms`, milliseconds.
    pub latency: StreamingSummary,
    /// `throughput`, per second.
    pub throughput: StreamingSummary,
    /// Sum of `oom_events`.
    pub oom_events: u64,
    /// Largest `cpu_pct`; 100 is one core.
    pub cpu_percent_max: Option<f64>,
    /// Largest `memory_mb`, megabytes.
    pub memory_megabytes_max: Option<f64>,
    /// Earliest `start_time`.
    pub started_at: Option<Timestamp>,
    /// Latest `end_time`.
    pub ended_at: Option<Timestamp>,
    /// `run_id`s.
    pub run_ids: Identifiers,
    /// `epoch_id`s.
    pub epoch_ids: Identifiers,
}

impl DomainReport {
    /// Takes a row of this domain.
    pub(super) fn take(&mut self, row: &Row<'_>) {
        let count = match row.status {
            TestStatus::Pass => &mut self.tests.passed,
            TestStatus::Fail => &mut self.tests.failed,
            TestStatus::Flake => &mut self.tests.flaky,
            TestStatus::Skip => &mut self.tests.skipped,
        };
        *count += 1;
        if matches!(row.status, TestStatus::Pass | TestStatus::Flake) {
            if let Some(latency) = row.latency_ms {
                self.latency.push(latency);
            }
            if let Some(throughput) = row.throughput {
                self.throughput.push(throughput);
            }
        }
        self.oom_events += row.oom_events;
        self.cpu_percent_max = larger(self.cpu_percent_max, row.cpu_percent);
        self.memory_megabytes_max = larger(self.memory_megabytes_max, row.memory_megabytes);
        self.started_at = [self.started_at, row.start_time].into_iter().flatten().min();
        self.ended_at = self.ended_at.max(row.end_time);
        if let Some(identifier) = &row.run_id {
            self.run_ids.see(identifier);
        }
        if let Some(identifier) = &row.epoch_id {
            self.epoch_ids.see(identifier);
        }
    }
}

fn larger(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    left.into_iter().chain(right).reduce(f64::max)
}
