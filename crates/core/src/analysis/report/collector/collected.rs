//! The collected summary.

use jiff::Timestamp;

use crate::{
    analysis::{
        measurement::DomainMeasurement,
        report::{
            DomainReport, ReportSummary, StatusCounts,
            rejection::RejectionReason,
            summary::{ReportedDomain, rows_text},
        },
        sample::SampleSummary,
        summary::{QuantileSketch, StreamingSummary},
    },
    prelude::*,
};

/// Misspelt fields that a collector tells: enough to see the slip.
const MISSPELT_FIELDS_MAX: usize = 4;
/// Characters of a misspelt name that a collector tells.
const MISSPELT_NAME_LENGTH_MAX: usize = 32;

/// A report as its collector tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectorSummary {
    /// Domains by name.
    pub domains: BTreeMap<String, CollectedDomain>,
    /// Domains that the size of the message left no room for.
    pub domains_left_out: u64,
    /// Rows that count.
    pub rows_accepted: u64,
    /// Rows that do not, by reason. Empty also where the message had no room for reasons.
    pub rejected: BTreeMap<RejectionReason, CollectedRejections>,
    /// Rows that do not count and whose reason the message had no room for.
    pub rejected_without_reason: u64,
    /// The first misspelt fields with what they resemble.
    pub misspelt_fields: BTreeMap<String, String>,
    /// Rows that were not checked for duplicates.
    pub tests_unchecked_for_duplicates: u64,
}

/// The rejected rows of one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectedRejections {
    /// How many.
    pub count: u64,
    /// The first one's line, from 1.
    pub first_line: u64,
}

/// One domain as its collector tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectedDomain {
    /// Tests by status.
    pub tests: StatusCounts,
    /// Sum of `oom_events`.
    pub oom_events: u64,
    /// `latency_ms` of tests that passed, milliseconds.
    pub latency: Option<CollectedMetric>,
    /// `throughput` of tests that passed, per second.
    pub throughput: Option<CollectedMetric>,
    /// Whether the size of the message left no room for latency and throughput.
    pub figures_left_out: bool,
    /// Largest `cpu_pct`.
    pub cpu_percent_max: Option<f64>,
    /// Largest `memory_mb`.
    pub memory_megabytes_max: Option<f64>,
    /// Earliest `start_time`.
    pub started_at: Option<Timestamp>,
    /// Latest `end_time`.
    pub ended_at: Option<Timestamp>,
    /// Whether rows carried different run ids or epoch ids.
    pub mixed_origin: bool,
}

/// Latency or throughput of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedMetric {
    /// The summary, with the quantiles that the collector's own, finest sketch gave.
    pub summary: SampleSummary,
    /// The sketch, as coarse as the size of the message made it; absent where there was no room.
    pub sketch: Option<QuantileSketch>,
}

impl CollectorSummary {
    /// Everything that a message of unlimited size would tell of a report.
    pub fn of_report(report: &ReportSummary) -> Self {
        let rejected = report.rejected.iter().map(|(reason, rejections)| {
            let first_line = rejections.examples.first().map_or(0, |row| row.line);
            (*reason, CollectedRejections { count: rejections.count, first_line })
        });
        let misspelt = report
            .misspelt_fields
            .iter()
            .take(MISSPELT_FIELDS_MAX)
            .map(|field| (field.name.chars().take(MISSPELT_NAME_LENGTH_MAX).collect(), field.nearest.to_owned()));
        Self {
            domains: report.domains.iter().map(|(name, domain)| (name.clone(), CollectedDomain::of(domain))).collect(),
            domains_left_out: 0,
            rows_accepted: report.rows_accepted,
            rejected: rejected.collect(),
            rejected_without_reason: 0,
            misspelt_fields: misspelt.collect(),
            tests_unchecked_for_duplicates: report.tests_unchecked_for_duplicates,
        }
    }

    /// Rows that do not count.
    pub fn rows_rejected(&self) -> u64 {
        self.rejected_without_reason + self.rejected.values().map(|rejections| rejections.count).sum::<u64>()
    }

    /// The measurement of each domain, as [`ReportSummary::measurements`] gives it, with what was left out in the notes.
    pub fn measurements(&self) -> Vec<DomainMeasurement> {
        let notes = self.notes();
        self.domains.iter().map(|(name, domain)| domain.measurement(name, &notes)).collect()
    }

    /// What concerns every domain, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let rejected = self.rejected.iter().map(|(reason, CollectedRejections { count, first_line })| {
            format!("{} rejected: {reason}, first on line {first_line}", rows_text(*count))
        });
        let counted = |count: u64, text: &str| (count > 0).then(|| format!("{} {text}", rows_text(count)));
        let misspelt = self
            .misspelt_fields
            .iter()
            .map(|(name, nearest)| format!("unknown field {name:?}: did you mean {nearest:?}?"));
        let left_out = self.domains_left_out;
        let left_out = (left_out > 0).then(|| {
            format!("the collector's message had no room for {left_out} more domains: give the container more bytes")
        });
        rejected
            .chain(counted(self.rejected_without_reason, "rejected; the collector's message had no room for reasons"))
            .chain(misspelt)
            .chain(counted(self.tests_unchecked_for_duplicates, "not checked for duplicates"))
            .chain(left_out)
            .collect()
    }
}

impl CollectedDomain {
    fn of(domain: &DomainReport) -> Self {
        Self {
            tests: domain.tests,
            oom_events: domain.oom_events,
            latency: CollectedMetric::of(&domain.latency),
            throughput: CollectedMetric::of(&domain.throughput),
            figures_left_out: false,
            cpu_percent_max: domain.cpu_percent_max,
            memory_megabytes_max: domain.memory_megabytes_max,
            started_at: domain.started_at,
            ended_at: domain.ended_at,
            mixed_origin: domain.run_ids.seen.len() > 1 || domain.epoch_ids.seen.len() > 1,
        }
    }

    fn measurement(&self, name: &str, notes: &[String]) -> DomainMeasurement {
        let left_out = "the collector's message had no room for latency and throughput of this domain";
        let own = [
            self.mixed_origin.then_some("rows with different run_id or epoch_id"),
            self.figures_left_out.then_some(left_out),
        ];
        let figures = |metric: &Option<CollectedMetric>| metric.as_ref().map(|metric| metric.summary);
        ReportedDomain {
            name,
            tests: self.tests,
            oom_events: self.oom_events,
            latency: figures(&self.latency),
            throughput: figures(&self.throughput),
        }
        .measurement(notes.iter().cloned().chain(own.into_iter().flatten().map(ToOwned::to_owned)).collect())
    }
}

impl CollectedMetric {
    fn of(samples: &StreamingSummary) -> Option<Self> {
        Some(Self { summary: samples.summary()?, sketch: Some(samples.sketch().clone()) })
    }
}
