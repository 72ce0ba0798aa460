//! Symptoms of what is counted, not measured: deaths of the engine and refusals to start. They need no samples and no
//! baseline; without one they are judged against zero.

use crate::{
    analysis::{
        baseline::Baseline,
        diagnosis::{Explained, diagnose_memory},
        judgement::{MetricJudgement, MetricOutcome},
        measurement::{DomainMeasurement, EngineFailureClass},
        reason::{AnalysisReason, Finding},
        threshold::{Thresholds, change_percent},
        validity::{EngineFaults, describe, sort_engine_failures},
    },
    prelude::*,
    value::{Diagnosis, Metric, Severity, Symptom, SymptomKind},
};

/// A counted metric as it was judged.
pub(super) struct Counted {
    /// For the table of metrics.
    pub(super) judgement: MetricJudgement,
    /// Where it degraded: the reason and the symptom.
    pub(super) degraded: Option<(Finding, Symptom)>,
}

/// OOM events against the mean of the baseline's, which is zero for any baseline that is not forced.
pub(super) fn judge_oom_events(
    domain: &DomainMeasurement,
    faults: &EngineFaults,
    baseline: &Baseline<'_>,
    thresholds: &Thresholds,
) -> Counted {
    let usual = mean(baseline.runs.iter().map(|run| sort_engine_failures(run.domain).oom_events));
    let severity = thresholds.oom_severity(faults.oom_events, usual.unwrap_or(0.0));
    let lines = failure_lines(domain, [EngineFailureClass::OutOfMemory, EngineFailureClass::StartRefusedForMemory]);
    Tally {
        metric: Metric::OomEvents,
        kind: SymptomKind::VllmOom,
        reason: AnalysisReason::OomEventsSeen,
        count: faults.oom_events,
        usual,
        explained: diagnose_memory(&domain.engine.failures),
        lines,
    }
    .judge(domain, severity)
}

/// Deaths for other reasons than memory: any is critical, because an engine that works does not die.
pub(super) fn judge_crashes(domain: &DomainMeasurement, faults: &EngineFaults) -> Counted {
    let lines = failure_lines(domain, [EngineFailureClass::Crash, EngineFailureClass::StartRefused]);
    let evidence = "no parameter is tuned for a crash".to_owned();
    Tally {
        metric: Metric::EngineCrashes,
        kind: SymptomKind::EngineCrash,
        reason: AnalysisReason::EngineCrashed,
        count: faults.crashes,
        usual: None,
        explained: Explained { diagnosis: Diagnosis::Unexplained, evidence },
        lines,
    }
    .judge(domain, (faults.crashes > 0).then_some(Severity::Critical))
}

struct Tally {
    metric: Metric,
    kind: SymptomKind,
    reason: AnalysisReason,
    count: u64,
    usual: Option<f64>,
    explained: Explained,
    lines: Vec<String>,
}

impl Tally {
    fn judge(self, domain: &DomainMeasurement, severity: Option<Severity>) -> Counted {
        let current = self.count as f64;
        let delta_percent = self.usual.filter(|usual| *usual > 0.0).map(|usual| change_percent(current, usual));
        let judgement = MetricJudgement {
            metric: self.metric,
            outcome: match severity {
                None => MetricOutcome::WithinLimits,
                Some(Severity::Warning) => MetricOutcome::Warning,
                Some(Severity::Critical) => MetricOutcome::Critical,
            },
            current,
            samples: self.count,
            cut_off: None,
            baseline: self.usual,
            delta_percent,
            warning_percent: None,
            critical_percent: None,
            significance: None,
            tails: None,
        };
        let degraded = severity.map(|severity| {
            let against =
                self.usual.map_or_else(|| "no baseline, so against 0".to_owned(), |usual| format!("baseline {usual}"));
            let line = self.lines.first().map_or_else(String::new, |line| format!(": {line}"));
            let message = format!("{} {} ({against}, {severity}){line}", self.metric, self.count);
            let evidence = core::iter::once(message.clone())
                .chain(self.lines.into_iter().skip(1))
                .chain([self.explained.evidence])
                .collect();
            let symptom = Symptom {
                kind: self.kind,
                domain: domain.name.clone(),
                severity,
                metric: self.metric,
                current,
                baseline: self.usual,
                delta_percent,
                diagnosis: self.explained.diagnosis,
                evidence,
            };
            (Finding::of_domain(self.reason, &domain.name, message), symptom)
        });
        Counted { judgement, degraded }
    }
}

fn failure_lines(domain: &DomainMeasurement, classes: [EngineFailureClass; 2]) -> Vec<String> {
    domain.engine.failures.iter().filter(|failure| classes.contains(&failure.class)).map(describe).collect()
}

fn mean(counts: impl Iterator<Item = u64>) -> Option<f64> {
    let counts: Vec<u64> = counts.collect();
    (!counts.is_empty()).then(|| counts.iter().sum::<u64>() as f64 / counts.len() as f64)
}
