//! Pods: what is refused of them, and how they are evicted.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{EvictParams, PostParams},
};
use serde_json::{Value, json};

use super::support::{NAMESPACE, World, refusal, run, typed, world};

/// A pod of one container.
fn pod(spec: &Value) -> Pod {
    let mut whole = json!({ "containers": [{ "name": "a", "image": "i" }] });
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    typed(json!({ "metadata": { "name": "a", "labels": { "app": "a" } }, "spec": whole }))
}

fn pods(world: &World) -> Api<Pod> {
    Api::default_namespaced(world.client("jane"))
}

/// A pod's own volume of this claim.
fn with_volume(template: &Value) -> Pod {
    pod(&json!({
        "containers": [{ "name": "a", "image": "i", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }],
        "volumes": [{ "name": "v", "ephemeral": { "volumeClaimTemplate": template } }],
    }))
}

#[test]
fn a_volume_of_a_pod_s_own_has_the_form_of_a_claim() {
    let world = world();
    run(async {
        let api = pods(&world);
        let refused = |spec: Value| {
            let pod = with_volume(&json!({ "spec": spec }));
            let api = &api;
            async move { refusal(api.create(&PostParams::default(), &pod).await).message }
        };
        let size = json!({ "requests": { "storage": "1Gi" } });
        let place = "spec.volumes[0].ephemeral.volumeClaimTemplate.spec";
        for (spec, told) in [
            (json!({ "resources": size }), format!("{place}.accessModes: Required value")),
            (json!({ "accessModes": ["ReadWriteOnce"] }), format!("{place}.resources[storage]: Required value")),
            (json!({ "accessModes": ["Any"], "resources": size }), format!("{place}.accessModes: Unsupported value")),
        ] {
            let message = refused(spec).await;
            assert!(message.contains(&told), "{message}");
            assert!(message.contains("volumeMounts[0].name: Not found: \"v\""), "{message}");
        }
        let good = json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": size } });
        let made = api.create(&PostParams::default(), &with_volume(&good)).await.unwrap();
        let volume = json!(made.spec.unwrap().volumes.unwrap()[0]);
        assert_eq!(volume["ephemeral"]["volumeClaimTemplate"]["spec"]["volumeMode"], "Filesystem");
    });
}

/// A world with a pod that runs, ready or not, and a budget with so many disruptions left.
fn with_budget(is_ready: bool, left: i64, spec: &Value) -> World {
    let world = world();
    let actor = world.server.actor("jane");
    let mut made = serde_json::to_value(pod(&json!({}))).unwrap();
    made["metadata"]["namespace"] = NAMESPACE.into();
    made["spec"]["nodeName"] = "node".into();
    actor.create(&made).unwrap();
    let ready = json!({ "type": "Ready", "status": if is_ready { "True" } else { "False" } });
    let status = json!({ "status": { "phase": "Running", "conditions": [ready] } });
    actor.merge(("v1", "Pod"), NAMESPACE, "a", "status", status).unwrap();
    let mut whole = json!({ "selector": { "matchLabels": { "app": "a" } }, "minAvailable": 1 });
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": "b", "namespace": NAMESPACE }, "spec": whole,
    });
    actor.create(&budget).unwrap();
    let status = json!({ "status": {
        "observedGeneration": 1, "disruptionsAllowed": left, "currentHealthy": 1, "desiredHealthy": 1,
        "expectedPods": 1,
    } });
    actor.merge(("policy/v1", "PodDisruptionBudget"), NAMESPACE, "b", "status", status).unwrap();
    world
}

#[test]
fn a_budget_without_disruptions_left_keeps_a_pod_that_is_ready() {
    let world = with_budget(true, 0, &json!({}));
    run(async {
        let kept = refusal(pods(&world).evict("a", &EvictParams::default()).await);
        assert_eq!((kept.code, kept.reason.as_str()), (429, "TooManyRequests"));
        let cause = &kept.details.unwrap().causes[0];
        assert_eq!(cause.reason, "DisruptionBudget");
        assert_eq!(cause.message, "The disruption budget b needs 1 healthy pods and has 1 currently");
        assert!(pods(&world).get("a").await.is_ok());
    });
    let elsewhere = with_budget(true, 0, &json!({ "selector": { "matchLabels": { "app": "b" } } }));
    run(async { pods(&elsewhere).evict("a", &EvictParams::default()).await.unwrap() });
}

#[test]
fn an_eviction_spends_a_disruption_and_says_on_the_pod_why_it_goes() {
    let world = with_budget(true, 1, &json!({}));
    run(async {
        pods(&world).evict("a", &EvictParams::default()).await.unwrap();
        let going = pods(&world).get("a").await.unwrap();
        assert!(going.metadata.deletion_timestamp.is_some(), "it has its grace");
        let conditions = going.status.unwrap().conditions.unwrap();
        let told = conditions.iter().find(|condition| condition.type_ == "DisruptionTarget").unwrap();
        assert_eq!(told.reason.as_deref(), Some("EvictionByEvictionAPI"));
        let budget = world.server.actor("jane").get(("policy/v1", "PodDisruptionBudget"), NAMESPACE, "b").unwrap();
        assert_eq!(budget.value["status"]["disruptionsAllowed"], 0);
        assert!(budget.value["status"]["disruptedPods"]["a"].is_string());
    });
}

#[test]
fn a_pod_that_is_not_ready_goes_where_enough_others_are() {
    let world = with_budget(false, 0, &json!({}));
    run(async { pods(&world).evict("a", &EvictParams::default()).await.unwrap() });
}

#[test]
fn an_eviction_for_trial_changes_nothing() {
    let world = with_budget(true, 1, &json!({}));
    run(async {
        let before = world.server.revision();
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        let params = EvictParams { post_options: trial, ..EvictParams::default() };
        pods(&world).evict("a", &params).await.unwrap();
        assert_eq!(world.server.revision(), before);
    });
}
