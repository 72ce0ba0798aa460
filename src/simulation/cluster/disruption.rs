//! The controller of disruption budgets: how many pods may go by somebody's wish.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::Pod,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
    },
    apimachinery::pkg::{
        apis::meta::v1::{Condition, Time},
        util::intstr::IntOrString,
    },
};
use serde_json::json;

use super::{
    owned::{controller_of, is_controlled_by, key_of, ready_since, uid_of},
    rolling::resolved,
    view::{ClusterView, of_namespace},
    write::{ClusterWrite, DISRUPTION_BUDGET},
};
use crate::simulation::api_server::selects;

/// The name under which the controller acts.
const USER: &str = "system:serviceaccount:kube-system:disruption-controller";

/// What follows for every disruption budget of a namespace. Time alone changes nothing of it.
pub(super) fn step(view: &ClusterView, namespace: &str, now: Timestamp) -> (Vec<ClusterWrite>, Option<Timestamp>) {
    let mut writes = Vec::new();
    for budget in of_namespace(&view.budgets, namespace).filter(|one| one.metadata.deletion_timestamp.is_none()) {
        let status = status_of(view, budget, now);
        if budget.status.as_ref() != Some(&status) {
            writes.push(ClusterWrite::status(USER, DISRUPTION_BUDGET, key_of(&budget.metadata), &json!(status)));
        }
    }
    (writes, None)
}

fn status_of(view: &ClusterView, budget: &PodDisruptionBudget, now: Timestamp) -> PodDisruptionBudgetStatus {
    let pods = pods_of(view, budget);
    let healthy =
        count(pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && ready_since(pod).is_some()));
    let (expected, desired) = expectation(view, budget, &pods);
    // A budget that means no pod yet allows nothing, so that its first pods are safe.
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let generation = budget.metadata.generation;
    PodDisruptionBudgetStatus {
        current_healthy: healthy,
        desired_healthy: desired,
        expected_pods: expected,
        disruptions_allowed: allowed,
        observed_generation: generation,
        conditions: Some(vec![condition(budget, allowed > 0, generation, now)]),
        disrupted_pods: budget.status.as_ref().and_then(|status| status.disrupted_pods.clone()),
    }
}

fn pods_of<'a>(view: &'a ClusterView, budget: &'a PodDisruptionBudget) -> Vec<&'a Pod> {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let Some(selector) = selector.map(|selector| json!(selector)) else { return Vec::new() };
    let pods = of_namespace(&view.pods, key_of(&budget.metadata).0);
    let labelled = |pod: &Pod| json!({ "metadata": { "labels": pod.metadata.labels } });
    pods.filter(|pod| selects(&selector, &labelled(pod))).collect()
}

/// How many pods there are to be, and how many of them healthy.
fn expectation(view: &ClusterView, budget: &PodDisruptionBudget, pods: &[&Pod]) -> (i32, i32) {
    let Some(spec) = &budget.spec else { return (0, 0) };
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(unavailable), _) => {
            let expected = scale_of(view, pods);
            (expected, (expected - resolved(unavailable, expected, true)).max(0))
        }
        (None, Some(IntOrString::Int(available))) => (count(pods.iter()), *available),
        (None, Some(share)) => {
            let expected = scale_of(view, pods);
            (expected, resolved(share, expected, true))
        }
        (None, None) => (0, 0),
    }
}

/// How many pods those want that control these: deployments, other replica sets and stateful sets.
fn scale_of(view: &ClusterView, pods: &[&Pod]) -> i32 {
    let Some(namespace) = pods.first().map(|pod| key_of(&pod.metadata).0) else { return 0 };
    let owns = |uid: &str| pods.iter().any(|pod| is_controlled_by(&pod.metadata, uid));
    let owner = |set: &&ReplicaSet| {
        let own = controller_of(&set.metadata)?;
        of_namespace(&view.deployments, namespace).find(|deployment| uid_of(&deployment.metadata) == own.uid)
    };
    let sets: Vec<&ReplicaSet> =
        of_namespace(&view.replica_sets, namespace).filter(|set| owns(uid_of(&set.metadata))).collect();
    // Two sets of one deployment, as in a rollout, are one wish.
    let deployments: BTreeMap<&str, &Deployment> =
        sets.iter().filter_map(owner).map(|deployment| (uid_of(&deployment.metadata), deployment)).collect();
    let of_deployments = deployments.values().map(|one| one.spec.as_ref().and_then(|spec| spec.replicas));
    let bare = sets.iter().filter(|set| owner(set).is_none());
    let of_sets = bare.map(|one| one.spec.as_ref().and_then(|spec| spec.replicas));
    let stateful = of_namespace(&view.stateful_sets, namespace).filter(|set| owns(uid_of(&set.metadata)));
    let of_stateful = stateful.map(|one| one.spec.as_ref().and_then(|spec| spec.replicas));
    of_deployments.chain(of_sets).chain(of_stateful).map(|replicas| replicas.unwrap_or(1)).sum()
}

fn condition(budget: &PodDisruptionBudget, allowed: bool, generation: Option<i64>, now: Timestamp) -> Condition {
    let (status, reason) = if allowed { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let conditions = budget.status.as_ref().and_then(|status| status.conditions.as_ref());
    let before = conditions.into_iter().flatten().find(|one| one.type_ == "DisruptionAllowed" && one.status == status);
    Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |one| one.last_transition_time.clone()),
    }
}

fn count<'a>(pods: impl Iterator<Item = &'a &'a Pod>) -> i32 {
    i32::try_from(pods.count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NAMESPACE: &str = "chat";

    fn key(name: &str) -> (String, String) {
        (NAMESPACE.to_owned(), name.to_owned())
    }

    fn typed<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }

    fn owned_by(uid: &str) -> Value {
        json!([{ "apiVersion": "apps/v1", "kind": "X", "name": uid, "uid": uid, "controller": true }])
    }

    /// A deployment of so many replicas with one pod for each letter: `r` is ready, `n` is not, `g` is ready and going.
    fn view(replicas: i32, pods: &str) -> ClusterView {
        let mut view = ClusterView::default();
        let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [] } });
        let spec = json!({ "replicas": replicas, "selector": {}, "template": template });
        let meta = |name: &str, owner: Value| json!({ "namespace": NAMESPACE, "name": name, "uid": name, "ownerReferences": owner });
        view.deployments.insert(key("web"), typed(json!({ "metadata": meta("web", Value::Null), "spec": spec })));
        // While a rollout goes on a deployment has two replica sets with pods.
        for set in ["web-1", "web-2"] {
            let object = json!({ "metadata": meta(set, owned_by("web")), "spec": spec });
            view.replica_sets.insert(key(set), typed(object));
        }
        for (index, kind) in pods.chars().enumerate() {
            let mut metadata = meta(&format!("pod-{index}"), owned_by(if index % 2 == 0 { "web-1" } else { "web-2" }));
            metadata["labels"] = json!({ "app": "web" });
            if kind == 'g' {
                metadata["deletionTimestamp"] = json!("2026-03-04T01:00:00Z");
            }
            let ready = if kind == 'n' { "False" } else { "True" };
            let status = json!({ "conditions": [{ "type": "Ready", "status": ready }] });
            view.pods.insert(key(&format!("pod-{index}")), typed(json!({ "metadata": metadata, "status": status })));
        }
        view
    }

    fn figures(view: &ClusterView, spec: &Value) -> (i32, i32, i32, i32) {
        let mut spec = spec.clone();
        spec["selector"] = json!({ "matchLabels": { "app": "web" } });
        let budget = json!({ "metadata": { "namespace": NAMESPACE, "name": "web", "generation": 3 }, "spec": spec });
        let status = status_of(view, &typed(budget), Timestamp::UNIX_EPOCH);
        assert_eq!(status.observed_generation, Some(3));
        let told = status.conditions.as_ref().unwrap()[0].status == "True";
        assert_eq!(told, status.disruptions_allowed > 0);
        (status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed)
    }

    #[test]
    fn a_budget_allows_what_is_healthy_beyond_what_must_be() {
        for (pods, spec, expected) in [
            ("rr", json!({ "maxUnavailable": 1 }), (2, 1, 2, 1)),
            ("rr", json!({ "maxUnavailable": 0 }), (2, 2, 2, 0)),
            ("rn", json!({ "maxUnavailable": 1 }), (2, 1, 1, 0)),
            ("rg", json!({ "maxUnavailable": 1 }), (2, 1, 1, 0)),
            ("rr", json!({ "maxUnavailable": "25%" }), (2, 1, 2, 1)),
            ("rr", json!({ "minAvailable": 1 }), (2, 1, 2, 1)),
            ("r", json!({ "minAvailable": 1 }), (1, 1, 1, 0)),
            ("rr", json!({ "minAvailable": "51%" }), (2, 2, 2, 0)),
            ("rr", json!({ "minAvailable": "50%" }), (2, 1, 2, 1)),
            ("rr", json!({}), (0, 0, 2, 0)),
            ("", json!({ "minAvailable": 0 }), (0, 0, 0, 0)),
        ] {
            assert_eq!(figures(&view(2, pods), &spec), expected, "{pods} {spec}");
        }
    }

    #[test]
    fn a_replica_that_was_scaled_away_is_not_expected() {
        assert_eq!(figures(&view(1, "rg"), &json!({ "maxUnavailable": 1 })), (1, 0, 1, 1));
    }

    #[test]
    fn a_budget_without_a_selector_means_no_pod_and_an_empty_one_means_all() {
        let pods = |selector: Value| {
            let spec = json!({ "minAvailable": 1, "selector": selector });
            let budget = json!({ "metadata": { "namespace": NAMESPACE, "name": "web" }, "spec": spec });
            status_of(&view(2, "rr"), &typed(budget), Timestamp::UNIX_EPOCH).expected_pods
        };
        assert_eq!((pods(Value::Null), pods(json!({})), pods(json!({ "matchLabels": { "app": "x" } }))), (0, 2, 0));
    }

    #[test]
    fn a_status_that_says_nothing_new_is_not_written() {
        let mut view = view(2, "rr");
        let spec = json!({ "maxUnavailable": 1, "selector": {} });
        let mut budget: PodDisruptionBudget =
            typed(json!({ "metadata": { "namespace": NAMESPACE, "name": "web" }, "spec": spec }));
        view.budgets.insert(key("web"), budget.clone());
        assert_eq!(step(&view, NAMESPACE, Timestamp::UNIX_EPOCH).0.len(), 1);
        budget.status = Some(status_of(&view, &budget, Timestamp::UNIX_EPOCH));
        view.budgets.insert(key("web"), budget);
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(step(&view, NAMESPACE, later).0, [], "not even a later time");
    }
}
