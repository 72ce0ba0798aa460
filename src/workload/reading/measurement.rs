//! What the core judges: the measurement of a run's domain, and that of a canary. What was not seen stays absent.

use phaseloop_core::{
    analysis::{
        measurement::{
            DomainMeasurement, EngineFailure, EngineFailureClass, EngineOutcome, MeasurementSource, RequestCounts,
        },
        probe::{ProbeEnding, ProbeReport},
        report::CollectorSummary,
        settings::ValidityLimits,
        validity::client_kept_up,
    },
    plan::pod::TestPodEnd,
    tuning::TrialMeasurement,
    value::{Metric, ParameterSet},
};

use super::{EngineReading, PodFault, PodFaultReason, ReadReport, ReportMissing, TestPodPhase, TestPodReading};
use crate::workload::workload_hash;

/// What a run's pod measured. A pod that measured nothing gives a measurement with nothing in it, which is judged as no
/// data, never as healthy.
pub fn domain_measurement(reading: &TestPodReading, weight: f64) -> DomainMeasurement {
    let name = reading.domain.clone().unwrap_or_default();
    let mut measurement = match &reading.report {
        ReadReport::Collector(summary) => {
            let mut measurement = collected(&name, summary);
            measurement.engine.failures = failures(reading, None, None);
            measurement
        }
        ReadReport::Probe(report) => probed(reading, Some(report)),
        ReadReport::Missing(_) => probed(reading, None),
    };
    if let ReadReport::Missing(missing) = &reading.report {
        measurement.notes.push(missing_note(missing));
    }
    measurement.name = name;
    measurement.weight = weight;
    measurement
}

fn probed(reading: &TestPodReading, report: Option<&ProbeReport>) -> DomainMeasurement {
    let request = reading.request.as_ref();
    let offered = request.and_then(|request| u64::try_from(request.workload.requests).ok()).unwrap_or_default();
    let metrics = report.map(|report| &report.metrics).into_iter().flatten();
    let is_serving = request.is_some();
    DomainMeasurement {
        name: String::new(),
        workload_hash: request.map(|request| workload_hash(&request.workload)).unwrap_or_default(),
        weight: 1.0,
        source: if is_serving { MeasurementSource::Serving } else { MeasurementSource::Report },
        requests: report
            .and_then(|report| report.requests)
            .unwrap_or(RequestCounts { offered, ..RequestCounts::default() }),
        metrics: metrics.filter_map(|(metric, figures)| Some((*metric, figures.summary()?))).collect(),
        latency_bounds: report.map(|report| report.latency_bounds.clone()).unwrap_or_default(),
        engine: EngineOutcome {
            failures: failures(reading, None, None),
            reported_oom_events: 0,
            became_ready: report.map(|report| report.times.ready_at.is_some()),
        },
        engine_view: report.and_then(|report| report.engine_view),
        cross_check: report.and_then(|report| report.cross_check),
        client: report.and_then(|report| report.client),
        within_slo: report.and_then(|report| report.within_slo),
        notes: report.map(report_notes).unwrap_or_default(),
    }
}

/// The domain of a report that carries the run's name for it; else its only one.
fn collected(name: &str, summary: &CollectorSummary) -> DomainMeasurement {
    let measurements = summary.measurements();
    let others = |chosen: &str| {
        let names = measurements.iter().map(|domain| domain.name.as_str()).filter(|other| *other != chosen);
        names.collect::<Vec<_>>().join(", ")
    };
    let chosen = measurements.iter().find(|domain| domain.name == name).or(match measurements.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    let Some(chosen) = chosen else {
        let note = match others("").as_str() {
            "" => "the report has no row that counts".to_owned(),
            names => format!("the report has no domain {name}, only {names}"),
        };
        let notes = summary.notes().into_iter().chain([note]).collect();
        return DomainMeasurement { notes, ..empty_report() };
    };
    let mut measurement = chosen.clone();
    let left_out = others(&chosen.name);
    if !left_out.is_empty() {
        measurement.notes.push(format!("domains of the report that the run does not have: {left_out}"));
    }
    if chosen.name != name {
        measurement.notes.push(format!("the report calls this domain {}", chosen.name));
    }
    measurement
}

fn empty_report() -> DomainMeasurement {
    DomainMeasurement {
        name: String::new(),
        workload_hash: String::new(),
        weight: 1.0,
        source: MeasurementSource::Report,
        requests: RequestCounts::default(),
        metrics: std::collections::BTreeMap::new(),
        latency_bounds: std::collections::BTreeMap::new(),
        engine: EngineOutcome::default(),
        engine_view: None,
        cross_check: None,
        client: None,
        within_slo: None,
        notes: Vec::new(),
    }
}

/// What a canary's pod measured. `ended_by` is why the operator deleted the pod, if it did.
///
/// An engine that restarted is at its end, whatever was measured before and after. Memory is looked for in the deaths
/// alone: what nobody classified enters no figure of it.
pub fn trial_measurement(
    reading: &TestPodReading,
    asked: &ParameterSet,
    ended_by: Option<TestPodEnd>,
) -> TrialMeasurement {
    let report = reading.report.probe();
    let engine = reading.engine.as_ref();
    let metric = |metric: Metric| report.and_then(|report| report.metrics.get(&metric));
    let latency = metric(Metric::EndToEndLatency);
    let restarts = engine.and_then(|engine| engine.restarts);
    let end = cut_short(reading, ended_by);
    let configuration = report.and_then(|report| report.engine.as_ref()).map(|engine| engine.configuration.clone());
    TrialMeasurement {
        asked: asked.clone(),
        effective: configuration.filter(|configuration| !configuration.is_empty()),
        failures: failures(reading, ended_by, end),
        oom_events: restarts.map(|_| 0),
        restarts,
        ran_throughout: engine.zip(report).and_then(|(engine, report)| ran_throughout(reading, engine, report)),
        requests: report.and_then(|report| report.requests),
        within_slo: report.and_then(|report| report.within_slo),
        client_kept_up: report
            .and_then(|report| report.client)
            .and_then(|pace| client_kept_up(&pace, latency.map(|latency| latency.mean), &ValidityLimits::default())),
        aborted: end == Some(CutShort::FromOutside),
        time_was_up: end == Some(CutShort::ByItsTime),
        met: report.and_then(|report| report.met.clone()),
        throughput: metric(Metric::Throughput).map(|figures| figures.mean),
        latency_ms_p95: latency.and_then(|latency| latency.spread).map(|spread| spread.p95),
        gpu_memory_percent_max: report.and_then(|report| report.gpu.as_ref()?.memory_percent_max),
    }
}

/// Whether the engine's one run spans the measurement. `None` where the times of either are not known.
fn ran_throughout(reading: &TestPodReading, engine: &EngineReading, report: &ProbeReport) -> Option<bool> {
    if engine.restarts? > 0 || !engine.deaths.is_empty() {
        return Some(false);
    }
    let (start, end) = report.times.measure_started_at.zip(report.times.measure_ended_at)?;
    let started = reading.times.engine_started_at?;
    // The kubelet cuts times to seconds.
    let ended_after = engine.finished_at.is_none_or(|finished| finished.as_second() >= end.as_second());
    Some(started <= start && ended_after && (engine.running || engine.finished_at.is_some()))
}

/// Why a trial ended before its measurement was whole, where nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutShort {
    /// By hand, or because what permits it ended.
    FromOutside,
    /// The instant came by which it had to end.
    ByItsTime,
}

/// A probe says the same whether its own time was up or somebody told it to end: then the pod was deleted before that.
fn cut_short(reading: &TestPodReading, ended_by: Option<TestPodEnd>) -> Option<CutShort> {
    let has_deaths = reading.engine.as_ref().is_some_and(|engine| !engine.deaths.is_empty());
    let ends_by = reading.request.as_ref().map(|request| request.ends_by);
    let by_whom = match reading.deleted_at {
        Some(at) if ends_by.is_none_or(|ends_by| at < ends_by) => CutShort::FromOutside,
        _ => CutShort::ByItsTime,
    };
    match (ended_by, reading.report.probe().map(|report| report.ending)) {
        (Some(TestPodEnd::Aborted | TestPodEnd::Leaving), _) => Some(CutShort::FromOutside),
        (Some(TestPodEnd::PastNotAfter), _) => Some(CutShort::ByItsTime),
        // What the budget had left for it was its pod's deadline, which comes before the latest instant that its probe knows.
        (None, None | Some(ProbeEnding::OutOfTime)) if !has_deaths && is_past_its_deadline(reading) => {
            Some(CutShort::ByItsTime)
        }
        (_, Some(ProbeEnding::OutOfTime)) => Some(by_whom),
        // Somebody else deleted it, or another replica that saw its time pass.
        (None, None) if reading.deleted_at.is_some() && reading.fault.is_none() && !has_deaths => Some(by_whom),
        _ => None,
    }
}

fn is_past_its_deadline(reading: &TestPodReading) -> bool {
    reading.fault.as_ref().is_some_and(|fault| fault.reason == PodFaultReason::DeadlineExceeded)
}

/// Deaths of the engine, starts that took too long, and faults of node and cluster. That the time of a trial was up is none.
fn failures(reading: &TestPodReading, ended_by: Option<TestPodEnd>, cut_short: Option<CutShort>) -> Vec<EngineFailure> {
    let deaths = reading.engine.iter().flat_map(|engine| &engine.deaths).map(|death| death.failure.clone());
    let mut failures: Vec<EngineFailure> = deaths.collect();
    let failure = |class, message: String| EngineFailure { class, memory: None, exit_code: None, message };
    let in_time = cut_short != Some(CutShort::ByItsTime) || !is_past_its_deadline(reading);
    if let Some(fault) = reading.fault.as_ref().filter(|fault| in_time && voids(reading, fault)) {
        let message = format!("{}: {}", fault.reason, fault.message);
        failures.push(failure(EngineFailureClass::Infrastructure, message));
    }
    let timed_out = match (reading.report.probe(), ended_by) {
        (Some(report), _) if report.ending == ProbeEnding::EngineNeverReady => Some(report.detail.clone()),
        (None, Some(TestPodEnd::StartTimedOut)) => Some("the engine was not ready in time".to_owned()),
        _ => None,
    };
    if let Some(detail) = timed_out.filter(|_| failures.is_empty()) {
        failures.push(failure(EngineFailureClass::Timeout, detail));
    }
    let never_placed = match ended_by {
        Some(TestPodEnd::NoSpareGPU) => Some("no GPU became free in time"),
        Some(TestPodEnd::Unschedulable) => Some("no node took it in time"),
        _ => None,
    };
    if let Some(told) = never_placed {
        failures.push(failure(EngineFailureClass::Infrastructure, scheduler_told(reading, told)));
    }
    let unusable = reading.report.probe().filter(|report| report.ending == ProbeEnding::EngineUnusable);
    if let Some(report) = unusable {
        failures.push(failure(EngineFailureClass::Unclassified, report.detail.clone()));
    }
    failures
}

/// What became of a pod that got no node, with the scheduler's own words.
fn scheduler_told(reading: &TestPodReading, told: &str) -> String {
    match &reading.phase {
        TestPodPhase::NotScheduled { message, .. } if !message.is_empty() => format!("{told}: {message}"),
        _ => told.to_owned(),
    }
}

/// Whether a fault makes the measurement void. One that came after the probe had measured everything, while the engine was
/// ended, does not.
fn voids(reading: &TestPodReading, fault: &PodFault) -> bool {
    let ending = reading.report.probe().map(|report| report.ending);
    let has_passed = fault.may_pass() && ending.is_some();
    ending != Some(ProbeEnding::Measured) && !has_passed
}

fn report_notes(report: &ProbeReport) -> Vec<String> {
    let dropped = report.dropped.iter().map(|part| part.note().to_owned());
    let ending = (report.ending != ProbeEnding::Measured).then(|| format!("{}: {}", report.ending, report.detail));
    let gpu = report.gpu.is_none().then(|| "GPUUnobserved: nobody saw the engine's GPUs".to_owned());
    ending.into_iter().chain(gpu).chain(dropped).collect()
}

fn missing_note(missing: &ReportMissing) -> String {
    match missing {
        ReportMissing::NotYet => "the pod has not ended".to_owned(),
        ReportMissing::NeverStarted => "the test never started".to_owned(),
        ReportMissing::Unreadable(text) => text.clone(),
    }
}
