//! A canary's end as status: what its pod showed, judged by the core, and how it compares with the incumbent.

use kube::ResourceExt;
use phaseloop_core::{
    analysis::probe::ProbeReport,
    plan::pod::TestPodEnd,
    tuning::{
        CanaryReason, TrialJudgement, TrialLimits, TrialMeasurement, TrialVerdict, judge_trial,
        outcome::{TrialFinding, TrialReason},
        rank::compare,
    },
    value::Environment,
};

use super::{
    ValidTuningCanary,
    facts::{is_judged, met_record, trial_result},
    progress::CanaryEnding,
};
use crate::{
    api::{
        TuningCanary, TuningCanaryStatus,
        phase_run::{
            measured::{cut, kept_figure},
            status::{MetricSummary, RunEnvironment},
        },
        tuning_canary::{
            CanaryRole, TuningCanarySpec,
            status::{CanaryFailure, CanaryVerdict, FailureClass, IncumbentComparison, RequestTally},
        },
    },
    workload::{
        TestPodReading,
        reading::{TestPodPhase, trial_measurement},
    },
};

/// Reasons and sentences that a canary keeps.
const REASONS_MAX: usize = 16;
/// Characters of a sentence.
const SENTENCE_LENGTH_MAX: usize = 1024;
/// Metrics that a canary keeps.
const METRICS_MAX: usize = 16;

/// Writes how a canary ended into its status. It is told why in one line.
pub(super) fn record_ending(
    valid: &ValidTuningCanary,
    status: &mut TuningCanaryStatus,
    ending: &CanaryEnding,
) -> (String, String) {
    if let Some(pod) = &valid.pod {
        record_pod(status, pod, &valid.object.spec);
    }
    match ending {
        CanaryEnding::Shown { ended_by } => record_shown(valid, status, *ended_by),
        CanaryEnding::Aborted { reason, message, ended_by } => {
            status.verdict = Some(CanaryVerdict::Aborted);
            let outside = [reason.name(), TrialReason::EndedFromOutside.name()];
            status.reasons = outside.map(str::to_owned).into();
            status.messages = vec![cut(message, SENTENCE_LENGTH_MAX)];
            status.ended_by = running(valid).then(|| ended_by.name().to_owned());
        }
        CanaryEnding::Unmeasured { reason, class, message, ended_by } => {
            status.verdict = Some(CanaryVerdict::Inconclusive);
            status.reasons = vec![reason.name().to_owned()];
            status.messages = vec![cut(message, SENTENCE_LENGTH_MAX)];
            status.failure = Some(CanaryFailure { class: *class, message: cut(message, SENTENCE_LENGTH_MAX) });
            status.ended_by = ended_by.map(|end| end.name().to_owned());
        }
    }
    let first = |texts: &[String]| texts.first().cloned().unwrap_or_default();
    (first(&status.reasons), first(&status.messages))
}

/// Whether the operator has a pod to end.
fn running(valid: &ValidTuningCanary) -> bool {
    valid.pod.as_ref().is_some_and(|pod| !matches!(pod.phase, TestPodPhase::Ended { .. }))
        || valid.object.status.as_ref().is_some_and(|status| status.begun_at.is_some())
}

/// What the pod shows, whatever follows from it.
fn record_pod(status: &mut TuningCanaryStatus, pod: &TestPodReading, spec: &TuningCanarySpec) {
    let report = pod.report.probe();
    status.started_at = pod.times.first_started_at;
    status.ready_at = report.and_then(|report| report.times.ready_at);
    status.finished_at = report.and_then(|report| report.times.measure_ended_at).or(pod.times.probe_finished_at);
    status.effective = Some(effective(pod, report, spec));
    let Some(report) = report else { return };
    let summaries = report.metrics.iter().take(METRICS_MAX);
    status.metrics =
        summaries.filter_map(|(metric, figures)| MetricSummary::of(*metric, &figures.summary()?)).collect();
    status.met = report.met.as_ref().and_then(met_record);
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    status.requests = report.requests.zip(report.within_slo).map(|(requests, within)| RequestTally {
        offered: count(requests.offered),
        completed: count(requests.completed),
        failed: count(requests.failed),
        within_limits: count(within),
    });
}

/// What the engine reports about itself: what it does not report was not tested, so that nothing is taken from the pod's
/// own arguments.
fn effective(pod: &TestPodReading, report: Option<&ProbeReport>, spec: &TuningCanarySpec) -> RunEnvironment {
    let engine = report.and_then(|report| report.engine.as_ref());
    let configuration = engine.map(|engine| engine.configuration.clone()).unwrap_or_default();
    let template_hash = Some(spec.template_hash.clone());
    RunEnvironment::from(&Environment { configuration, template_hash, ..pod.environment.clone() })
}

fn record_shown(valid: &ValidTuningCanary, status: &mut TuningCanaryStatus, ended_by: Option<TestPodEnd>) {
    let spec = &valid.object.spec;
    let measurement = valid
        .pod
        .as_ref()
        .map_or_else(TrialMeasurement::default, |pod| trial_measurement(pod, &spec.parameters, ended_by));
    let judgement = judge_trial(&measurement, &limits_of(spec));
    let findings = decisive_first(&judgement);
    status.verdict = Some(wire_verdict(judgement.verdict));
    status.reasons = match ended_by {
        Some(TestPodEnd::PastNotAfter) => vec![CanaryReason::PastNotAfter.name().to_owned()],
        Some(TestPodEnd::NoSpareGPU) => vec![CanaryReason::NoSpareGPU.name().to_owned()],
        Some(TestPodEnd::Unschedulable) => vec![CanaryReason::Unschedulable.name().to_owned()],
        _ => Vec::new(),
    };
    let mut messages: Vec<String> = status.reasons.clone();
    for finding in findings.iter().take(REASONS_MAX) {
        status.reasons.push(finding.reason.name().to_owned());
        messages.push(cut(&finding.message, SENTENCE_LENGTH_MAX));
    }
    status.messages = messages;
    status.failure = findings.iter().find_map(|finding| failure_of(finding));
    status.fitness =
        judgement.fitness.map(|fitness| fitness.met() as f64 / fitness.offered() as f64).and_then(kept_figure);
    status.ended_by = ended_by.map(|end| end.name().to_owned());
    if status.reasons.is_empty() {
        status.messages = vec![passed_message(status)];
    }
    status.incumbent = comparison(valid, status);
}

fn passed_message(status: &TuningCanaryStatus) -> String {
    let requests = status.requests.unwrap_or_default();
    format!("{} of {} requests were within every limit", requests.within_limits, requests.offered)
}

/// What a measurement must hold before it can pass.
fn limits_of(spec: &TuningCanarySpec) -> TrialLimits {
    TrialLimits {
        samples_min: u64::try_from(spec.limits.minimum_requests).unwrap_or(u64::MAX),
        failed_requests_percent_max: spec.slo.max_failed_requests_percent,
        latency_p95_max: spec.limits.e2e_p95.map(Into::into),
        gpu_memory_percent_max: spec.limits.max_gpu_memory_percent,
    }
}

/// The findings, those first that made the verdict.
fn decisive_first(judgement: &TrialJudgement) -> Vec<&TrialFinding> {
    let by_cluster = judgement.is_infrastructure();
    let rank = |finding: &&TrialFinding| {
        let decides = if by_cluster {
            finding.reason == TrialReason::InfrastructureFault
        } else {
            finding.reason.verdict() == judgement.verdict
        };
        !decides
    };
    let mut findings: Vec<&TrialFinding> = judgement.findings.iter().collect();
    findings.sort_by_key(rank);
    findings
}

const fn wire_verdict(verdict: TrialVerdict) -> CanaryVerdict {
    match verdict {
        TrialVerdict::Passed => CanaryVerdict::Passed,
        TrialVerdict::Failed => CanaryVerdict::Failed,
        TrialVerdict::Inconclusive => CanaryVerdict::Inconclusive,
        TrialVerdict::Aborted => CanaryVerdict::Aborted,
    }
}

fn failure_of(finding: &TrialFinding) -> Option<CanaryFailure> {
    let class = match finding.reason {
        TrialReason::OutOfMemory => FailureClass::OutOfMemory,
        TrialReason::StartRefusedForMemory | TrialReason::TooLittleMemory | TrialReason::StartRefused => {
            FailureClass::StartRefused
        }
        TrialReason::Crashed => FailureClass::Crash,
        TrialReason::TimedOut => FailureClass::Timeout,
        TrialReason::InfrastructureFault => FailureClass::Infrastructure,
        _ => return None,
    };
    Some(CanaryFailure { class, message: cut(&finding.message, SENTENCE_LENGTH_MAX) })
}

/// How a candidate compares with the incumbent of its tuning run.
fn comparison(valid: &ValidTuningCanary, status: &TuningCanaryStatus) -> Option<IncumbentComparison> {
    let spec = &valid.object.spec;
    let of_run = |canary: &&TuningCanary| {
        canary.spec.role == CanaryRole::Incumbent && canary.spec.cycle == spec.cycle && is_judged(canary)
    };
    if spec.role == CanaryRole::Incumbent {
        return None;
    }
    let incumbent = valid
        .canaries
        .iter()
        .map(AsRef::as_ref)
        .filter(of_run)
        .max_by_key(|canary| (&canary.spec.night, canary.spec.attempt))?;
    let nothing_known = std::collections::BTreeMap::new();
    let this = TuningCanary { status: Some(status.clone()), ..valid.object.clone() };
    let (this, other) = (trial_result(&this, &nothing_known)?, trial_result(incumbent, &nothing_known)?);
    let figure = |status: Option<&TuningCanaryStatus>| status.and_then(|status| status.fitness);
    let (here, there) = (status.fitness, figure(incumbent.status.as_ref()));
    Some(IncumbentComparison {
        canary_name: incumbent.name_any(),
        fitness: there,
        gain: here.zip(there).and_then(|(here, there)| kept_figure(here - there)),
        p_value: compare(&this, &other).and_then(|comparison| kept_figure(comparison.probability)),
    })
}
