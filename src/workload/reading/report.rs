//! The message of the probe or of the collector.

use phaseloop_core::analysis::{probe::ProbeReport, report::CollectorSummary};

use super::container::{Statuses, is_running, terminated};

/// What a pod's main container left.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadReport {
    /// A probe's report.
    Probe(Box<ProbeReport>),
    /// A collector's summary.
    Collector(Box<CollectorSummary>),
    /// There is none to be read.
    Missing(ReportMissing),
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReportMissing {
    /// Its container has not ended.
    NotYet,
    /// Its container never started, or the kubelet says nothing of it.
    NeverStarted,
    /// Its container left what is no report, or nothing; the sentence says what.
    Unreadable(String),
}

impl ReadReport {
    /// The probe's report, if there is one.
    pub fn probe(&self) -> Option<&ProbeReport> {
        match self {
            Self::Probe(report) => Some(report),
            Self::Collector(_) | Self::Missing(_) => None,
        }
    }
}

pub(super) fn read_report(statuses: &Statuses<'_>) -> ReadReport {
    let Some(status) = statuses.result() else { return ReadReport::Missing(ReportMissing::NeverStarted) };
    let Some(end) = terminated(status) else {
        let missing = if is_running(status) { ReportMissing::NotYet } else { ReportMissing::NeverStarted };
        return ReadReport::Missing(missing);
    };
    let message = end.message.as_deref().unwrap_or_default();
    let unreadable = |error: String| {
        let reason = end.reason.as_deref().unwrap_or("no reason");
        let text = format!("{error} (exit code {}, {reason})", end.exit_code);
        ReadReport::Missing(ReportMissing::Unreadable(text))
    };
    if statuses.tests_an_engine() {
        ProbeReport::read(message)
            .map_or_else(|error| unreadable(error.to_string()), |report| ReadReport::Probe(Box::new(report)))
    } else {
        CollectorSummary::read(message)
            .map_or_else(|error| unreadable(error.to_string()), |summary| ReadReport::Collector(Box::new(summary)))
    }
}
