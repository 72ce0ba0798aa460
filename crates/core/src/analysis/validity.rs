//! Whether a measurement says anything of the engine: looked at before any verdict.
//!
//! An invalid measurement is `Unknown` with its reason, adds no symptom and serves in no baseline. Only the engine's
//! own word beats it: a death out of memory needs no samples.

use super::{
    agreement::check_agreement,
    baseline::Baseline,
    figure::{answered, percent_of},
    measurement::{ClientPace, DomainMeasurement, EngineFailure, EngineFailureClass},
    reason::{AnalysisReason, Finding},
    settings::{AnalysisSettings, ValidityLimits},
};
use crate::{prelude::*, value::Metric};

/// Engine failures by what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineFaults {
    /// Deaths out of memory, starts refused for memory, and OOM events that a report counted.
    pub oom_events: u64,
    /// Deaths and refusals to start for another stated reason.
    pub crashes: u64,
    /// Why the engine's behaviour can't be judged, if so.
    pub unexplained: Option<Finding>,
}

/// Sorts the engine's failures. A fault of the infrastructure voids all others: what the engine did after it says
/// nothing of its configuration.
pub fn sort_engine_failures(domain: &DomainMeasurement) -> EngineFaults {
    let failures = &domain.engine.failures;
    let first = |class: EngineFailureClass| failures.iter().find(|failure| failure.class == class);
    let finding = |reason, what: &str, failure: &EngineFailure| {
        Some(Finding::of_domain(reason, &domain.name, format!("{what}: {}", describe(failure))))
    };
    if let Some(fault) = first(EngineFailureClass::Infrastructure) {
        let unexplained = finding(AnalysisReason::InfrastructureFault, "fault of the infrastructure", fault);
        return EngineFaults { unexplained, ..EngineFaults::default() };
    }
    let count = |classes: [EngineFailureClass; 2]| {
        failures.iter().filter(|failure| classes.contains(&failure.class)).count() as u64
    };
    let started = domain.engine.became_ready == Some(true);
    let unexplained = if let Some(failure) = first(EngineFailureClass::Timeout) {
        finding(AnalysisReason::EngineTimedOut, "engine not ready or not ended in time", failure)
    } else if let Some(failure) = first(EngineFailureClass::Unclassified) {
        if started {
            finding(AnalysisReason::EngineEndUnexplained, "engine ended after it was ready", failure)
        } else {
            finding(AnalysisReason::EngineStartUnexplained, "engine ended before it was ready", failure)
        }
    } else if failures.is_empty() && domain.engine.became_ready == Some(false) {
        let message = "engine never became ready and left no word".to_owned();
        Some(Finding::of_domain(AnalysisReason::EngineStartUnexplained, &domain.name, message))
    } else {
        None
    };
    EngineFaults {
        oom_events: domain
            .engine
            .reported_oom_events
            .saturating_add(count([EngineFailureClass::OutOfMemory, EngineFailureClass::StartRefusedForMemory])),
        crashes: count([EngineFailureClass::Crash, EngineFailureClass::StartRefused]),
        unexplained,
    }
}

/// A failure in one phrase: exit code and the line that decided its class.
pub fn describe(failure: &EngineFailure) -> String {
    let code = failure.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
    if failure.message.is_empty() { code } else { format!("{code}, {:?}", failure.message) }
}

/// Why the measurement itself can't be judged; empty where it can. Failed requests are looked at with the pass rate.
pub fn check_measurement(
    domain: &DomainMeasurement,
    baseline: &Baseline<'_>,
    settings: &AnalysisSettings,
) -> Vec<Finding> {
    let limits = &settings.validity;
    if answered(domain.requests) == 0 {
        let message = format!("none of {} requests or tests was answered", domain.requests.offered);
        return vec![Finding::of_domain(AnalysisReason::NoData, &domain.name, message)];
    }
    [
        check_samples(domain, limits),
        check_sent(domain, limits),
        check_schedule(domain, limits),
        check_agreement(domain, baseline, settings),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn check_samples(domain: &DomainMeasurement, limits: &ValidityLimits) -> Option<Finding> {
    let answered = answered(domain.requests);
    (answered < limits.samples_min).then(|| {
        let message = format!("{answered} requests or tests answered, at least {} needed", limits.samples_min);
        Finding::of_domain(AnalysisReason::TooFewSamples, &domain.name, message)
    })
}

fn check_sent(domain: &DomainMeasurement, limits: &ValidityLimits) -> Option<Finding> {
    let unsent = domain.requests.offered.saturating_sub(answered(domain.requests));
    let percent = percent_of(unsent, domain.requests.offered);
    (percent > limits.unsent_requests_percent_max).then(|| {
        let message = format!(
            "{unsent} of {} requests were never sent ({percent:.1}%, limit {}%)",
            domain.requests.offered, limits.unsent_requests_percent_max
        );
        Finding::of_domain(AnalysisReason::RequestsNotSent, &domain.name, message)
    })
}

/// Whether a load client kept its schedule; `None` where nobody can tell: a closed loop whose latency is not known.
pub fn client_kept_up(pace: &ClientPace, latency_ms_mean: Option<f64>, limits: &ValidityLimits) -> Option<bool> {
    let interval = pace.arrival_interval_ms_mean.or(latency_ms_mean)?;
    Some(interval <= 0.0 || delay_percent(pace, interval) <= limits.schedule_delay_percent_max)
}

fn delay_percent(pace: &ClientPace, interval_ms: f64) -> f64 {
    pace.schedule_delay_ms_mean / interval_ms * 100.0
}

fn check_schedule(domain: &DomainMeasurement, limits: &ValidityLimits) -> Option<Finding> {
    let pace = domain.client?;
    let mean_latency = domain.metrics.get(&Metric::EndToEndLatency).map(|summary| summary.mean);
    let (interval, what) = match pace.arrival_interval_ms_mean {
        Some(interval) => (interval, "mean interval between arrivals"),
        None => (mean_latency?, "mean latency"),
    };
    (client_kept_up(&pace, mean_latency, limits) == Some(false)).then(|| {
        let percent = delay_percent(&pace, interval);
        let message = format!(
            "the load client fell behind: mean delay {:.2} ms is {percent:.0}% of the {what} of {interval:.2} ms \
             (limit {}%); delay p99 {:.2} ms",
            pace.schedule_delay_ms_mean, limits.schedule_delay_percent_max, pace.schedule_delay_ms_p99
        );
        Finding::of_domain(AnalysisReason::ClientBehindSchedule, &domain.name, message)
    })
}

#[cfg(test)]
mod tests;
