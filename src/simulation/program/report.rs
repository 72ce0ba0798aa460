//! What the probe reports.

use std::collections::BTreeMap;

use jiff::Timestamp;
use phaseloop_core::analysis::{
    bench::LatencyLimits,
    probe::{ProbeEnding, ProbeReport, ProbeTimes, ReportedEngine, ReportedGPU},
};

use super::{
    engine_run::EngineRunner,
    probe_run::{LoadTimes, ProbeRunner},
};
use crate::simulation::engine::{EngineRun, MeasureWindow, Micros, ProbeFigures, latency_limits, measure};

/// A probe that ends at an instant.
pub(super) struct Reporting<'a> {
    pub(super) probe: &'a ProbeRunner,
    pub(super) engine: &'a EngineRunner,
    pub(super) at: Timestamp,
}

impl Reporting<'_> {
    pub(super) fn report(&self, ending: ProbeEnding, detail: &str) -> ProbeReport {
        let mut report = ProbeReport::new(ending, detail);
        report.deaths.clone_from(&self.probe.deaths);
        report.engine = self.engine_says();
        report.gpu = self.gpu();
        let Some(load) = self.probe.load else { return report };
        report.times = ProbeTimes {
            first_contact_at: Some(self.probe.line.instant(load.beginning)),
            ready_at: Some(self.probe.line.instant(load.beginning)),
            ..ProbeTimes::default()
        };
        let window = self.window(load);
        if window.from >= window.until {
            return report;
        }
        report.times.measure_started_at = Some(self.probe.line.instant(window.from));
        report.times.measure_ended_at = Some(self.at.max(self.probe.line.instant(window.from)));
        self.add_figures(&mut report, &self.figures(load, window));
        if !ending.is_by_time() {
            report.latency_bounds.clear();
        }
        report
    }

    /// What counts: from the end of the warm-up on, and nothing that is due too late to be answered in time.
    fn window(&self, load: LoadTimes) -> MeasureWindow {
        let request = &self.probe.request;
        let from = load.beginning.plus(Micros::from(request.warmup.0));
        let closes = load.beginning.plus(Micros::from(request.counts_for()));
        MeasureWindow { from, until: closes.min(self.ended(load)).max(from) }
    }

    /// When the client stops: the time of the load is up, or something else ended it.
    fn ended(&self, load: LoadTimes) -> Micros {
        load.until.min(self.probe.line.micros(self.at))
    }

    fn figures(&self, load: LoadTimes, window: MeasureWindow) -> ProbeFigures {
        let run = EngineRun {
            lives: self.engine.lives.clone(),
            sent: self.probe.sent.clone(),
            beginning: Some(load.beginning),
            until: self.ended(load),
        };
        let none =
            LatencyLimits { time_to_first_token_ms: None, time_per_output_token_ms: None, end_to_end_latency_ms: None };
        let limits = self.probe.request.slo.as_ref().map_or(none, latency_limits);
        measure(&self.probe.schedule, &run, &self.probe.client, &limits, window)
    }

    fn add_figures(&self, report: &mut ProbeReport, figures: &ProbeFigures) {
        let has_limits = self.probe.request.slo.is_some();
        report.requests = Some(figures.requests);
        report.within_slo = has_limits.then_some(figures.within_slo);
        report.met = has_limits.then(|| {
            let mut met = figures.met.clone();
            met.schedule = self.probe.request.schedule_hash();
            met
        });
        report.metrics = figures.metrics.iter().map(|(metric, summary)| (*metric, (*summary).into())).collect();
        report.latency_bounds.clone_from(&figures.latency_bounds);
        report.inter_token_latency = figures.inter_token_latency.map(Into::into);
        report.engine_view = Some(figures.engine_view);
        report.cross_check = Some(figures.cross_check);
        report.client = Some(figures.client);
    }

    /// What the engine says of itself: its arguments in the output that a guard keeps, the rest in its metrics.
    fn engine_says(&self) -> Option<ReportedEngine> {
        let spec = &self.engine.spec;
        let answered = self.probe.load.is_some();
        let printed = self.engine.guard.is_some() && !self.engine.lives.is_empty();
        if !answered && !printed {
            return None;
        }
        let mut configuration: BTreeMap<String, String> = BTreeMap::new();
        if printed && self.engine.faulty.is_none() {
            configuration.clone_from(&spec.settings.arguments);
        }
        if answered {
            let settings = &spec.settings;
            let metrics = [
                ("gpu-memory-utilization", settings.gpu_memory_utilization.to_string()),
                ("block-size", settings.block_size.to_string()),
                ("enable-prefix-caching", settings.enable_prefix_caching.to_string()),
            ];
            for (flag, value) in metrics {
                configuration.entry(flag.to_owned()).or_insert(value);
            }
        }
        Some(ReportedEngine {
            version: Some(format!("vllm {}", spec.release.version)),
            model: Some(spec.model.name.clone()),
            configuration,
        })
    }

    /// The card, as the guard in the engine's container sees it.
    fn gpu(&self) -> Option<ReportedGPU> {
        self.engine.guard.as_ref().filter(|_| !self.engine.lives.is_empty())?;
        let card = &self.engine.spec.card;
        Some(ReportedGPU {
            product: Some(card.product.clone()),
            count: Some(1),
            driver_version: Some(card.driver_version.clone()),
            sharing: Some("none".to_owned()),
            memory_percent_max: self.memory_percent_max(),
        })
    }

    /// The largest share of the card in use: an engine keeps the memory of its largest step for the next ones.
    fn memory_percent_max(&self) -> Option<u32> {
        let plans = self.engine.lives.iter().filter_map(|life| Some(life.start.facts()?.plan));
        let used = plans.map(|plan| {
            let used = plan.total_bytes - plan.left_bytes + plan.activation_bytes.min(plan.left_bytes);
            used.saturating_mul(100).div_ceil(plan.total_bytes)
        });
        used.max().and_then(|percent| u32::try_from(percent).ok())
    }
}
