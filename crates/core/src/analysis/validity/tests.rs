use super::*;
use crate::analysis::{
    baseline::BaselineRun,
    fixture::{domain, failure, settings},
    history::JudgedRun,
    measurement::{ClientPace, RequestCounts},
};

fn baseline(history: &[JudgedRun]) -> Baseline<'_> {
    let runs = history.iter().map(|run| BaselineRun { run, domain: &run.measurement.domains[0] }).collect();
    Baseline { runs, ..Baseline::default() }
}

fn reasons_of(domain: &DomainMeasurement, history: &[JudgedRun]) -> Vec<AnalysisReason> {
    check_measurement(domain, &baseline(history), &settings()).into_iter().map(|finding| finding.reason).collect()
}

fn answering(offered: u64, completed: u64, failed: u64) -> DomainMeasurement {
    let requests = RequestCounts { offered, completed, failed, ..RequestCounts::default() };
    DomainMeasurement { requests, ..domain(100.0, 30.0) }
}

#[test]
fn thirty_answered_requests_are_enough_and_failed_ones_are_answered() {
    for (completed, failed, expected) in [
        (30, 0, vec![]),
        (29, 0, vec![AnalysisReason::TooFewSamples]),
        (10, 20, vec![]),
        (10, 19, vec![AnalysisReason::TooFewSamples]),
        (0, 0, vec![AnalysisReason::NoData]),
    ] {
        let offered = completed + failed;
        assert_eq!(reasons_of(&answering(offered, completed, failed), &[]), expected, "{completed} {failed}");
    }
    assert_eq!(reasons_of(&answering(300, 0, 0), &[]), [AnalysisReason::NoData]);
}

#[test]
fn a_client_that_left_more_than_five_percent_unsent_measured_another_load() {
    assert!(reasons_of(&answering(300, 285, 0), &[]).is_empty());
    assert_eq!(reasons_of(&answering(300, 284, 0), &[]), [AnalysisReason::RequestsNotSent]);
    assert!(reasons_of(&answering(300, 284, 1), &[]).is_empty());
    let message = check_measurement(&answering(300, 284, 0), &Baseline::default(), &settings())[0].message.clone();
    assert_eq!(message, "16 of 300 requests were never sent (5.3%, limit 5%)");
}

fn delayed(delay: f64, interval: Option<f64>) -> DomainMeasurement {
    let client = ClientPace {
        schedule_delay_ms_mean: delay,
        schedule_delay_ms_p99: delay * 3.0,
        arrival_interval_ms_mean: interval,
    };
    DomainMeasurement { client: Some(client), ..domain(200.0, 30.0) }
}

#[test]
fn a_client_more_than_a_quarter_of_an_arrival_late_is_behind() {
    let behind = vec![AnalysisReason::ClientBehindSchedule];
    for (delay, interval, expected) in [
        (10.0, Some(40.0), vec![]),
        (10.01, Some(40.0), behind.clone()),
        (0.0, Some(40.0), vec![]),
        (50.0, None, vec![]),
        (50.1, None, behind),
        (50.0, Some(0.0), vec![]),
        (50.0, Some(-1.0), vec![]),
    ] {
        assert_eq!(reasons_of(&delayed(delay, interval), &[]), expected, "{delay} {interval:?}");
    }
    let mut silent = delayed(50.1, None);
    silent.client = None;
    assert!(reasons_of(&silent, &[]).is_empty());
    let mut without_latency = delayed(50.1, None);
    without_latency.metrics.remove(&Metric::EndToEndLatency);
    assert!(reasons_of(&without_latency, &[]).is_empty());
}

fn failing(classes: &[EngineFailureClass], became_ready: Option<bool>) -> EngineFaults {
    let mut domain = domain(100.0, 30.0);
    domain.engine.failures = classes.iter().map(|class| failure(*class, None)).collect();
    domain.engine.became_ready = became_ready;
    sort_engine_failures(&domain)
}

#[test]
fn failures_are_sorted_by_what_follows_from_them() {
    use EngineFailureClass::{
        Crash, Infrastructure, OutOfMemory, StartRefused, StartRefusedForMemory, Timeout, Unclassified,
    };
    let ready = Some(true);
    for (classes, became_ready, oom_events, crashes, unexplained) in [
        (&[][..], ready, 0, 0, None),
        (&[], None, 0, 0, None),
        (&[], Some(false), 0, 0, Some(AnalysisReason::EngineStartUnexplained)),
        (&[OutOfMemory, OutOfMemory], ready, 2, 0, None),
        (&[StartRefusedForMemory], Some(false), 1, 0, None),
        (&[StartRefused], Some(false), 0, 1, None),
        (&[Crash, OutOfMemory], ready, 1, 1, None),
        (&[Timeout], ready, 0, 0, Some(AnalysisReason::EngineTimedOut)),
        (&[Unclassified], ready, 0, 0, Some(AnalysisReason::EngineEndUnexplained)),
        (&[Unclassified], Some(false), 0, 0, Some(AnalysisReason::EngineStartUnexplained)),
        (&[Unclassified], None, 0, 0, Some(AnalysisReason::EngineStartUnexplained)),
        (&[OutOfMemory, Crash, Infrastructure], ready, 0, 0, Some(AnalysisReason::InfrastructureFault)),
        (&[OutOfMemory, Unclassified], ready, 1, 0, Some(AnalysisReason::EngineEndUnexplained)),
    ] {
        let faults = failing(classes, became_ready);
        assert_eq!((faults.oom_events, faults.crashes), (oom_events, crashes), "{classes:?}");
        assert_eq!(faults.unexplained.map(|finding| finding.reason), unexplained, "{classes:?} {became_ready:?}");
    }
}

#[test]
fn oom_events_that_a_report_counted_are_added() {
    let mut domain = domain(100.0, 30.0);
    domain.engine.reported_oom_events = 2;
    domain.engine.failures = vec![failure(EngineFailureClass::OutOfMemory, None)];
    assert_eq!(sort_engine_failures(&domain).oom_events, 3);
}

#[test]
fn a_failure_is_described_by_its_code_and_its_line() {
    let mut seen = failure(EngineFailureClass::Crash, None);
    assert_eq!(describe(&seen), "exit code 1, \"the last line\"");
    seen.message = String::new();
    seen.exit_code = None;
    assert_eq!(describe(&seen), "no exit code");
}
