//! Autoscalers and disruption budgets: what a target's replicas hang on besides itself.

use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler,
    policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::support::*;
use crate::cluster::{CallTimeouts, Cluster};

fn autoscaler(name: &str, spec: &Value) -> HorizontalPodAutoscaler {
    let mut object = json!({
        "metadata": { "name": name },
        "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 3 },
        "status": { "desiredReplicas": 7, "currentMetrics": [] },
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    typed(object)
}

fn budget(name: &str, spec: &Value) -> PodDisruptionBudget {
    typed(json!({ "metadata": { "name": name }, "spec": spec }))
}

#[test]
fn an_autoscaler_gets_its_defaults_and_its_status_is_written_apart_from_its_spec() {
    let world = world();
    run(async {
        let api: Api<HorizontalPodAutoscaler> = Api::default_namespaced(world.client("jane"));
        let spec = json!({ "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } }, "metrics": [] });
        let made = api.create(&PostParams::default(), &autoscaler("web", &spec)).await.unwrap();
        assert_eq!(made.metadata.generation, None, "Kubernetes 1.34 counts no changes of it");
        assert_eq!(made.status.as_ref().unwrap().desired_replicas, 0, "a status is not made with the object");
        let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
        let expected = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "minReplicas": 1, "maxReplicas": 3,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                    "policies": [{ "type": "Pods", "value": 4, "periodSeconds": 15 }, percent],
                },
                "scaleDown": { "stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": [percent] },
            },
        });
        assert_eq!(json!(made.spec), expected);
        let status = json!({ "status": { "currentReplicas": 2, "desiredReplicas": 2 }, "spec": { "maxReplicas": 9 } });
        let told = api.patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        assert_eq!((told.spec.unwrap().max_replicas, told.status.unwrap().current_replicas), (3, Some(2)));
        let changed = Patch::Merge(json!({ "spec": { "maxReplicas": 5 }, "status": { "desiredReplicas": 9 } }));
        let changed = api.patch("web", &PatchParams::default(), &changed).await.unwrap();
        assert_eq!((changed.spec.unwrap().max_replicas, changed.status.unwrap().desired_replicas), (5, 2));
        let refused = refusal(
            api.create(&PostParams::default(), &autoscaler("b", &json!({ "minReplicas": 4, "maxReplicas": 2 }))).await,
        );
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.contains("spec.maxReplicas: Invalid value: 2"), "{}", refused.message);
        let negative = Patch::Merge(json!({ "status": { "desiredReplicas": -1 } }));
        let refused = refusal(api.patch_status("web", &PatchParams::default(), &negative).await);
        assert!(refused.message.contains("status.desiredReplicas"), "{}", refused.message);
    });
}

#[test]
fn a_disruption_budget_counts_changes_of_its_spec_and_begins_with_nothing_allowed() {
    let world = world();
    run(async {
        let api: Api<PodDisruptionBudget> = Api::default_namespaced(world.client("jane"));
        let spec = json!({ "minAvailable": "50%", "selector": { "matchLabels": { "app": "web" } } });
        let mut object = budget("web", &spec);
        object.status = Some(PodDisruptionBudgetStatus { disruptions_allowed: 5, ..Default::default() });
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        let allowed = |budget: &PodDisruptionBudget| budget.status.as_ref().unwrap().disruptions_allowed;
        assert_eq!((made.metadata.generation, allowed(&made)), (Some(1), 0));
        let status = Patch::Merge(json!({ "status": { "disruptionsAllowed": 1 }, "spec": { "minAvailable": 9 } }));
        let told = api.patch_status("web", &PatchParams::default(), &status).await.unwrap();
        assert_eq!((told.metadata.generation, allowed(&told), json!(told.spec)), (Some(1), 1, spec));
        let patch = Patch::Merge(json!({ "spec": { "minAvailable": null, "maxUnavailable": 0 } }));
        let changed = api.patch("web", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!((changed.metadata.generation, allowed(&changed)), (Some(2), 1));
        let both = json!({ "minAvailable": 1, "maxUnavailable": 1 });
        let refused = refusal(api.create(&PostParams::default(), &budget("b", &both)).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.contains("minAvailable and maxUnavailable cannot be both set"), "{}", refused.message);
        let negative = Patch::Merge(json!({ "status": { "disruptionsAllowed": -1 } }));
        let refused = refusal(api.patch_status("web", &PatchParams::default(), &negative).await);
        assert!(refused.message.contains("status.disruptionsAllowed"), "{}", refused.message);
    });
}

#[test]
fn the_operator_lists_and_reads_both_live() {
    let world = world();
    run(async {
        let cluster = Cluster::new(world.client("phaseloop"), CallTimeouts::default());
        let reader = cluster.reader();
        let none = reader.list::<HorizontalPodAutoscaler>(NAMESPACE, "").await.unwrap();
        assert_eq!((none.items, none.malformed), (vec![], Vec::<String>::new()));
        let autoscalers: Api<HorizontalPodAutoscaler> = Api::default_namespaced(world.client("jane"));
        let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(world.client("jane"));
        for name in ["a", "b"] {
            autoscalers.create(&PostParams::default(), &autoscaler(name, &json!({}))).await.unwrap();
            budgets.create(&PostParams::default(), &budget(name, &json!({ "maxUnavailable": 0 }))).await.unwrap();
        }
        let listed = reader.list::<HorizontalPodAutoscaler>(NAMESPACE, "").await.unwrap();
        let scaled: Vec<_> =
            listed.items.iter().map(|one| one.spec.as_ref().unwrap().scale_target_ref.name.clone()).collect();
        assert_eq!((scaled, listed.malformed), (vec!["web".to_owned(); 2], Vec::new()));
        let allowed = async || {
            let listed = reader.list::<PodDisruptionBudget>(NAMESPACE, "").await.unwrap();
            listed.items.iter().map(|one| one.status.as_ref().unwrap().disruptions_allowed).collect::<Vec<_>>()
        };
        assert_eq!(allowed().await, [0, 0]);
        let status = Patch::Merge(json!({ "status": { "disruptionsAllowed": 1 } }));
        budgets.patch_status("b", &PatchParams::default(), &status).await.unwrap();
        assert_eq!(allowed().await, [0, 1], "what was read before is not what is read now");
        let one = reader.get::<PodDisruptionBudget>(NAMESPACE, "b").await.unwrap().unwrap();
        assert_eq!(one.status.unwrap().disruptions_allowed, 1);
        assert_eq!(reader.get::<HorizontalPodAutoscaler>(NAMESPACE, "c").await.unwrap(), None);
    });
}
