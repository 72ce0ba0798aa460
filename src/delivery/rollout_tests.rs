use serde_json::{Value, json};

use super::*;

fn deployment(spec: &Value, status: &Value) -> ObservedTarget {
    let mut whole = json!({ "selector": {}, "template": { "spec": { "containers": [{ "name": "vllm" }] } } });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let object =
        json!({ "metadata": { "name": "llama", "uid": "d", "generation": 3 }, "spec": whole, "status": status });
    ObservedTarget::Deployment(serde_json::from_value(object).unwrap())
}

fn set(spec: &Value, status: &Value) -> ObservedTarget {
    let mut whole = json!({ "selector": {}, "serviceName": "s", "template": {} });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let object = json!({ "metadata": { "name": "llama", "uid": "s" }, "spec": whole, "status": status });
    ObservedTarget::StatefulSet(serde_json::from_value(object).unwrap())
}

fn facts(target: &ObservedTarget) -> RolloutFacts {
    rollout_facts(target, &[], None, true)
}

#[test]
fn a_deployment_tells_its_strategy_and_its_figures() {
    let status = json!({
        "replicas": 5, "updatedReplicas": 2, "readyReplicas": 3, "observedGeneration": 2,
        "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }],
    });
    let expected = RolloutFacts {
        strategy: RolloutStrategy::Rolling,
        paused: true,
        partitioned: false,
        unavailable_max: 1,
        spare_gpu_seen: true,
        replicas_desired: 4,
        replicas_total: 5,
        replicas_updated: 2,
        replicas_ready: 3,
        observed_generation: 2,
        progress_deadline_exceeded: true,
        new_pod_crashed: false,
    };
    assert_eq!(facts(&deployment(&json!({ "replicas": 4, "paused": true }), &status)), expected);
}

#[test]
fn a_deployment_without_figures_has_one_replica_and_none_is_there() {
    let seen = facts(&deployment(&json!({ "strategy": { "type": "Recreate" } }), &json!({})));
    assert_eq!((seen.replicas_desired, seen.replicas_total, seen.observed_generation), (1, 0, 0));
    assert_eq!(
        (seen.strategy, seen.paused, seen.progress_deadline_exceeded),
        (RolloutStrategy::Recreate, false, false)
    );
}

#[test]
fn progress_that_was_reported_otherwise_is_no_failure() {
    for condition in [
        json!({ "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" }),
        json!({ "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable" }),
    ] {
        let seen = facts(&deployment(&json!({}), &json!({ "conditions": [condition] })));
        assert!(!seen.progress_deadline_exceeded, "{condition}");
    }
}

#[test]
fn what_may_be_missing_is_resolved_as_kubernetes_does() {
    for (replicas, rolling, expected) in [
        (1, json!({}), 0),
        (3, json!({}), 0),
        (4, json!({}), 1),
        (10, json!({}), 2),
        (2, json!({ "maxUnavailable": 1 }), 1),
        (2, json!({ "maxUnavailable": 0, "maxSurge": 0 }), 1),
        (2, json!({ "maxUnavailable": 0, "maxSurge": 1 }), 0),
        (3, json!({ "maxUnavailable": "34%" }), 1),
        (3, json!({ "maxUnavailable": "33%", "maxSurge": "0%" }), 1),
        (3, json!({ "maxUnavailable": "33%", "maxSurge": "1%" }), 0),
        (2, json!({ "maxUnavailable": "100%" }), 2),
        (2, json!({ "maxUnavailable": "all", "maxSurge": 1 }), 0),
    ] {
        let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": rolling });
        let seen = facts(&deployment(&json!({ "replicas": replicas, "strategy": strategy }), &json!({})));
        assert_eq!(seen.unavailable_max, expected, "{replicas} {rolling}");
    }
}

#[test]
fn a_stateful_set_misses_at_least_one_and_may_be_partitioned_or_wait_for_deletion() {
    for (strategy, partitioned, on_delete, unavailable) in [
        (json!(null), false, false, 1),
        (json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }), false, false, 1),
        (json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } }), true, false, 1),
        (json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 2 } }), false, false, 2),
        (json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "10%" } }), false, false, 1),
        (json!({ "type": "OnDelete" }), false, true, 1),
    ] {
        let seen = facts(&set(&json!({ "replicas": 4, "updateStrategy": strategy }), &json!({ "replicas": 4 })));
        assert_eq!(seen.partitioned, partitioned, "{strategy}");
        assert_eq!(seen.strategy == RolloutStrategy::OnDelete, on_delete, "{strategy}");
        assert_eq!((seen.unavailable_max, seen.replicas_total), (unavailable, 4), "{strategy}");
    }
}

fn replica_set(owner: &str, image: &str, hash: &str) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("llama-{hash}"), "uid": format!("rs-{hash}"), "labels": { (LABEL_TEMPLATE_HASH): hash },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "llama", "uid": owner, "controller": true }],
        },
        "spec": { "selector": {}, "template": {
            "metadata": { "labels": { "app": "llama", (LABEL_TEMPLATE_HASH): hash } },
            "spec": { "containers": [{ "name": "vllm", "image": image }] },
        } },
    }))
    .unwrap()
}

#[test]
fn the_newest_pods_of_a_deployment_are_those_of_the_set_with_its_template() {
    let template = json!({
        "metadata": { "labels": { "app": "llama" } }, "spec": { "containers": [{ "name": "vllm", "image": "new" }] },
    });
    let target = deployment(&json!({ "template": template }), &json!({}));
    let sets = [replica_set("other", "new", "a"), replica_set("d", "old", "b"), replica_set("d", "new", "c")];
    let expected = ("pod-template-hash=c".to_owned(), "rs-c".to_owned());
    assert_eq!(newest_pods(&target, &sets), Some(expected));
    assert_eq!(newest_pods(&target, &sets[..2]), None, "its set is not made yet");
}

#[test]
fn the_newest_pods_of_a_stateful_set_are_those_of_its_update_revision() {
    let of = |status: Value| newest_pods(&set(&json!({}), &status), &[]);
    let expected = ("controller-revision-hash=llama-7".to_owned(), "s".to_owned());
    assert_eq!(of(json!({ "replicas": 1, "updateRevision": "llama-7" })), Some(expected));
    assert_eq!(of(json!({ "replicas": 1 })), None);
}

#[test]
fn a_pod_has_crashed_where_a_container_ended_with_an_error_or_the_engine_ended_at_all() {
    let ended = |code: i32| json!({ "terminated": { "exitCode": code } });
    let running = json!({ "running": {} });
    for (name, restarts, state, last, crashed) in [
        ("vllm", 0, running.clone(), json!({}), false),
        ("vllm", 1, running.clone(), ended(137), true),
        ("vllm", 1, running.clone(), ended(0), true),
        ("vllm", 0, ended(0), json!({}), true),
        ("vllm", 2, json!({ "waiting": { "reason": "CrashLoopBackOff" } }), json!({}), true),
        ("vllm", 0, json!({ "waiting": { "reason": "ImagePullBackOff" } }), json!({}), false),
        ("side", 1, running.clone(), ended(0), false),
        ("side", 1, running, ended(2), true),
    ] {
        let container = json!({
            "name": name, "restartCount": restarts, "state": state, "lastState": last, "ready": false, "image": "i", "imageID": "",
        });
        let pod: Pod = serde_json::from_value(json!({ "status": { "containerStatuses": [container] } })).unwrap();
        let seen = rollout_facts(&deployment(&json!({}), &json!({})), &[pod], Some("vllm"), false);
        assert_eq!(seen.new_pod_crashed, crashed, "{name} {state} {last}");
    }
    let init: Pod = serde_json::from_value(json!({ "status": { "initContainerStatuses": [{
        "name": "download", "restartCount": 0, "state": ended(1), "ready": false, "image": "i", "imageID": "",
    }] } }))
    .unwrap();
    assert!(rollout_facts(&deployment(&json!({}), &json!({})), &[init], None, false).new_pod_crashed);
}
