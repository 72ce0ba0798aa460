//! What the core gets to judge.

use phaseloop_core::{
    analysis::measurement::MeasurementSource,
    plan::pod::TestPodEnd,
    tuning::{TrialLimits, TrialVerdict, judge_trial, outcome::TrialReason},
    value::{ParameterName, ParameterSet, ParameterValue},
};

use super::*;
use crate::workload::workload_hash;

fn asked() -> ParameterSet {
    [(ParameterName::new("gpu-memory-utilization"), ParameterValue::from("0.75"))].into()
}

fn judged(pod: &Pod, ended_by: Option<TestPodEnd>) -> (TrialVerdict, Vec<TrialReason>) {
    let judgement = judge_trial(&trial_measurement(&read(pod), &asked(), ended_by), &TrialLimits::default());
    (judgement.verdict, judgement.findings.iter().map(|finding| finding.reason).collect())
}

#[test]
fn a_canary_that_showed_everything_passes() {
    assert_eq!(judged(&measured(), None), (TrialVerdict::Passed, vec![]));
    let trial = trial_measurement(&read(&measured()), &asked(), None);
    assert_eq!((trial.restarts, trial.ran_throughout, trial.oom_events), (Some(0), Some(true), Some(0)));
    assert_eq!((trial.within_slo, trial.throughput), (Some(58), Some(8.5)));
    assert_eq!(trial.latency_ms_p95.map(f64::round), Some(956.0));
    assert_eq!(trial.gpu_memory_percent_max, Some(93));
    assert_eq!(trial.met, report().met);
    assert_eq!(trial.client_kept_up, Some(true));
}

#[test]
fn a_canary_that_the_operator_deleted_after_its_report_passes_all_the_same() {
    assert_eq!(judged(&deleted(measured(), 41), Some(TestPodEnd::ResultStored)).0, TrialVerdict::Passed);
}

#[test]
fn each_thing_that_was_not_seen_keeps_a_canary_from_passing() {
    let without = |change: fn(&mut ProbeReport)| {
        let mut report = report();
        change(&mut report);
        let engine = container(ENGINE, ended(2, 40, 0, "Completed", ""));
        judged(&canary_pod("Succeeded", engine, reported(3, 39, &report)), None)
    };
    for (change, reason) in [
        ((|report| report.engine = None) as fn(&mut ProbeReport), TrialReason::ParameterUnseen),
        (|report| report.client = None, TrialReason::EvidenceMissing),
        (|report| report.times.measure_ended_at = None, TrialReason::EvidenceMissing),
        (|report| report.times.measure_started_at = None, TrialReason::EvidenceMissing),
        (
            |report| {
                report.within_slo = None;
                report.met = None;
            },
            TrialReason::EvidenceMissing,
        ),
    ] {
        let (verdict, reasons) = without(change);
        assert_eq!((verdict, reasons), (TrialVerdict::Inconclusive, vec![reason]));
    }
}

#[test]
fn a_restart_ends_a_canary_whatever_it_measured() {
    let with = |last: Value| {
        let engine = restarted(ENGINE, 1, last, ended(31, 40, 0, "Completed", ""));
        judged(&canary_pod("Succeeded", engine, reported(3, 39, &report())), None)
    };
    let (verdict, reasons) = with(ended(2, 30, 1, "Error", "torch.OutOfMemoryError: CUDA out of memory"));
    assert_eq!(verdict, TrialVerdict::Failed);
    assert_eq!(reasons[0], TrialReason::OutOfMemory);
    let (verdict, reasons) = with(ended(2, 30, 0, "Completed", ""));
    assert_eq!(verdict, TrialVerdict::Inconclusive, "nobody knows why it died");
    assert!(reasons.contains(&TrialReason::UnexplainedEnd) && !reasons.contains(&TrialReason::OutOfMemory));
}

#[test]
fn each_ending_of_a_canary_comes_to_its_verdict() {
    let engine = || container(ENGINE, ended(2, 40, 137, "Error", ""));
    let left = |report: ProbeReport| canary_pod("Succeeded", engine(), reported(3, 39, &report));
    let unreported = || canary_pod("Failed", engine(), ended(3, 39, 137, "Error", ""));
    let died = ProbeReport {
        deaths: vec![seen_death(39_000, EngineFailureClass::OutOfMemory, "CUDA out of memory")],
        ..ProbeReport::new(ProbeEnding::EngineDied, "")
    };
    for (what, pod, ended_by, verdict, reason) in vec![
        (
            "never ready",
            left(ProbeReport::new(ProbeEnding::EngineNeverReady, "120 s")),
            None,
            TrialVerdict::Failed,
            TrialReason::TimedOut,
        ),
        ("died", left(died), None, TrialVerdict::Failed, TrialReason::OutOfMemory),
        (
            "out of time",
            left(ProbeReport::new(ProbeEnding::OutOfTime, "")),
            None,
            TrialVerdict::Inconclusive,
            TrialReason::TimeWasUp,
        ),
        (
            "unusable",
            left(ProbeReport::new(ProbeEnding::EngineUnusable, "401")),
            None,
            TrialVerdict::Inconclusive,
            TrialReason::UnexplainedEnd,
        ),
        (
            "refused",
            left(ProbeReport::new(ProbeEnding::Refused, "x")),
            None,
            TrialVerdict::Inconclusive,
            TrialReason::InfrastructureFault,
        ),
        (
            "aborted",
            deleted(unreported(), 38),
            Some(TestPodEnd::Aborted),
            TrialVerdict::Aborted,
            TrialReason::EndedFromOutside,
        ),
        (
            "past its end",
            deleted(unreported(), 38),
            Some(TestPodEnd::PastNotAfter),
            TrialVerdict::Inconclusive,
            TrialReason::TimeWasUp,
        ),
        ("deleted by somebody", deleted(unreported(), 38), None, TrialVerdict::Aborted, TrialReason::EndedFromOutside),
        (
            "start timed out",
            deleted(unreported(), 38),
            Some(TestPodEnd::StartTimedOut),
            TrialVerdict::Failed,
            TrialReason::TimedOut,
        ),
        ("no report", unreported(), None, TrialVerdict::Inconclusive, TrialReason::InfrastructureFault),
        (
            "evicted",
            with_reason(unreported(), "Evicted", ""),
            None,
            TrialVerdict::Inconclusive,
            TrialReason::InfrastructureFault,
        ),
    ] {
        let (found, reasons) = judged(&pod, ended_by);
        assert_eq!(found, verdict, "{what}: {reasons:?}");
        assert!(reasons.contains(&reason), "{what}: {reasons:?}");
        let is_of_the_cluster = reasons.contains(&TrialReason::InfrastructureFault);
        assert!(reason != TrialReason::TimeWasUp || !is_of_the_cluster, "{what}: {reasons:?}");
    }
}

#[test]
fn a_canary_that_its_pod_s_deadline_ends_had_no_more_time_and_nothing_is_wrong_with_the_cluster() {
    let engine = || container(ENGINE, ended(2, 40, 137, "Error", ""));
    let told = canary_pod("Failed", engine(), reported(3, 39, &ProbeReport::new(ProbeEnding::OutOfTime, "")));
    let silent = canary_pod("Failed", engine(), ended(3, 39, 137, "Error", ""));
    for pod in [told, silent] {
        let (verdict, reasons) = judged(&with_reason(pod, "DeadlineExceeded", ""), None);
        assert_eq!(verdict, TrialVerdict::Inconclusive, "{reasons:?}");
        assert!(reasons.contains(&TrialReason::TimeWasUp), "{reasons:?}");
        assert!(!reasons.contains(&TrialReason::InfrastructureFault), "{reasons:?}");
    }
}

#[test]
fn a_pod_that_was_deleted_before_its_time_was_up_was_ended_from_outside_and_one_after_it_was_not() {
    let engine = || container(ENGINE, ended(2, 40, 137, "Error", ""));
    let told = || canary_pod("Failed", engine(), reported(3, 39, &ProbeReport::new(ProbeEnding::OutOfTime, "")));
    let silent = || canary_pod("Failed", engine(), ended(3, 39, 137, "Error", ""));
    let ends_by = read(&told()).request.unwrap().ends_by;
    for pod in [told(), silent()] {
        for (deleted_at, verdict, reason) in [
            (ends_by - jiff::SignedDuration::from_secs(1), TrialVerdict::Aborted, TrialReason::EndedFromOutside),
            (ends_by, TrialVerdict::Inconclusive, TrialReason::TimeWasUp),
        ] {
            let mut pod = pod.clone();
            pod.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(deleted_at));
            let (found, reasons) = judged(&pod, None);
            assert_eq!(found, verdict, "{deleted_at}: {reasons:?}");
            assert!(reasons.contains(&reason), "{deleted_at}: {reasons:?}");
        }
    }
}

#[test]
fn a_canary_that_found_no_gpu_is_infrastructure() {
    let mut pod = deleted(pod_of(&canary(), "Pending", &[], &[]), 900);
    pod.spec.as_mut().unwrap().node_name = None;
    let (verdict, reasons) = judged(&pod, Some(TestPodEnd::NoSpareGPU));
    assert_eq!(verdict, TrialVerdict::Inconclusive);
    assert!(reasons.contains(&TrialReason::InfrastructureFault), "{reasons:?}");
}

#[test]
fn a_canary_whose_engine_restarted_without_a_guard_is_judged_by_the_kubelets_word() {
    let lines = "ValueError: No available memory for the cache blocks. Try increasing";
    let engine = restarted(ENGINE, 1, ended(2, 30, 1, "Error", lines), ended(31, 35, 137, "Error", ""));
    let pod = deleted(canary_pod("Failed", engine, ended(3, 34, 137, "Error", "")), 33);
    let (verdict, reasons) = judged(&pod, Some(TestPodEnd::EngineRestarted));
    assert_eq!(verdict, TrialVerdict::Failed, "{reasons:?}");
    assert_eq!(reasons[0], TrialReason::TooLittleMemory);
}

#[test]
fn a_fault_after_the_measurement_does_not_undo_it() {
    let pod = with_reason(measured(), "Terminated", "node shutdown");
    assert_eq!(judged(&pod, None).0, TrialVerdict::Passed);
}

#[test]
fn an_engine_ran_throughout_only_if_its_one_run_spans_the_measurement() {
    let ran = |start: i64, end: i64, probe_end: i64| {
        let engine = container(ENGINE, ended(start, end, 0, "Completed", ""));
        let pod = canary_pod("Succeeded", engine, reported(3, probe_end, &report()));
        trial_measurement(&read(&pod), &asked(), None).ran_throughout
    };
    assert_eq!(ran(2, 39, 39), Some(true));
    assert_eq!(ran(31, 39, 39), Some(true));
    assert_eq!(ran(32, 39, 39), Some(false), "it started after the first request");
    assert_eq!(ran(2, 38, 38), Some(true), "the second in which the measurement ended");
    assert_eq!(ran(2, 37, 37), Some(false));
}

#[test]
fn a_domain_gets_what_its_probe_reported() {
    let mut report = report();
    report.metrics.insert(
        Metric::TimeToFirstToken,
        phaseloop_core::analysis::probe::ReportedMetric {
            count: 60,
            mean: 20.0,
            standard_deviation: 1.0,
            spread: None,
        },
    );
    report.dropped.insert(phaseloop_core::analysis::probe::ReportPart::Quantiles);
    let engine = container(ENGINE, ended(2, 40, 0, "Completed", ""));
    let statuses = [container(CONTAINER_PROBE, reported(3, 39, &report))];
    let pod = pod_of(&domain(), "Succeeded", &[preflight(), engine], &statuses);
    let measurement = domain_measurement(&read(&pod), 2.0);
    assert_eq!((&*measurement.name, measurement.weight), ("serving", 2.0));
    let TestKind::Serving(load) = domain().test else { panic!("a serving test") };
    assert_eq!(measurement.workload_hash, workload_hash(&load.workload));
    assert_eq!(measurement.source, MeasurementSource::Serving);
    assert_eq!((measurement.requests.offered, measurement.within_slo), (62, Some(58)));
    assert_eq!(measurement.engine.became_ready, Some(true));
    let metrics: Vec<Metric> = measurement.metrics.keys().copied().collect();
    assert_eq!(metrics, [Metric::EndToEndLatency, Metric::Throughput], "without quantiles a metric is missing");
    assert_eq!(measurement.notes, ["the probe's message had no room for quantiles, so no latency can be judged"]);
}

#[test]
fn a_domain_counts_every_death_and_says_what_nobody_saw() {
    let report = ProbeReport {
        gpu: None,
        deaths: vec![
            seen_death(20_000, EngineFailureClass::OutOfMemory, "a"),
            seen_death(40_000, EngineFailureClass::OutOfMemory, "b"),
        ],
        ..report()
    };
    let engine = restarted(ENGINE, 2, ended(21, 40, 0, "Completed", ""), ended(41, 90, 0, "Completed", ""));
    let statuses = [container(CONTAINER_PROBE, reported(3, 89, &report))];
    let measurement =
        domain_measurement(&read(&pod_of(&domain(), "Succeeded", &[preflight(), engine], &statuses)), 1.0);
    let classes: Vec<_> = measurement.engine.failures.iter().map(|failure| failure.class).collect();
    assert_eq!(classes, [EngineFailureClass::OutOfMemory; 2]);
    assert_eq!(measurement.engine.reported_oom_events, 0, "each death counts once");
    assert!(measurement.notes[0].starts_with("GPUUnobserved"), "{:?}", measurement.notes);
}

#[test]
fn a_domain_without_a_report_has_no_figure_and_says_why() {
    let engine = container(ENGINE, ended(2, 40, 137, "Error", ""));
    let statuses = [container(CONTAINER_PROBE, ended(3, 39, 137, "Error", ""))];
    let pod = with_reason(pod_of(&domain(), "Failed", &[preflight(), engine], &statuses), "Evicted", "disk");
    let measurement = domain_measurement(&read(&pod), 1.0);
    assert_eq!((measurement.requests.offered, measurement.requests.completed), (200, 0));
    assert!(measurement.metrics.is_empty() && measurement.within_slo.is_none());
    assert_eq!(measurement.engine.became_ready, None, "nobody looked");
    assert_eq!(measurement.engine.failures[0].class, EngineFailureClass::Infrastructure);
    assert!(measurement.engine.failures[0].message.contains("Evicted: Evicted: disk"));
    assert!(measurement.notes[0].contains("left no report"), "{:?}", measurement.notes);
}

#[test]
fn a_custom_domain_is_found_in_its_report_by_name_or_as_the_only_one() {
    let request = TestPodRequest { test: TestKind::Report, ..domain() };
    let measurement = |domains: &str| {
        let summary = format!("{{\"v\":1,\"n\":2,\"d\":[{domains}]}}");
        let collector = container(CONTAINER_COLLECTOR, ended(1, 62, 0, "Completed", &summary));
        let test = container(ENGINE, ended(2, 60, 0, "Completed", ""));
        domain_measurement(&read(&pod_of(&request, "Succeeded", &[preflight(), collector], &[test])), 1.0)
    };
    let row = |name: &str, passed: u64| format!("{{\"n\":\"{name}\",\"t\":[{passed},0,0,0]}}");
    let named = measurement(&format!("{},{}", row("chat", 3), row("serving", 2)));
    assert_eq!((&*named.name, named.requests.completed), ("serving", 2));
    assert_eq!(named.notes, ["domains of the report that the run does not have: chat"]);
    let only = measurement(&row("chat", 3));
    assert_eq!((&*only.name, only.requests.completed), ("serving", 3));
    assert_eq!(only.notes, ["the report calls this domain chat"]);
    let neither = measurement(&format!("{},{}", row("chat", 3), row("rag", 2)));
    assert_eq!((neither.requests.offered, &*neither.notes[0]), (0, "the report has no domain serving, only chat, rag"));
    let none = measurement("");
    assert_eq!((none.source, &*none.notes[0]), (MeasurementSource::Report, "the report has no row that counts"));
}
