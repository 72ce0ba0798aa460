use super::*;
use crate::analysis::{
    baseline::BaselineRun,
    fixture::{domain, failure, history_of},
    history::JudgedRun,
};

fn of_memory(failures: &[(EngineFailureClass, Option<MemoryFault>)]) -> Diagnosis {
    let failures: Vec<EngineFailure> = failures.iter().map(|(class, memory)| failure(*class, *memory)).collect();
    diagnose_memory(&failures).diagnosis
}

#[test]
fn memory_failures_point_one_way_or_nowhere() {
    use EngineFailureClass::{Crash, OutOfMemory, StartRefusedForMemory};
    let (over, starved) = (Some(MemoryFault::Overcommitted), Some(MemoryFault::Starved));
    for (failures, expected) in [
        (&[][..], Diagnosis::Unexplained),
        (&[(OutOfMemory, None)], Diagnosis::MemoryOvercommitted),
        (&[(OutOfMemory, over)], Diagnosis::MemoryOvercommitted),
        (&[(OutOfMemory, starved)], Diagnosis::MemoryStarved),
        (&[(StartRefusedForMemory, over)], Diagnosis::MemoryOvercommitted),
        (&[(StartRefusedForMemory, starved)], Diagnosis::MemoryStarved),
        (&[(StartRefusedForMemory, None)], Diagnosis::Unexplained),
        (&[(StartRefusedForMemory, starved), (OutOfMemory, None)], Diagnosis::Unexplained),
        (&[(Crash, over)], Diagnosis::Unexplained),
    ] {
        assert_eq!(of_memory(failures), expected, "{failures:?}");
    }
}

/// Usual: TTFT 20 ms, whole 100 ms, queue 2 ms, no preemption.
fn usual() -> Vec<JudgedRun> {
    let mut history = history_of(&[100.0, 100.0, 100.0]);
    for run in &mut history {
        run.measurement.domains[0].engine_view = Some(EngineView {
            time_to_first_token_ms_mean: Some(20.0),
            end_to_end_latency_ms_mean: Some(100.0),
            queue_time_ms_mean: Some(2.0),
            preemptions: Some(1.0),
            ..EngineView::default()
        });
    }
    history
}

fn of_metric(metric: Metric, view: Option<EngineView>, history: &[JudgedRun]) -> Explained {
    let runs = history.iter().map(|run| BaselineRun { run, domain: &run.measurement.domains[0] }).collect();
    let mut domain = domain(100.0, 30.0);
    domain.engine_view = view;
    diagnose_metric(metric, &domain, &Baseline { runs, ..Baseline::default() })
}

fn view(ttft: f64, whole: f64, queue: f64) -> EngineView {
    EngineView {
        time_to_first_token_ms_mean: Some(ttft),
        end_to_end_latency_ms_mean: Some(whole),
        queue_time_ms_mean: Some(queue),
        preemptions: Some(1.0),
        ..EngineView::default()
    }
}

#[test]
fn waiting_that_makes_up_half_of_the_growth_is_the_admission_limit() {
    for (metric, view, expected) in [
        // TTFT grew by 100: of it waiting 50, then a little less.
        (Metric::TimeToFirstToken, view(120.0, 900.0, 52.0), Diagnosis::AdmissionLimited),
        (Metric::TimeToFirstToken, view(120.0, 900.0, 51.9), Diagnosis::ComputeBound),
        (Metric::Throughput, view(120.0, 900.0, 52.0), Diagnosis::AdmissionLimited),
        (Metric::OutputTokenThroughput, view(120.0, 900.0, 51.9), Diagnosis::ComputeBound),
        // The whole latency grew by 100.
        (Metric::EndToEndLatency, view(900.0, 200.0, 52.0), Diagnosis::AdmissionLimited),
        (Metric::EndToEndLatency, view(900.0, 200.0, 51.9), Diagnosis::ComputeBound),
        (Metric::Latency, view(900.0, 200.0, 52.0), Diagnosis::AdmissionLimited),
        (Metric::Latency, view(900.0, 200.0, 51.9), Diagnosis::ComputeBound),
        // Nothing grew in the engine.
        (Metric::TimeToFirstToken, view(20.0, 200.0, 20.0), Diagnosis::Unexplained),
        (Metric::TimeToFirstToken, view(20.1, 200.0, 20.0), Diagnosis::AdmissionLimited),
        (Metric::TimePerOutputToken, view(120.0, 900.0, 110.0), Diagnosis::ComputeBound),
        (Metric::PassRate, view(120.0, 900.0, 110.0), Diagnosis::Unexplained),
    ] {
        assert_eq!(of_metric(metric, Some(view), &usual()).diagnosis, expected, "{metric} {view:?}");
    }
}

#[test]
fn a_full_cache_is_the_cause_of_the_waiting() {
    for (usage, expected) in [
        (None, Diagnosis::AdmissionLimited),
        (Some(0.89), Diagnosis::AdmissionLimited),
        (Some(0.9), Diagnosis::CachePressure),
    ] {
        let view = EngineView { kv_cache_usage_max: usage, ..view(120.0, 200.0, 100.0) };
        assert_eq!(of_metric(Metric::TimeToFirstToken, Some(view), &usual()).diagnosis, expected, "{usage:?}");
    }
    let full = EngineView { kv_cache_usage_max: Some(1.0), ..view(120.0, 200.0, 3.0) };
    assert_eq!(of_metric(Metric::TimeToFirstToken, Some(full), &usual()).diagnosis, Diagnosis::ComputeBound);
}

#[test]
fn more_preemptions_than_usual_are_cache_pressure() {
    for (preemptions, expected) in [
        (Some(1.0), Diagnosis::AdmissionLimited),
        (Some(2.0), Diagnosis::CachePressure),
        (None, Diagnosis::AdmissionLimited),
    ] {
        let view = EngineView { preemptions, ..view(120.0, 200.0, 100.0) };
        assert_eq!(of_metric(Metric::TimeToFirstToken, Some(view), &usual()).diagnosis, expected, "{preemptions:?}");
    }
    let token = EngineView { preemptions: Some(2.0), ..view(20.0, 100.0, 2.0) };
    assert_eq!(of_metric(Metric::TimePerOutputToken, Some(token), &usual()).diagnosis, Diagnosis::CachePressure);
    let first = EngineView { preemptions: Some(0.0), ..view(120.0, 200.0, 100.0) };
    assert_eq!(of_metric(Metric::TimeToFirstToken, Some(first), &[]).diagnosis, Diagnosis::AdmissionLimited);
}

#[test]
fn without_the_engines_word_nothing_is_explained() {
    let explained = of_metric(Metric::TimeToFirstToken, None, &usual());
    assert_eq!(explained, Explained::new(Diagnosis::Unexplained, "the engine was not observed"));
    let silent = EngineView { queue_time_ms_mean: None, ..view(120.0, 200.0, 0.0) };
    assert_eq!(of_metric(Metric::TimeToFirstToken, Some(silent), &usual()).diagnosis, Diagnosis::Unexplained);
}

#[test]
fn without_a_baseline_the_figures_themselves_are_the_growth() {
    for (queue, expected) in [(60.0, Diagnosis::AdmissionLimited), (59.9, Diagnosis::ComputeBound)] {
        let view = EngineView { preemptions: None, ..view(120.0, 200.0, queue) };
        assert_eq!(of_metric(Metric::TimeToFirstToken, Some(view), &[]).diagnosis, expected);
    }
}

#[test]
fn the_evidence_carries_the_share() {
    let told = of_metric(Metric::TimeToFirstToken, Some(view(120.0, 200.0, 92.0)), &usual()).evidence;
    assert_eq!(
        told,
        "waiting for admission makes up 90% of the growth, and no more than usual were pushed out of the cache"
    );
    let unknown = EngineView { preemptions: None, ..view(120.0, 200.0, 92.0) };
    let told = of_metric(Metric::TimeToFirstToken, Some(unknown), &usual()).evidence;
    assert_eq!(told, "waiting for admission makes up 90% of the growth");
    let with_cache = EngineView { kv_cache_usage_max: Some(0.25), ..view(120.0, 200.0, 92.0) };
    let told = of_metric(Metric::TimeToFirstToken, Some(with_cache), &usual()).evidence;
    assert_eq!(told, "waiting for admission makes up 90% of the growth, with at most 25% of the KV cache in use");
}
