//! Faults of node and cluster.

use super::*;

fn running_pod() -> Pod {
    canary_pod("Failed", container(ENGINE, ended(2, 30, 137, "Error", "")), ended(3, 29, 137, "Error", ""))
}

fn reason(pod: &Pod) -> Option<PodFaultReason> {
    read(pod).fault.map(|fault| fault.reason)
}

#[test]
fn what_the_kubelet_says_of_a_pod_is_a_fault_of_node_or_cluster() {
    for (status_reason, expected) in [
        ("Evicted", PodFaultReason::Evicted),
        ("Preempting", PodFaultReason::Preempted),
        ("NodeLost", PodFaultReason::NodeLost),
        ("Terminated", PodFaultReason::NodeShutdown),
        ("NodeShutdown", PodFaultReason::NodeShutdown),
        ("DeadlineExceeded", PodFaultReason::DeadlineExceeded),
        ("UnexpectedAdmissionError", PodFaultReason::RefusedByNode),
        ("OutOfcpu", PodFaultReason::RefusedByNode),
        ("OutOfnvidia.com/gpu", PodFaultReason::RefusedByNode),
        ("NodeAffinity", PodFaultReason::RefusedByNode),
    ] {
        let fault = read(&with_reason(running_pod(), status_reason, "the words")).fault.unwrap();
        assert_eq!(fault.reason, expected, "{status_reason}");
        assert_eq!(fault.message, format!("{status_reason}: the words"));
    }
    assert_eq!(reason(&with_reason(measured(), "Completed", "")), None);
}

#[test]
fn who_disrupts_a_pod_is_read_from_its_condition() {
    for (disruption, expected) in [
        ("PreemptionByScheduler", PodFaultReason::Preempted),
        ("EvictionByEvictionAPI", PodFaultReason::Evicted),
        ("DeletionByTaintManager", PodFaultReason::NodeLost),
        ("DeletionByPodGC", PodFaultReason::NodeLost),
        ("TerminationByKubelet", PodFaultReason::NodeShutdown),
    ] {
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": disruption});
        assert_eq!(reason(&with_condition(running_pod(), condition)), Some(expected), "{disruption}");
    }
    let no_longer = json!({"type": "DisruptionTarget", "status": "False", "reason": "PreemptionByScheduler"});
    assert_eq!(reason(&with_condition(measured(), no_longer)), None);
    let unknown = json!({"type": "DisruptionTarget", "status": "True", "reason": "Surprise"});
    assert_eq!(reason(&with_condition(measured(), unknown.clone())), None);
    assert_eq!(reason(&deleted(with_condition(measured(), unknown), 50)), Some(PodFaultReason::Evicted));
}

#[test]
fn a_container_that_cannot_be_created_is_a_fault_that_may_pass() {
    for (state_reason, expected) in [
        ("ErrImagePull", PodFaultReason::ImageNotPulled),
        ("InvalidImageName", PodFaultReason::ImageNotPulled),
        ("CreateContainerConfigError", PodFaultReason::ContainerNotCreated),
        ("CreateContainerError", PodFaultReason::ContainerNotCreated),
        ("RunContainerError", PodFaultReason::ContainerNotCreated),
    ] {
        let pod = canary_pod("Pending", container(ENGINE, waiting(state_reason)), waiting("PodInitializing"));
        let fault = read(&pod).fault.unwrap();
        assert_eq!(fault.reason, expected, "{state_reason}");
        assert!(fault.may_pass() && fault.message.starts_with("vllm: "), "{}", fault.message);
    }
    let ordinary = canary_pod("Pending", container(ENGINE, waiting("PodInitializing")), waiting("ContainerCreating"));
    assert_eq!(reason(&ordinary), None);
    let crashing = restarted(ENGINE, 1, ended(2, 9, 1, "Error", ""), waiting("CrashLoopBackOff"));
    assert_eq!(reason(&canary_pod("Running", crashing, running(3))), None, "that is the engine's own");
}

#[test]
fn a_program_that_the_runtime_cannot_start_never_ran() {
    let state = json!({"terminated": {
        "exitCode": 128, "reason": "StartError", "message": "exec: no such file",
        "startedAt": "1970-01-01T00:00:00Z", "finishedAt": at(3).to_string(),
    }});
    let reading = read(&canary_pod("Failed", container(ENGINE, state), waiting("PodInitializing")));
    assert_eq!(reading.fault.as_ref().map(|fault| fault.reason), Some(PodFaultReason::ContainerNotCreated));
    assert_eq!(reading.engine.as_ref().map(|engine| engine.started), Some(false));
    assert_eq!(reading.spend.hold, Some(jiff::SignedDuration::ZERO));
}

#[test]
fn an_init_container_of_the_target_that_fails_is_no_fault_of_the_engine() {
    let request = canary();
    let facts = facts(|template| {
        template["spec"]["initContainers"] = json!([{"name": "download", "image": "i"}]);
    });
    let valid = plan_test_pod(&request, &facts, None, &settings()).unwrap();
    let mut pod = build_test_pod(&valid);
    pod.spec.as_mut().unwrap().node_name = Some("node-1".to_owned());
    let download = container("download", ended(1, 9, 1, "Error", "401 from the model store"));
    let engine = container(ENGINE, waiting("PodInitializing"));
    pod.status = serde_json::from_value(json!({
        "phase": "Failed", "initContainerStatuses": [preflight(), download, engine],
        "containerStatuses": [container(CONTAINER_PROBE, waiting("PodInitializing"))],
    }))
    .unwrap();
    let reading = read(&pod);
    let fault = reading.fault.unwrap();
    assert_eq!(fault.reason, PodFaultReason::InitContainerFailed);
    assert!(fault.message.contains("download ended with 1") && fault.message.contains("401"), "{}", fault.message);
    assert_eq!(reading.release, Release::At(at(9)));
}

#[test]
fn a_probe_that_says_that_it_could_not_work_is_at_fault_itself() {
    let engine = || container(ENGINE, ended(2, 40, 0, "Completed", ""));
    let refused = ProbeReport::new(ProbeEnding::Refused, "the request has version 2, expected 1");
    let fault = read(&canary_pod("Succeeded", engine(), reported(3, 4, &refused))).fault.unwrap();
    assert_eq!(fault.reason, PodFaultReason::ProbeFailed);
    assert!(fault.message.contains("version 2"), "{}", fault.message);
    let out_of_memory = || canary_pod("Failed", engine(), ended(3, 20, 137, "OOMKilled", ""));
    assert_eq!(reason(&out_of_memory()), Some(PodFaultReason::ProbeFailed));
    assert_eq!(reason(&deleted(out_of_memory(), 19)), Some(PodFaultReason::ProbeFailed));
    let ended_with_pod = canary_pod("Failed", engine(), ended(3, 20, 137, "Error", ""));
    assert_eq!(reason(&deleted(ended_with_pod, 19)), None);
}

#[test]
fn a_refusal_to_create_a_pod_is_a_fault_only_where_it_is_of_the_pod() {
    for (code, message, expected) in [
        (403, "pods \"x\" is forbidden: exceeded quota: gpus, requested: x", Some(PodFaultReason::QuotaExceeded)),
        (403, "pods \"x\" is forbidden: failed quota: q: must specify cpu", Some(PodFaultReason::QuotaExceeded)),
        (
            403,
            "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": hostPath",
            Some(PodFaultReason::PodSecurityRefused),
        ),
        (
            403,
            "pods \"x\" is forbidden: no PriorityClass with name phaseloop-test was found",
            Some(PodFaultReason::AdmissionRefused),
        ),
        (422, "Pod \"x\" is invalid: spec.containers[0].image: Required value", Some(PodFaultReason::AdmissionRefused)),
        (400, "admission webhook \"a\" denied the request: no", Some(PodFaultReason::AdmissionRefused)),
        (403, "pods is forbidden: User \"op\" cannot create resource \"pods\" in API group \"\"", None),
        (409, "pods \"x\" already exists", None),
        (400, "the body is no JSON", None),
        (503, "overloaded", None),
    ] {
        assert_eq!(fault_of_create(code, message).map(|fault| fault.reason), expected, "{code} {message}");
    }
}
