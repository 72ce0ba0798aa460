//! How far a pod is, and how it ended.

use super::*;
use crate::workload::told::{collect_request, engine_of, guard_request, preflight_request};

#[test]
fn a_probe_that_ends_ends_the_pod_and_the_engine_after_it() {
    for exit_code in [0, 137, 143] {
        let engine = container(ENGINE, ended(2, 40, exit_code, "Error", "last lines"));
        let reading = read(&canary_pod("Succeeded", engine, reported(3, 39, &report())));
        assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(40)), how: PodEnd::Reported });
        assert_eq!(reading.report.probe(), ProbeReport::read(&report().write(4_096)).ok().as_ref());
        let engine = reading.engine.unwrap();
        assert_eq!((engine.restarts, engine.deaths, engine.running), (Some(0), vec![], false), "exit {exit_code}");
        assert_eq!(reading.fault, None);
    }
}

#[test]
fn an_engine_and_a_probe_that_end_in_one_second_are_told_apart_by_the_report() {
    let engine = || container(ENGINE, ended(2, 39, 0, "Completed", ""));
    let measured = read(&canary_pod("Succeeded", engine(), reported(3, 39, &report())));
    assert!(measured.engine.unwrap().deaths.is_empty());
    let died = ProbeReport {
        deaths: vec![seen_death(38_900, EngineFailureClass::OutOfMemory, "CUDA out of memory")],
        ..ProbeReport::new(ProbeEnding::EngineDied, "the engine died")
    };
    let reading = read(&canary_pod("Succeeded", engine(), reported(3, 39, &died)));
    let deaths = reading.engine.unwrap().deaths;
    assert_eq!(deaths.len(), 1);
    assert_eq!(deaths[0].failure.class, EngineFailureClass::OutOfMemory);
}

#[test]
fn a_pod_that_is_deleted_while_both_ignore_their_end_is_over_when_the_last_has_ended() {
    let engine = || container(ENGINE, running(2));
    let going = deleted(canary_pod("Running", engine(), ended(3, 23, 137, "Error", "")), 20);
    let reading = read(&going);
    assert_eq!(reading.release, Release::Held);
    assert!(matches!(reading.phase, TestPodPhase::Running { .. }), "{:?}", reading.phase);
    let gone = container(ENGINE, ended(2, 24, 137, "Error", ""));
    let reading = read(&deleted(canary_pod("Running", gone, ended(3, 23, 137, "Error", "")), 20));
    assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(24)), how: PodEnd::Deleted });
    assert_eq!(reading.deleted_at, Some(at(20)));
    assert_eq!(reading.fault, None, "who was ended is not at fault");
    assert!(reading.engine.unwrap().deaths.is_empty());
}

#[test]
fn a_preflight_that_refuses_leaves_a_pod_in_which_no_engine_ran() {
    let refused = container(CONTAINER_PREFLIGHT, ended(0, 1, 7, "Error", "too late: 03:30:00Z has passed"));
    let engine = container(ENGINE, waiting("PodInitializing"));
    let probe = container(CONTAINER_PROBE, waiting("PodInitializing"));
    let reading = read(&pod_of(&canary(), "Failed", &[refused, engine], &[probe]));
    assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(1)), how: PodEnd::PreflightRefused });
    let fault = reading.fault.unwrap();
    assert_eq!(fault.reason, PodFaultReason::StartedTooLate);
    assert!(fault.message.contains("too late: 03:30:00Z"), "{}", fault.message);
    assert_eq!(reading.engine.map(|engine| (engine.started, engine.restarts)), Some((false, Some(0))));
}

#[test]
fn the_outer_bound_ends_the_probe_first_and_then_the_engine() {
    let engine = container(ENGINE, ended(2, 10, 137, "Error", ""));
    let pod = canary_pod("Failed", engine, ended(3, 8, 137, "Error", ""));
    let message = "Pod was active on the node longer than the specified deadline";
    let reading = read(&with_reason(pod, "DeadlineExceeded", message));
    assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(10)), how: PodEnd::Faulted });
    assert_eq!(reading.fault.unwrap().reason, PodFaultReason::DeadlineExceeded);
    assert!(reading.engine.unwrap().deaths.is_empty(), "it did not die, it was ended");
}

#[test]
fn a_pod_without_a_node_waits_since_the_scheduler_said_so() {
    let mut pod = pod_of(&canary(), "Pending", &[], &[]);
    pod.spec.as_mut().unwrap().node_name = None;
    let not_looked = read(&pod).phase;
    let expected = |since, reason: &str, message: &str| TestPodPhase::NotScheduled {
        since: Some(since),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    assert_eq!(not_looked, expected(at(-5), "", ""));
    let message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu";
    let pod = with_condition(
        pod,
        json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastTransitionTime": at(-4).to_string(),
        }),
    );
    let reading = read(&pod);
    assert_eq!(reading.phase, expected(at(-4), "Unschedulable", message));
    assert_eq!((reading.fault, reading.release), (None, Release::Held));
}

#[test]
fn a_pod_that_is_deleted_before_it_had_a_node_never_held_anything() {
    let mut pod = deleted(pod_of(&canary(), "Pending", &[], &[]), 9);
    pod.spec.as_mut().unwrap().node_name = None;
    let reading = read(&pod);
    assert_eq!(reading.release, Release::NothingStarted);
    assert_eq!(reading.spend.hold, Some(jiff::SignedDuration::ZERO));
}

#[test]
fn a_pod_goes_through_its_phases_as_its_containers_start() {
    let probe_waits = || [container(CONTAINER_PROBE, waiting("PodInitializing"))];
    let engine_waits = || container(ENGINE, waiting("PodInitializing"));
    let scheduled = |pod| {
        with_condition(pod, json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": at(-1).to_string()}))
    };
    let preparing = [container(CONTAINER_PREFLIGHT, running(0)), engine_waits()];
    let pod = scheduled(pod_of(&canary(), "Pending", &preparing, &probe_waits()));
    assert_eq!(read(&pod).phase, TestPodPhase::Preparing { since: Some(at(-1)), waiting: None });
    let starting = [preflight(), container(ENGINE, running(2))];
    let reading = read(&pod_of(&canary(), "Pending", &starting, &probe_waits()));
    assert_eq!(reading.phase, TestPodPhase::EngineStarting { since: Some(at(2)) });
    let reading = read(&canary_pod("Running", container(ENGINE, running(2)), running(3)));
    assert_eq!(reading.phase, TestPodPhase::Running { since: Some(at(3)) });
    assert_eq!(reading.report, ReadReport::Missing(ReportMissing::NotYet));
    // The probe has ended, and the kubelet has not ended the engine yet: the GPU is still held.
    let reading = read(&canary_pod("Running", container(ENGINE, running(2)), reported(3, 39, &report())));
    assert_eq!(reading.phase, TestPodPhase::Running { since: Some(at(3)) });
    assert_eq!(reading.release, Release::Held);
}

#[test]
fn an_image_that_is_not_pulled_is_told_while_the_pod_waits() {
    let engine = container(ENGINE, waiting("ImagePullBackOff"));
    let probe = container(CONTAINER_PROBE, waiting("PodInitializing"));
    let reading = read(&pod_of(&canary(), "Pending", &[preflight(), engine], &[probe]));
    let waits = Waiting { container: ENGINE.to_owned(), reason: "ImagePullBackOff".to_owned() };
    assert_eq!(reading.phase, TestPodPhase::Preparing { since: None, waiting: Some(waits) });
    let fault = reading.fault.unwrap();
    assert!(fault.reason == PodFaultReason::ImageNotPulled && fault.may_pass());
}

#[test]
fn a_report_that_is_missing_broken_or_cut_is_told_with_what_the_kubelet_saw() {
    for (message, told) in [
        ("", "left no report"),
        ("Traceback: x", "is no report"),
        (&report().write(4_096)[..100], "is no report"),
        ("{\"v\":9}", "has version 9"),
    ] {
        let engine = container(ENGINE, ended(2, 40, 0, "Completed", ""));
        let reading = read(&canary_pod("Failed", engine, ended(3, 39, 2, "Error", message)));
        let ReadReport::Missing(ReportMissing::Unreadable(text)) = &reading.report else { panic!("{message}") };
        assert!(text.contains(told) && text.contains("exit code 2, Error"), "{text}");
        assert_eq!(reading.fault.unwrap().reason, PodFaultReason::ProbeFailed);
        assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(40)), how: PodEnd::Faulted });
    }
}

#[test]
fn a_node_that_does_not_report_makes_a_running_pod_lost_and_an_ended_one_not() {
    let engine = || container(ENGINE, running(2));
    for node in [NodeState::NotReady, NodeState::Gone] {
        let reading = read_test_pod(&canary_pod("Running", engine(), running(3)), node);
        assert_eq!((&reading.phase, reading.release), (&TestPodPhase::Lost, Release::Unprovable), "{node:?}");
        assert_eq!(reading.fault.unwrap().reason, PodFaultReason::NodeLost);
        assert_eq!(read_test_pod(&measured(), node).phase, read(&measured()).phase);
    }
    // The garbage collector sets the phase of a pod whose node is gone; nobody has seen its containers end.
    let collected = json!({"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"});
    let pod = with_condition(canary_pod("Failed", engine(), running(3)), collected);
    let reading = read_test_pod(&deleted(pod, 90), NodeState::Gone);
    assert_eq!((reading.phase, reading.release), (TestPodPhase::Lost, Release::Unprovable));
}

#[test]
fn a_container_that_the_kubelet_lost_sight_of_leaves_open_what_the_pod_used() {
    let unknown = json!({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}});
    let pod = canary_pod("Failed", container(ENGINE, unknown), ended(3, 39, 137, "Error", ""));
    let reading = read(&pod);
    assert_eq!(reading.release, Release::Unprovable);
    assert_eq!(reading.phase, TestPodPhase::Ended { at: None, how: PodEnd::Faulted });
    assert_eq!(reading.fault.unwrap().reason, PodFaultReason::NodeLost);
    assert_eq!((reading.spend, reading.times.released_at), (ProvenSpend::default(), None));
}

#[test]
fn a_custom_domain_ends_with_its_collectors_summary() {
    let request = TestPodRequest { test: TestKind::Report, ..domain() };
    let summary = "{\"v\":1,\"n\":2,\"d\":[{\"n\":\"serving\",\"t\":[2,0,0,0]}]}";
    let collector = |message: &str| container(CONTAINER_COLLECTOR, ended(1, 62, 0, "Completed", message));
    let test = || container(ENGINE, ended(2, 60, 0, "Completed", ""));
    let reading = read(&pod_of(&request, "Succeeded", &[preflight(), collector(summary)], &[test()]));
    assert!(matches!(&reading.report, ReadReport::Collector(summary) if summary.rows_accepted == 2));
    assert_eq!(reading.phase, TestPodPhase::Ended { at: Some(at(62)), how: PodEnd::Reported });
    assert_eq!((reading.engine, reading.request), (None, None));
    let reading = read(&pod_of(&request, "Succeeded", &[preflight(), collector("")], &[test()]));
    assert_eq!(reading.fault.unwrap().reason, PodFaultReason::ProbeFailed);
}

#[test]
fn a_pod_tells_what_it_ran_on_and_with() {
    let environment = read(&measured()).environment;
    assert_eq!(environment.image.as_deref(), Some("docker.io/vllm/vllm-openai:v0.33.0"));
    assert_eq!(environment.image_digest.as_deref(), Some("sha256:0f"));
    assert_eq!(environment.engine_version.as_deref(), Some("vllm 0.33.0"));
    assert_eq!((environment.model.as_deref(), environment.gpu_count), (Some("m"), Some(1)));
    assert_eq!(environment.gpu_product.as_deref(), Some("NVIDIA H100"));
    let flags: Vec<&str> = environment.configuration.keys().map(String::as_str).collect();
    assert_eq!(flags, ["gpu-memory-utilization", "model", "port"], "the guard's own flags are none of the engine's");
    let unread = read(&canary_pod("Running", container(ENGINE, running(2)), running(3))).environment;
    assert_eq!((unread.gpu_product, unread.gpu_count), (None, Some(1)), "requested, and not seen");
}

#[test]
fn what_the_containers_are_told_is_read_back_from_the_pod() {
    let pod = measured();
    let reading = read(&pod);
    assert_eq!(reading.request.unwrap().seed, 7);
    assert_eq!(preflight_request(&pod).unwrap().not_after, canary().times.not_after);
    let engine = engine_of(&pod).unwrap();
    assert_eq!(guard_request(engine).unwrap().command, ["vllm", "serve"]);
    assert_eq!(collect_request(&pod), None);
    assert_eq!(
        (reading.name, reading.uid.as_str(), reading.node.as_deref()),
        (pod.metadata.name.unwrap(), "pod-uid", Some("node-1"))
    );
}
