//! What is counted: OOM events and crashes.

use crate::{
    analysis::{
        fixture::{admitted, domain, failure, history_of, run_of, settings},
        history::JudgedRun,
        judge::judge_run,
        judgement::{Admission, MetricOutcome, RunJudgement},
        measurement::{DomainMeasurement, EngineFailureClass, MemoryFault, RequestCounts},
        reason::AnalysisReason,
    },
    prelude::*,
    value::{Diagnosis, Metric, Severity, SymptomKind, Verdict},
};

fn with_failures(classes: &[EngineFailureClass]) -> DomainMeasurement {
    let mut domain = domain(100.0, 30.0);
    domain.engine.failures = classes.iter().map(|class| failure(*class, None)).collect();
    domain
}

fn judged(domain: DomainMeasurement, history: &[JudgedRun]) -> RunJudgement {
    judge_run(&run_of("now", 0, domain), history, &settings())
}

#[test]
fn an_oom_event_without_any_baseline_is_judged_against_zero() {
    let judgement = judged(with_failures(&[EngineFailureClass::OutOfMemory]), &[]);
    assert_eq!(judgement.verdict, Verdict::Degraded);
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::OomEventsSeen));
    let symptom = &judgement.symptoms[0];
    assert_eq!((symptom.kind, symptom.severity), (SymptomKind::VllmOom, Severity::Critical));
    assert_eq!((symptom.current, symptom.baseline, symptom.delta_percent), (1.0, None, None));
    assert_eq!(symptom.diagnosis, Diagnosis::MemoryOvercommitted);
    assert_eq!(
        judgement.reasons[0].message,
        "OOM events 1 (no baseline, so against 0, critical): exit code 1, \"the last line\""
    );
    assert!(judgement.domains[0].valid);
}

#[test]
fn oom_events_above_a_baseline_that_has_some_are_a_warning_beyond_half() {
    let with_events = |events| {
        let mut domain = domain(100.0, 30.0);
        domain.engine.reported_oom_events = events;
        domain
    };
    let history: Vec<JudgedRun> =
        [1, 2, 3].into_iter().map(|night| admitted(&format!("h{night}"), night * -24, with_events(2))).collect();
    for (events, verdict, outcome) in [
        (0, Verdict::Healthy, MetricOutcome::WithinLimits),
        (3, Verdict::Healthy, MetricOutcome::WithinLimits),
        (4, Verdict::Degraded, MetricOutcome::Warning),
    ] {
        let judgement = judged(with_events(events), &history);
        assert_eq!(judgement.verdict, verdict, "{events}");
        let metric = &judgement.domains[0].metrics[0];
        assert_eq!((metric.metric, metric.outcome), (Metric::OomEvents, outcome), "{events}");
        assert_eq!((metric.baseline, metric.samples), (Some(2.0), events));
    }
    let symptom = &judged(with_events(4), &history).symptoms[0];
    assert_eq!((symptom.severity, symptom.delta_percent), (Severity::Warning, Some(100.0)));
    assert_eq!(symptom.diagnosis, Diagnosis::Unexplained);
    assert_eq!(symptom.evidence[0], "OOM events 4 (baseline 2, warning)");
}

#[test]
fn the_baseline_of_oom_events_is_their_mean() {
    let mut history = history_of(&[100.0, 100.0, 100.0, 100.0]);
    history[0].measurement.domains[0].engine.reported_oom_events = 2;
    history[1].measurement.domains[0].engine.reported_oom_events = 4;
    let judgement = judged(domain(100.0, 30.0), &history);
    assert_eq!(judgement.domains[0].metrics[0].baseline, Some(1.5));
}

#[test]
fn a_crash_and_a_refusal_of_another_kind_are_critical_and_need_no_baseline() {
    for class in [EngineFailureClass::Crash, EngineFailureClass::StartRefused] {
        let judgement = judged(with_failures(&[class]), &[]);
        assert_eq!(judgement.reasons[0].reason, AnalysisReason::EngineCrashed);
        let [symptom] = &judgement.symptoms[..] else { panic!("{:?}", judgement.symptoms) };
        assert_eq!((symptom.kind, symptom.severity), (SymptomKind::EngineCrash, Severity::Critical));
        assert_eq!((symptom.metric, symptom.current, symptom.baseline), (Metric::EngineCrashes, 1.0, None));
        assert_eq!(symptom.diagnosis, Diagnosis::Unexplained);
    }
}

#[test]
fn every_line_of_the_engine_is_evidence() {
    let mut domain = domain(100.0, 30.0);
    domain.engine.failures = ["first", "second"]
        .map(|message| crate::analysis::measurement::EngineFailure {
            message: message.to_owned(),
            ..failure(EngineFailureClass::OutOfMemory, Some(MemoryFault::Starved))
        })
        .to_vec();
    domain.engine.failures.push(failure(EngineFailureClass::Crash, None));
    let judgement = judged(domain, &[]);
    assert_eq!(
        judgement.symptoms[0].evidence,
        [
            "OOM events 2 (no baseline, so against 0, critical): exit code 1, \"first\"",
            "exit code 1, \"second\"",
            "the engine had too little memory for its cache: give it more",
        ]
    );
    assert_eq!(judgement.symptoms.len(), 2);
    assert_eq!(judgement.symptoms[1].kind, SymptomKind::EngineCrash);
}

#[test]
fn a_fault_of_the_infrastructure_is_unknown_whatever_else_was_seen() {
    let failures = [EngineFailureClass::OutOfMemory, EngineFailureClass::Infrastructure];
    let judgement = judged(with_failures(&failures), &history_of(&[100.0, 100.0, 100.0]));
    assert_eq!((judgement.verdict, judgement.symptoms.len()), (Verdict::Unknown, 0));
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::InfrastructureFault));
    assert!(!judgement.domains[0].valid);
    let judged_metrics = judgement.domains[0].metrics.iter().filter(|metric| metric.significance.is_some());
    assert_eq!(judged_metrics.count(), 0);
}

#[test]
fn an_unexplained_start_is_unknown_and_exit_code_zero_helps_nothing() {
    let mut domain = with_failures(&[EngineFailureClass::Unclassified]);
    domain.engine.failures[0].exit_code = Some(0);
    domain.engine.became_ready = Some(false);
    domain.requests = RequestCounts { offered: 300, ..RequestCounts::default() };
    let judgement = judged(domain.clone(), &[]);
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::EngineStartUnexplained));
    assert_eq!(judgement.verdict, Verdict::Unknown);
    domain.engine.became_ready = Some(true);
    domain.requests = RequestCounts { offered: 300, completed: 300, ..RequestCounts::default() };
    let judgement = judged(domain, &history_of(&[100.0, 100.0, 100.0]));
    assert_eq!(judgement.admission, Admission::NotAdmitted(AnalysisReason::EngineEndUnexplained));
}

#[test]
fn a_death_does_not_hide_a_latency_that_was_measured() {
    let history = history_of(&[100.0, 101.0, 99.0]);
    let mut slow = domain(300.0, 30.0);
    slow.engine.failures = vec![failure(EngineFailureClass::OutOfMemory, None)];
    let kinds: Vec<SymptomKind> = judged(slow, &history).symptoms.iter().map(|symptom| symptom.kind).collect();
    assert_eq!(kinds, [SymptomKind::VllmOom, SymptomKind::LatencyRegression]);
}

#[test]
fn a_death_with_too_few_samples_judges_no_latency() {
    let history = history_of(&[100.0, 101.0, 99.0]);
    let mut slow = domain(300.0, 30.0);
    slow.engine.failures = vec![failure(EngineFailureClass::OutOfMemory, None)];
    slow.requests = RequestCounts { offered: 29, completed: 29, ..RequestCounts::default() };
    let judgement = judged(slow, &history);
    assert_eq!(judgement.symptoms.len(), 1);
    let reasons: Vec<AnalysisReason> = judgement.reasons.iter().map(|finding| finding.reason).collect();
    assert_eq!(reasons, [AnalysisReason::OomEventsSeen, AnalysisReason::TooFewSamples]);
}
