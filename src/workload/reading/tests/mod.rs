//! Pods as the kubelet leaves them: the endings that were seen on Kubernetes 1.34, and those that its source writes.

mod death;
mod ending;
mod fault;
mod measurement;
mod spend;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use phaseloop_core::analysis::{
    measurement::{ClientPace, EngineFailure, EngineFailureClass, RequestCounts},
    probe::{ProbeEnding, ProbeReport, ProbeTimes, ReportedDeath, ReportedEngine, ReportedGPU},
    summary::summarise_samples,
};
use phaseloop_core::{tuning::exact_test::MetRequests, value::Metric};
use serde_json::{Value, json};

use super::*;
use crate::workload::{
    TestKind, TestPodRequest, build_test_pod,
    contract::{CONTAINER_COLLECTOR, CONTAINER_PREFLIGHT, CONTAINER_PROBE},
    fixture::{canary, domain, facts, settings},
    plan_test_pod,
};

/// The engine's container.
const ENGINE: &str = "vllm";

/// An instant of the night.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_593_200 + seconds).unwrap()
}

fn exact(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_772_593_200_000 + milliseconds).unwrap()
}

/// A state of a container that has ended.
fn ended(start: i64, end: i64, exit_code: i32, reason: &str, message: &str) -> Value {
    json!({"terminated": {
        "startedAt": at(start).to_string(), "finishedAt": at(end).to_string(),
        "exitCode": exit_code, "reason": reason, "message": message,
    }})
}

fn running(start: i64) -> Value {
    json!({"running": {"startedAt": at(start).to_string()}})
}

fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}

fn container(name: &str, state: impl Into<Value>) -> Value {
    let state: Value = state.into();
    json!({
        "name": name, "state": state, "restartCount": 0, "ready": false, "image": "i",
        "imageID": format!("docker.io/example/{name}@sha256:0f"),
    })
}

fn restarted(name: &str, restarts: i32, last: Value, state: Value) -> Value {
    let mut status = container(name, state);
    status["restartCount"] = json!(restarts);
    status["lastState"] = last;
    status
}

fn preflight() -> Value {
    container(CONTAINER_PREFLIGHT, ended(0, 1, 0, "Completed", ""))
}

/// A pod of a request, on a node, with these statuses of its init containers and of its main ones.
fn pod_of(request: &TestPodRequest, phase: &str, init: &[Value], main: &[Value]) -> Pod {
    let valid = plan_test_pod(request, &facts(|_| {}), None, &settings()).unwrap();
    let mut pod = build_test_pod(&valid);
    pod.metadata.uid = Some("pod-uid".to_owned());
    pod.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(-5)));
    pod.spec.as_mut().unwrap().node_name = Some("node-1".to_owned());
    pod.status = serde_json::from_value(json!({
        "phase": phase, "startTime": at(0).to_string(),
        "initContainerStatuses": init, "containerStatuses": main,
    }))
    .unwrap();
    pod
}

/// A canary's pod with these states of engine and probe; the preflight has passed.
fn canary_pod(phase: &str, engine: Value, probe: Value) -> Pod {
    pod_of(&canary(), phase, &[preflight(), engine], &[container(CONTAINER_PROBE, probe)])
}

fn with_reason(mut pod: Pod, reason: &str, message: &str) -> Pod {
    let status = pod.status.as_mut().unwrap();
    (status.reason, status.message) = (Some(reason.to_owned()), Some(message.to_owned()));
    pod
}

fn with_condition(mut pod: Pod, condition: Value) -> Pod {
    let conditions = &mut pod.status.as_mut().unwrap().conditions;
    conditions.get_or_insert_default().push(serde_json::from_value(condition).unwrap());
    pod
}

fn deleted(mut pod: Pod, since: i64) -> Pod {
    pod.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(since)));
    pod
}

fn read(pod: &Pod) -> TestPodReading {
    read_test_pod(pod, NodeState::Ready)
}

/// The report of a canary that was ready after 30 s and measured until 38.2 s.
fn report() -> ProbeReport {
    let samples: Vec<f64> = (0..60).map(|place| 900.0 + f64::from(place)).collect();
    let summary = summarise_samples(&samples).summary.unwrap();
    ProbeReport {
        times: ProbeTimes {
            first_contact_at: Some(exact(29_500)),
            ready_at: Some(exact(30_200)),
            measure_started_at: Some(exact(31_200)),
            measure_ended_at: Some(exact(38_200)),
        },
        requests: Some(RequestCounts { offered: 62, completed: 60, failed: 2, flaky: 0, skipped: 0 }),
        within_slo: Some(58),
        met: Some(MetRequests { schedule: "s".to_owned(), met: (0..62).map(|place| place < 58).collect() }),
        metrics: [
            (Metric::EndToEndLatency, summary.into()),
            (Metric::Throughput, phaseloop_core::analysis::sample::SampleSummary::of_single_figure(8.5).into()),
        ]
        .into(),
        client: Some(ClientPace {
            schedule_delay_ms_mean: 1.0,
            schedule_delay_ms_p99: 4.0,
            arrival_interval_ms_mean: Some(100.0),
        }),
        engine: Some(ReportedEngine {
            version: Some("vllm 0.33.0".to_owned()),
            model: Some("m".to_owned()),
            configuration: [("gpu-memory-utilization".to_owned(), "0.75".to_owned())].into(),
        }),
        gpu: Some(ReportedGPU {
            product: Some("NVIDIA H100".to_owned()),
            count: Some(1),
            driver_version: Some("570".to_owned()),
            sharing: Some("none".to_owned()),
            memory_percent_max: Some(93),
        }),
        ..ProbeReport::new(ProbeEnding::Measured, "")
    }
}

fn seen_death(milliseconds: i64, class: EngineFailureClass, message: &str) -> ReportedDeath {
    let failure = EngineFailure { class, memory: None, exit_code: None, message: message.to_owned() };
    ReportedDeath { at: exact(milliseconds), failure }
}

/// The state of a probe that left a report.
fn reported(start: i64, end: i64, report: &ProbeReport) -> Value {
    ended(start, end, 0, "Completed", &report.write(4_096))
}

/// A canary that measured: the kubelet ends the engine a second after the probe.
fn measured() -> Pod {
    let engine = container(ENGINE, ended(2, 40, 0, "Completed", ""));
    canary_pod("Succeeded", engine, reported(3, 39, &report()))
}
