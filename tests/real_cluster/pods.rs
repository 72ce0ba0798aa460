//! Pods in the shape of a test pod (decisions in ADR 10): an ordinary init container, the engine as a native sidecar
//! without a startup probe, and the probe as the main container.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{
    ResourceExt as _,
    api::{DeleteParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{
    DEADLINE, GPU, NODE, Place, SHELL, cluster, ended, message, phase, shell_pod, status_of, statuses,
};

/// Runs until it is told to end.
const OBEDIENT: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";
/// Runs until it is killed.
const DEAF: &str = "trap '' TERM; while :; do sleep 1; done";
/// Waits until the engine has begun, then ends with a result.
const PROBE: &str =
    r#"until [ -f /shared/began ]; do sleep 0.1; done; printf '{"verdict":"Healthy"}' > /dev/termination-log"#;

/// A test pod whose engine holds one GPU.
fn test_pod(preflight: &str, engine: &str, probe: &str, grace_seconds: u32) -> Value {
    let container = |name: &str, script: &str| {
        json!({
            "name": name, "image": SHELL, "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
        })
    };
    let mut sidecar = container("engine", &format!("touch /shared/began; {engine}"));
    sidecar["restartPolicy"] = json!("Always");
    sidecar["resources"] = json!({"limits": {GPU: "1"}});
    json!({
        "metadata": {"name": "canary"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace_seconds,
            "automountServiceAccountToken": false,
            "initContainers": [container("preflight", preflight), sidecar],
            "containers": [container("probe", probe)],
            "volumes": [{"name": "shared", "emptyDir": {}}],
        },
    })
}

fn runs(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

#[tokio::test]
async fn a_test_pod_succeeds_with_the_message_of_its_probe_and_its_engine_is_ended() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "test-pod").await;
    place.create::<Pod>(test_pod("true", OBEDIENT, PROBE, 30)).await;
    let pod = place.until_ended("canary").await;
    assert_eq!(phase(&pod), "Succeeded", "{:?}", pod.status);
    assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some(NODE));
    assert_eq!(message(&pod, "probe"), r#"{"verdict":"Healthy"}"#);
    let engine = status_of(&pod, "engine");
    assert_eq!((ended(engine).unwrap().exit_code, engine.restart_count), (0, 0), "{engine:?}");
    let finished = |container: &str| ended(status_of(&pod, container)).unwrap().finished_at.clone().unwrap();
    assert!(finished("probe") <= finished("engine"), "the kubelet ends the engine after the probe: {:?}", pod.status);
    place.leave().await;
}

#[tokio::test]
async fn an_engine_that_does_not_listen_is_killed_after_the_probe_and_the_pod_succeeds() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "deaf-engine").await;
    place.create::<Pod>(test_pod("true", DEAF, PROBE, 1)).await;
    let pod = place.until_ended("canary").await;
    assert_eq!(phase(&pod), "Succeeded", "{:?}", pod.status);
    assert_eq!(message(&pod, "probe"), r#"{"verdict":"Healthy"}"#);
    assert_eq!(ended(status_of(&pod, "engine")).unwrap().exit_code, 137);
    place.leave().await;
}

#[tokio::test]
async fn an_engine_does_not_begin_where_preflight_refuses() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "preflight").await;
    place.create::<Pod>(test_pod("exit 7", OBEDIENT, PROBE, 1)).await;
    let failed = |pod: &Pod| phase(pod) == "Failed";
    let pod = place.until("canary", "failed", failed).await;
    assert_eq!(ended(status_of(&pod, "preflight")).unwrap().exit_code, 7);
    let engine = status_of(&pod, "engine");
    assert_eq!(engine.container_id, None, "{engine:?}");
    place.leave().await;
}

#[tokio::test]
async fn an_engine_that_ends_too_early_is_restarted_and_counted() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "early-end").await;
    // The first engine ends as a vLLM whose core process was killed: with 0.
    let engine = format!("[ -f /shared/second ] || {{ touch /shared/second; exit 0; }}; {OBEDIENT}");
    place.create::<Pod>(test_pod("true", &engine, DEAF, 1)).await;
    let restarted = |pod: &Pod| {
        let engine = statuses(pod).into_iter().find(|status| status.name == "engine");
        engine.is_some_and(|engine| engine.restart_count == 1 && engine.last_state.is_some())
    };
    let pod = place.until("canary", "restarted", restarted).await;
    let last = status_of(&pod, "engine").last_state.clone().unwrap();
    assert_eq!(last.terminated.unwrap().exit_code, 0);
    place.leave().await;
}

/// The hard abort: what the last events of the watch say is all that anybody learns of the pod.
#[tokio::test]
async fn a_deletion_with_one_second_of_grace_tells_when_each_deaf_container_finished() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "hard-abort").await;
    place.create::<Pod>(test_pod("true", DEAF, DEAF, 30)).await;
    let both_run = |pod: &Pod| statuses(pod).iter().filter(|status| runs(status)).count() == 2;
    let pod = place.until("canary", "running", both_run).await;

    let watch = WatchParams::default().fields("metadata.name=canary").timeout(290);
    let mut events = place.api::<Pod>().watch(&watch, &pod.resource_version().unwrap()).await.unwrap().boxed();
    place.api::<Pod>().delete("canary", &DeleteParams::default().grace_period(1)).await.unwrap();
    let last = timeout(DEADLINE, async {
        loop {
            match events.try_next().await.unwrap().expect("the watch is open") {
                WatchEvent::Deleted(pod) => return pod,
                WatchEvent::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    });
    let last = last.await.expect("the pod goes");
    for name in ["engine", "probe"] {
        let end = ended(status_of(&last, name)).unwrap_or_else(|| panic!("{name} ended: {:?}", last.status));
        assert_eq!(end.exit_code, 137);
        assert!(end.finished_at.is_some(), "{end:?}");
    }
    place.leave().await;
}

#[tokio::test]
async fn a_pod_past_its_deadline_is_ended_with_its_reason() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "deadline").await;
    let mut pod = test_pod("true", OBEDIENT, OBEDIENT, 1);
    pod["spec"]["activeDeadlineSeconds"] = json!(3);
    place.create::<Pod>(pod).await;
    // On a busy machine the deadline comes before the engine does: then there is nothing to be ended.
    let stopped = |pod: &Pod| phase(pod) == "Failed" && !statuses(pod).iter().any(|status| runs(status));
    let pod = place.until("canary", "stopped", stopped).await;
    let status = pod.status.as_ref().unwrap();
    assert_eq!((phase(&pod), status.reason.as_deref()), ("Failed", Some("DeadlineExceeded")));
    place.leave().await;
}

#[tokio::test]
async fn a_container_beyond_its_memory_is_killed_with_its_reason() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "memory").await;
    let mut pod = shell_pod("eater", "tail /dev/zero");
    pod["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "32Mi"}});
    place.create::<Pod>(pod).await;
    let pod = place.until_ended("eater").await;
    let end = ended(status_of(&pod, "shell")).unwrap();
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("OOMKilled")));
    place.leave().await;
}
