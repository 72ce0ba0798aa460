use super::*;
use crate::analysis::measurement::MemoryFault;

fn good() -> TrialMeasurement {
    TrialMeasurement {
        asked: [(ParameterName::new("gpu-memory-utilization"), ParameterValue::from("0.7"))].into(),
        effective: Some([("gpu-memory-utilization".to_owned(), "0.70".to_owned())].into()),
        failures: Vec::new(),
        oom_events: Some(0),
        restarts: Some(0),
        ran_throughout: Some(true),
        requests: Some(RequestCounts { offered: 200, completed: 200, failed: 0, flaky: 0, skipped: 0 }),
        within_slo: Some(185),
        client_kept_up: Some(true),
        aborted: false,
        time_was_up: false,
        met: None,
        throughput: None,
        latency_ms_p95: None,
        gpu_memory_percent_max: None,
    }
}

fn judged(change: impl FnOnce(&mut TrialMeasurement)) -> TrialJudgement {
    let mut measurement = good();
    change(&mut measurement);
    judge_trial(&measurement, &TrialLimits::default())
}

fn reasons(judgement: &TrialJudgement) -> Vec<TrialReason> {
    judgement.findings.iter().map(|finding| finding.reason).collect()
}

fn failure(class: EngineFailureClass) -> EngineFailure {
    EngineFailure { class, memory: None, exit_code: Some(1), message: "line".to_owned() }
}

fn requests(offered: u64, completed: u64, failed: u64) -> RequestCounts {
    RequestCounts { offered, completed, failed, flaky: 0, skipped: 0 }
}

#[test]
fn a_trial_that_passes_every_gate_has_the_share_of_requests_within_limits() {
    let judgement = judged(|_| {});
    assert_eq!(judgement.verdict, TrialVerdict::Passed);
    assert_eq!(judgement.fitness.map(|fitness| fitness.to_string()).as_deref(), Some("0.925"));
    assert_eq!(judgement.findings, []);
}

#[test]
fn each_gate_alone_leaves_no_fitness() {
    type Change = fn(&mut TrialMeasurement);
    let cases: [(Change, TrialReason, TrialVerdict); 17] = [
        (|trial| trial.aborted = true, TrialReason::EndedFromOutside, TrialVerdict::Aborted),
        (|trial| trial.time_was_up = true, TrialReason::TimeWasUp, TrialVerdict::Inconclusive),
        (|trial| trial.oom_events = Some(1), TrialReason::OutOfMemory, TrialVerdict::Failed),
        (|trial| trial.oom_events = None, TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.restarts = Some(1), TrialReason::UnexplainedEnd, TrialVerdict::Inconclusive),
        (|trial| trial.restarts = None, TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.ran_throughout = Some(false), TrialReason::NotRunningThroughout, TrialVerdict::Inconclusive),
        (|trial| trial.ran_throughout = None, TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.client_kept_up = Some(false), TrialReason::ClientFellBehind, TrialVerdict::Inconclusive),
        (|trial| trial.client_kept_up = None, TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.within_slo = None, TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.within_slo = Some(201), TrialReason::EvidenceMissing, TrialVerdict::Inconclusive),
        (|trial| trial.effective = None, TrialReason::ParameterUnseen, TrialVerdict::Inconclusive),
        (|trial| trial.effective = Some(BTreeMap::new()), TrialReason::ParameterUnseen, TrialVerdict::Inconclusive),
        (
            |trial| trial.effective = Some([("gpu-memory-utilization".to_owned(), "0.71".to_owned())].into()),
            TrialReason::ParameterDiffers,
            TrialVerdict::Inconclusive,
        ),
        (
            |trial| trial.requests = Some(requests(200, 189, 11)),
            TrialReason::TooManyFailedRequests,
            TrialVerdict::Failed,
        ),
        (|trial| trial.requests = Some(requests(200, 49, 0)), TrialReason::TooFewSamples, TrialVerdict::Inconclusive),
    ];
    for (position, (change, reason, verdict)) in cases.into_iter().enumerate() {
        let judgement = judged(change);
        assert_eq!(reasons(&judgement), [reason], "case {position}");
        assert_eq!((judgement.verdict, judgement.fitness), (verdict, None), "case {position}");
    }
}

#[test]
fn that_its_time_was_up_explains_requests_that_failed_and_no_death_of_the_engine() {
    let of = |change: fn(&mut TrialMeasurement)| {
        judged(|trial| {
            trial.time_was_up = true;
            change(trial);
        })
        .verdict
    };
    assert_eq!(of(|trial| trial.requests = Some(requests(200, 100, 100))), TrialVerdict::Inconclusive);
    assert_eq!(of(|trial| trial.failures = vec![failure(EngineFailureClass::OutOfMemory)]), TrialVerdict::Failed);
    assert_eq!(of(|trial| trial.failures = vec![failure(EngineFailureClass::Timeout)]), TrialVerdict::Failed);
    assert_eq!(
        of(|trial| trial.failures = vec![failure(EngineFailureClass::Infrastructure)]),
        TrialVerdict::Inconclusive
    );
    assert_eq!(of(|trial| trial.aborted = true), TrialVerdict::Aborted);
}

#[test]
fn every_class_of_failure_has_its_reason_and_its_verdict() {
    for (class, reason, verdict) in [
        (EngineFailureClass::OutOfMemory, TrialReason::OutOfMemory, TrialVerdict::Failed),
        (EngineFailureClass::StartRefusedForMemory, TrialReason::StartRefusedForMemory, TrialVerdict::Failed),
        (EngineFailureClass::StartRefused, TrialReason::StartRefused, TrialVerdict::Failed),
        (EngineFailureClass::Crash, TrialReason::Crashed, TrialVerdict::Failed),
        (EngineFailureClass::Timeout, TrialReason::TimedOut, TrialVerdict::Failed),
        (EngineFailureClass::Infrastructure, TrialReason::InfrastructureFault, TrialVerdict::Inconclusive),
        (EngineFailureClass::Unclassified, TrialReason::UnexplainedEnd, TrialVerdict::Inconclusive),
    ] {
        let judgement = judged(|trial| trial.failures = vec![failure(class)]);
        assert_eq!((reasons(&judgement), judgement.verdict), (vec![reason], verdict));
        assert_eq!(judgement.findings[0].message, "exit code 1: line");
        assert_eq!(judgement.is_infrastructure(), class == EngineFailureClass::Infrastructure);
    }
}

#[test]
fn a_start_refused_for_too_little_memory_is_told_apart_unless_more_was_wrong() {
    let starved =
        || EngineFailure { memory: Some(MemoryFault::Starved), ..failure(EngineFailureClass::StartRefusedForMemory) };
    let alone = judged(|trial| trial.failures = vec![starved()]);
    assert_eq!((reasons(&alone), alone.verdict), (vec![TrialReason::TooLittleMemory], TrialVerdict::Failed));
    assert!(alone.is_starved());
    let nothing_answered = judged(|trial| {
        trial.failures = vec![starved()];
        trial.requests = Some(requests(200, 0, 200));
    });
    assert!(nothing_answered.is_starved(), "that requests fail follows from it");
    let both_ways = judged(|trial| trial.failures = vec![starved(), failure(EngineFailureClass::OutOfMemory)]);
    assert!(!both_ways.is_starved());
    let aborted = judged(|trial| {
        trial.failures = vec![starved()];
        trial.aborted = true;
    });
    assert!(!aborted.is_starved());
    let over = EngineFailure { memory: Some(MemoryFault::Overcommitted), ..starved() };
    assert!(!judged(|trial| trial.failures = vec![over]).is_starved());
    assert!(!judged(|_| {}).is_starved());
}

#[test]
fn an_exit_code_of_zero_is_told_and_helps_nobody() {
    let judgement = judged(|trial| {
        trial.failures = vec![EngineFailure {
            class: EngineFailureClass::OutOfMemory,
            memory: Some(MemoryFault::Overcommitted),
            exit_code: Some(0),
            message: String::new(),
        }];
    });
    assert_eq!((judgement.verdict, judgement.findings[0].message.as_str()), (TrialVerdict::Failed, "exit code 0"));
    let silent = judged(|trial| {
        trial.failures = vec![EngineFailure { exit_code: None, ..failure(EngineFailureClass::Unclassified) }];
    });
    assert_eq!(silent.findings[0].message, "no exit code: line");
}

#[test]
fn an_abort_wins_over_everything_and_infrastructure_over_the_engines_own_failure() {
    let aborted = judged(|trial| {
        trial.aborted = true;
        trial.failures = vec![failure(EngineFailureClass::OutOfMemory), failure(EngineFailureClass::Infrastructure)];
    });
    assert_eq!(aborted.verdict, TrialVerdict::Aborted);
    assert!(!aborted.is_infrastructure());
    let hardware = judged(|trial| {
        trial.failures = vec![failure(EngineFailureClass::Crash), failure(EngineFailureClass::Infrastructure)];
    });
    assert_eq!((hardware.verdict, hardware.is_infrastructure()), (TrialVerdict::Inconclusive, true));
    let own = judged(|trial| {
        trial.failures = vec![failure(EngineFailureClass::Crash)];
        trial.restarts = Some(1);
        trial.requests = None;
    });
    assert_eq!(own.verdict, TrialVerdict::Failed, "what is missing beside it excuses nothing");
    assert_eq!(
        reasons(&own),
        [TrialReason::Crashed, TrialReason::UnexplainedEnd, TrialReason::EvidenceMissing, TrialReason::EvidenceMissing]
    );
}

#[test]
fn exactly_the_limit_of_failed_requests_is_allowed_and_one_more_is_not() {
    for (failed, passed) in [(9, true), (10, true), (11, false)] {
        let judgement = judged(|trial| trial.requests = Some(requests(200, 200 - failed, failed)));
        assert_eq!(judgement.verdict == TrialVerdict::Passed, passed, "{failed}");
    }
    let judgement = judged(|trial| trial.requests = Some(requests(200, 189, 11)));
    assert_eq!(judgement.findings[0].message, "11 of 200 requests failed, limit 5%");
}

#[test]
fn exactly_enough_samples_are_enough() {
    for (completed, passed) in [(49, false), (50, true), (51, true)] {
        let judgement = judged(|trial| {
            trial.requests = Some(requests(completed, completed, 0));
            trial.within_slo = Some(40);
        });
        assert_eq!(judgement.verdict == TrialVerdict::Passed, passed, "{completed}");
    }
}

#[test]
fn nothing_seen_at_all_is_never_a_pass() {
    let judgement = judge_trial(&TrialMeasurement::default(), &TrialLimits::default());
    assert_eq!((judgement.verdict, judgement.fitness), (TrialVerdict::Inconclusive, None));
    assert_eq!(reasons(&judgement), [TrialReason::EvidenceMissing; 6]);
}

#[test]
fn the_engines_own_words_for_a_value_are_understood() {
    let same =
        |name: &str, asked: &str, seen: &str| same_value(&ParameterName::new(name), &ParameterValue::from(asked), seen);
    assert!(same("enable-prefix-caching", "true", "True"));
    assert!(!same("enable-prefix-caching", "true", "False"));
    assert!(same("max-num-batched-tokens", "16384", "16K"));
    assert!(same("not-in-the-catalogue", "0.70", "0.7"));
    assert!(!same("not-in-the-catalogue", "0.70", "0.71"));
}

#[test]
fn a_verdict_prints_as_it_is_serialised() {
    for verdict in [TrialVerdict::Passed, TrialVerdict::Failed, TrialVerdict::Inconclusive, TrialVerdict::Aborted] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
}

#[test]
fn a_limit_holds_both_ways_and_a_figure_that_nobody_saw_keeps_none() {
    let limits = TrialLimits { latency_p95_max: Some(SignedDuration::from_millis(1200)), ..TrialLimits::default() };
    let judged = |latency_ms_p95, limits: &TrialLimits| {
        let judgement = judge_trial(&TrialMeasurement { latency_ms_p95, ..good() }, limits);
        (judgement.verdict, reasons(&judgement))
    };
    assert_eq!(judged(Some(1200.0), &limits), (TrialVerdict::Passed, vec![]));
    assert_eq!(judged(Some(1200.1), &limits), (TrialVerdict::Failed, vec![TrialReason::LimitExceeded]));
    assert_eq!(judged(None, &limits), (TrialVerdict::Inconclusive, vec![TrialReason::EvidenceMissing]));
    assert_eq!(judged(None, &TrialLimits::default()).0, TrialVerdict::Passed);
    let memory = TrialLimits { gpu_memory_percent_max: Some(90), ..TrialLimits::default() };
    assert_eq!(judged(None, &memory), (TrialVerdict::Inconclusive, vec![TrialReason::EvidenceMissing]));
    for (seen, verdict, reasons_of_it) in
        [(90, TrialVerdict::Passed, vec![]), (91, TrialVerdict::Failed, vec![TrialReason::LimitExceeded])]
    {
        let judgement = judge_trial(&TrialMeasurement { gpu_memory_percent_max: Some(seen), ..good() }, &memory);
        assert_eq!((judgement.verdict, reasons(&judgement)), (verdict, reasons_of_it), "{seen}");
    }
}
