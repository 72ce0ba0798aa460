//! What a whole report adds up to, and the measurements that are judged.

use super::{
    domain::{DomainReport, StatusCounts},
    rejection::{RejectionReason, Rejections},
    unknown_field::MisspeltField,
};
use crate::{
    analysis::{
        measurement::{DomainMeasurement, EngineOutcome, MeasurementSource, RequestCounts},
        sample::SampleSummary,
    },
    prelude::*,
    value::{Metric, digest::short_digest},
};

/// A report that was read to its end. A report without a row has no domain: nobody may call it healthy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReportSummary {
    /// Domains by name.
    pub domains: BTreeMap<String, DomainReport>,
    /// Rows that count.
    pub rows_accepted: u64,
    /// Rows that do not, by reason.
    pub rejected: BTreeMap<RejectionReason, Rejections>,
    /// Unknown fields that resemble known ones.
    pub misspelt_fields: Vec<MisspeltField>,
    /// Accepted rows whose repetition could not be recognised, because the register of tests was full.
    pub tests_unchecked_for_duplicates: u64,
}

impl ReportSummary {
    /// Rows that do not count.
    pub fn rows_rejected(&self) -> u64 {
        self.rejected.values().map(|rejections| rejections.count).sum()
    }

    /// What was noticed while reading, in sentences: it concerns every domain, since a rejected row may have been of any.
    pub fn notes(&self) -> Vec<String> {
        let rejected = self.rejected.iter().map(|(reason, rejections)| rejection_note(*reason, rejections));
        let misspelt = self.misspelt_fields.iter().map(|MisspeltField { name, nearest, line, rows }| {
            format!("unknown field {name:?} in {}, first on line {line}: did you mean {nearest:?}?", rows_text(*rows))
        });
        let unchecked = self.tests_unchecked_for_duplicates;
        let unchecked = (unchecked > 0).then(|| format!("{} not checked for duplicates", rows_text(unchecked)));
        rejected.chain(misspelt).chain(unchecked).collect()
    }

    /// The measurement of each domain, by name, with weight 1. The workload of a test image is known by its domain only:
    /// the caller who knows more replaces `workload_hash` and `weight`.
    pub fn measurements(&self) -> Vec<DomainMeasurement> {
        let notes = self.notes();
        self.domains.iter().map(|(name, domain)| measurement_of(name, domain, &notes)).collect()
    }
}

fn rejection_note(reason: RejectionReason, rejections: &Rejections) -> String {
    let first = rejections
        .examples
        .first()
        .map_or_else(String::new, |row| format!(", first on line {}: {}", row.line, row.detail));
    format!("{} rejected: {reason}{first}", rows_text(rejections.count))
}

pub(super) fn rows_text(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// What is judged of a domain, whether it was read from a report or from a collector's message.
pub(super) struct ReportedDomain<'a> {
    pub(super) name: &'a str,
    pub(super) tests: StatusCounts,
    pub(super) oom_events: u64,
    pub(super) latency: Option<SampleSummary>,
    pub(super) throughput: Option<SampleSummary>,
}

impl ReportedDomain<'_> {
    /// The measurement, with weight 1.
    pub(super) fn measurement(self, notes: Vec<String>) -> DomainMeasurement {
        let StatusCounts { passed, failed, flaky, skipped } = self.tests;
        let completed = passed + flaky;
        let metrics = [(Metric::Latency, self.latency), (Metric::Throughput, self.throughput)];
        DomainMeasurement {
            name: self.name.to_owned(),
            workload_hash: short_digest(&["PHASE report", self.name]),
            weight: 1.0,
            source: MeasurementSource::Report,
            requests: RequestCounts { offered: completed + failed, completed, failed, flaky, skipped },
            metrics: metrics.into_iter().filter_map(|(metric, summary)| Some((metric, summary?))).collect(),
            latency_bounds: BTreeMap::new(),
            engine: EngineOutcome { reported_oom_events: self.oom_events, ..EngineOutcome::default() },
            engine_view: None,
            cross_check: None,
            client: None,
            within_slo: None,
            notes,
        }
    }
}

fn measurement_of(name: &str, domain: &DomainReport, notes: &[String]) -> DomainMeasurement {
    let mixed = [("run_id", &domain.run_ids), ("epoch_id", &domain.epoch_ids)]
        .into_iter()
        .filter(|(_, identifiers)| identifiers.seen.len() > 1)
        .map(|(field, identifiers)| {
            let seen: Vec<&str> = identifiers.seen.iter().map(String::as_str).collect();
            let more = if identifiers.more { " and others" } else { "" };
            format!("rows with different {field}: {}{more}", seen.join(", "))
        });
    ReportedDomain {
        name,
        tests: domain.tests,
        oom_events: domain.oom_events,
        latency: domain.latency.summary(),
        throughput: domain.throughput.summary(),
    }
    .measurement(notes.iter().cloned().chain(mixed).collect())
}
