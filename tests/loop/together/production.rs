//! What serves while others are tested beside it: nothing of it changes.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
    policy::v1::PodDisruptionBudget,
};
use kube::api::ListParams;
use phaseloop::api::{Promotion, TuningCanary};
use serde_json::{Value, json};

use crate::{
    story::{NAME, all, begin, canaries, of_people, over_commit, told, until_a_candidate_is_measured},
    support::Place,
};

/// What a user has around a model server.
fn around() -> Vec<Value> {
    let selector = json!({"app": NAME});
    vec![
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME},
            "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": 8000}]},
        }),
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": NAME},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": selector}},
        }),
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": NAME},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
                "minReplicas": 1, "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
            },
        }),
    ]
}

/// Everything of production that a person would compare: what people wrote, who serves, and behind which addresses.
async fn production(place: &Place) -> BTreeMap<String, Value> {
    let target = place.api::<k8s_openapi::api::apps::v1::Deployment>().get(NAME).await.unwrap();
    let service = place.api::<Service>().get(NAME).await.unwrap();
    let budget = place.api::<PodDisruptionBudget>().get(NAME).await.unwrap();
    let scaler = place.api::<HorizontalPodAutoscaler>().get(NAME).await.unwrap();
    let of_app = ListParams::default().labels(&format!("app={NAME}"));
    let pods = place.api::<Pod>().list(&of_app).await.unwrap().items;
    let pods: Vec<Value> = pods
        .iter()
        .map(|pod| json!({"name": pod.metadata.name, "uid": pod.metadata.uid, "labels": pod.metadata.labels, "spec": pod.spec}))
        .collect();
    let slices = all::<EndpointSlice>(place).await;
    let endpoints: Vec<Value> =
        slices.iter().map(|slice| json!({"of": slice.metadata.name, "are": slice.endpoints})).collect();
    let budget_status = budget.status.unwrap();
    BTreeMap::from([
        ("deployment".to_owned(), of_people(&target)),
        ("service".to_owned(), json!(service.spec)),
        ("budget".to_owned(), json!([budget.spec, budget_status.current_healthy, budget_status.expected_pods])),
        ("scaler".to_owned(), json!(scaler.spec)),
        ("pods".to_owned(), json!(pods)),
        ("endpoints".to_owned(), json!(endpoints)),
    ])
}

fn assert_unchanged(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>, when: &str) {
    for (what, content) in before {
        assert_eq!(now.get(what), Some(content), "{what} changed {when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_production_changes_while_candidates_are_tested_beside_it() {
    told("production", async |place, person| {
        for object in around() {
            person.apply(&object.to_string());
        }
        // The winner is only named.
        let changed = json!({"promotion": {"delivery": "None"}, "canary": {"measure": "20s"}});
        begin(place, person, &changed).await;
        let has_healthy = |budget: &PodDisruptionBudget| {
            budget.status.as_ref().is_some_and(|status| status.current_healthy == 1 && status.expected_pods == 1)
        };
        place.until(NAME, "counting the replica", has_healthy).await;
        let serves = |slices: &[EndpointSlice]| {
            let ready = slices.iter().flat_map(|slice| &slice.endpoints);
            ready.filter(|endpoint| endpoint.conditions.as_ref().is_some_and(|it| it.ready == Some(true))).count() == 1
        };
        assert!(serves(&all::<EndpointSlice>(place).await));
        let before = production(place).await;
        over_commit(person);
        let night = person.begin_night(NAME);
        until_a_candidate_is_measured(place).await;
        assert_unchanged(&before, &production(place).await, "while a candidate is loaded");
        let (code, reason) = person.end(night);
        person.tell(&format!("{code} {reason}"));
        assert_unchanged(&before, &production(place).await, "by a night");
        assert!(canaries(place).await.len() >= 2, "{:?}", all::<TuningCanary>(place).await);
        person.tell(&format!("{} promotions", all::<Promotion>(place).await.len()));
        person.look_around();
    })
    .await;
}
