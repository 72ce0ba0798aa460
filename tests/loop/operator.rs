//! The operator that the chart installed, as those see it who look after it.

use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{person::Person, support::Place};

/// Where the chart is installed.
pub(crate) const INSTALLATION: &str = "phaseloop-system";
/// What its Deployment and its Lease are called.
const NAME: &str = "phaseloop";
/// Replicas of the chart.
pub(crate) const REPLICAS: i32 = 2;

fn installation(place: &Place) -> Place {
    Place { client: place.client.clone(), namespace: INSTALLATION.to_owned() }
}

/// Waits until as many replicas are ready as there should be, and no others are left.
async fn until(place: &Place, replicas: i32) {
    let is_whole = |operator: &Deployment| {
        let status = operator.status.clone().unwrap_or_default();
        status.replicas.unwrap_or(0) == replicas && status.ready_replicas.unwrap_or(0) == replicas
    };
    installation(place).until(NAME, "whole", is_whole).await;
}

/// Installs it where an earlier story left none, and waits until it is whole.
pub(crate) async fn installed(place: &Place) {
    let said = Person::install();
    assert_eq!(said.code, 0, "{said:?}");
    until_whole(place).await;
}

/// `helm uninstall`, until all is gone that goes.
pub(crate) fn uninstall() {
    let said = Person::helm(&["uninstall", NAME, "--namespace", INSTALLATION, "--wait", "--timeout", "10m"]);
    assert_eq!(said.code, 0, "{said:?}");
}

/// Waits until all of its replicas are ready.
pub(crate) async fn until_whole(place: &Place) {
    until(place, REPLICAS).await;
}

/// `kubectl scale`, until it is so.
pub(crate) async fn scale(place: &Place, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(place.client.clone(), INSTALLATION);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments.patch_scale(NAME, &PatchParams::default(), &patch).await.unwrap();
    until(place, replicas).await;
}

/// Its pods.
pub(crate) async fn pods(place: &Place) -> Vec<Pod> {
    let of_operator = ListParams::default().labels("app.kubernetes.io/name=phaseloop");
    installation(place).api().list(&of_operator).await.unwrap().items
}

/// The pod that leads.
pub(crate) async fn leader(place: &Place) -> String {
    let is_held = |lease: &Lease| lease.spec.as_ref().is_some_and(|spec| spec.holder_identity.is_some());
    let lease = installation(place).until(NAME, "held", is_held).await;
    lease.spec.unwrap().holder_identity.unwrap()
}
