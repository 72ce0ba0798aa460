//! The report: what a probe knows at its end.

use phaseloop_core::{
    analysis::{
        bench::LatencyLimits,
        engine_log::read_engine_start,
        probe::{ProbeReport, ProbeTimes, ReportedEngine},
    },
    tuning::exact_test::MetRequests,
};

use super::{
    journal::Figures,
    life::{End, Probe},
};
use crate::{
    api::Duration,
    probe::{load::Micros, request::ProbeRequest},
};

/// The limits of a request in milliseconds; none where it gives none.
pub(super) fn limits_of(request: &ProbeRequest) -> LatencyLimits {
    let limit = |duration: Option<Duration>| duration.map(|limit| limit.0.as_secs_f64() * 1e3);
    request.slo.as_ref().map_or_else(LatencyLimits::default, |slo| LatencyLimits {
        time_to_first_token_ms: limit(slo.ttft),
        time_per_output_token_ms: limit(slo.tpot),
        end_to_end_latency_ms: limit(slo.e2e),
    })
}

/// What is known when a probe ends.
pub(super) struct Facts<'a, 'b> {
    pub(super) probe: &'a Probe<'b>,
    pub(super) ended: Micros,
    pub(super) figures: Option<Figures>,
    /// How requests failed, in one phrase.
    pub(super) failures: Option<String>,
}

impl Facts<'_, '_> {
    pub(super) fn report(self, end: &End) -> ProbeReport {
        let probe = self.probe;
        let detail =
            self.failures.as_ref().map_or_else(|| end.detail.clone(), |told| format!("{}; {told}", end.detail));
        let mut report = ProbeReport::new(end.ending, detail);
        report.times = self.times();
        report.deaths.clone_from(&probe.deaths);
        report.deaths.sort_by_key(|death| death.at);
        report.engine = self.engine();
        report.gpu = probe.records.as_ref().and_then(|records| records.last()).and_then(|record| record.gpu.clone());
        if let Some(mut figures) = self.figures {
            if !end.ending.is_by_time() {
                // What was in flight then broke off with the engine, whether or not its connection had told so.
                figures.latency_bounds.clear();
            }
            add_figures(&mut report, figures, probe.request);
            report.engine_view = probe.totals.view();
            report.cross_check = probe.load.as_ref().and_then(|(_, load)| probe.totals.cross_check(&load.journal()));
        }
        report
    }

    fn times(&self) -> ProbeTimes {
        let at = |point: Micros| self.probe.clock.at(point);
        let measured = self.probe.load.as_ref().filter(|_| self.figures.is_some()).map(|(times, _)| times.window.from);
        ProbeTimes {
            first_contact_at: self.probe.first_contact_at.map(at),
            ready_at: self.probe.ready_at.map(at),
            measure_started_at: measured.map(at),
            measure_ended_at: measured.map(|from| at(self.ended.max(from))),
        }
    }

    /// What the engine says of itself: its arguments in the output that a guard keeps; what it does not print because it
    /// equals its own default, in its metrics.
    fn engine(&self) -> Option<ReportedEngine> {
        let record = self.probe.records.as_ref().and_then(|records| records.last());
        let start = record.map(|record| read_engine_start(&record.head)).unwrap_or_default();
        let mut configuration = start.arguments;
        for (flag, value) in &self.probe.cache_configuration {
            configuration.entry(flag.clone()).or_insert_with(|| value.clone());
        }
        let engine = ReportedEngine {
            version: self.probe.version.clone().or(start.engine_version),
            model: self.probe.model.clone(),
            configuration,
        };
        (engine != ReportedEngine::default()).then_some(engine)
    }
}

fn add_figures(report: &mut ProbeReport, figures: Figures, request: &ProbeRequest) {
    if figures.requests.offered == 0 {
        return;
    }
    let has_limits = request.slo.is_some();
    report.requests = Some(figures.requests);
    report.within_slo = has_limits.then(|| figures.met.iter().filter(|met| **met).count() as u64);
    report.met = has_limits.then(|| MetRequests { schedule: request.schedule_hash(), met: figures.met });
    report.metrics = figures.metrics.into_iter().map(|(metric, summary)| (metric, summary.into())).collect();
    report.latency_bounds = figures.latency_bounds;
    report.inter_token_latency = figures.inter_token_latency.map(Into::into);
    report.client = figures.client;
}
