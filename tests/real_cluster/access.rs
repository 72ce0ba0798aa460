//! What a pod reaches: the API by its ClusterIP and with its own token, and other pods by a Service.

use std::fs;

use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod, Service, ServiceAccount},
    discovery::v1::EndpointSlice,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, LogParams},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{DEADLINE, PAUSE, Place, audit_log, cluster, message, phase, shell_pod};

/// Asks the API server for a ConfigMap of its namespace, as a program in a pod would; ends with the answer's status line.
const ASK: &str = r#"
account=/var/run/secrets/kubernetes.io/serviceaccount
wget -S -q -O answer --header "Authorization: Bearer $(cat $account/token)" \
  "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat $account/namespace)/configmaps/shared" \
  2>headers
cat headers >&2
grep -m 1 -o 'HTTP/1.1 [0-9]*' headers > /dev/termination-log
grep -o 'said-by-a-test' answer >> /dev/termination-log
"#;

async fn ask_as(place: &Place, account: &str) -> String {
    let mut pod = shell_pod(account, ASK);
    pod["spec"]["serviceAccountName"] = json!(account);
    place.create::<Pod>(pod).await;
    message(&place.until_ended(account).await, "shell").to_owned()
}

#[tokio::test]
async fn a_pod_reads_by_the_cluster_ip_what_its_service_account_may_and_nothing_else() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "account").await;
    place.create::<ConfigMap>(json!({"metadata": {"name": "shared"}, "data": {"text": "said-by-a-test"}})).await;
    for account in ["reader", "stranger"] {
        place.create::<ServiceAccount>(json!({"metadata": {"name": account}})).await;
    }
    let rules: Value = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    place.create::<Role>(json!({"metadata": {"name": "reader"}, "rules": rules})).await;
    let binding = json!({
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": place.namespace}],
    });
    place.create::<RoleBinding>(binding).await;
    assert_eq!(ask_as(&place, "reader").await, "HTTP/1.1 200\nsaid-by-a-test\n");
    assert_eq!(ask_as(&place, "stranger").await, "HTTP/1.1 403\n");
    place.leave().await;
}

#[tokio::test]
async fn the_audit_log_tells_who_asked_for_what_and_how_it_was_answered() {
    let Some(client) = cluster().await else { return };
    let log = audit_log();
    let place = Place::new(client, "audit").await;
    assert!(place.api::<ConfigMap>().get_opt("nobody-made-it").await.unwrap().is_none());
    let path = format!("/api/v1/namespaces/{}/configmaps/nobody-made-it", place.namespace);
    let told = async {
        loop {
            let text = fs::read_to_string(&log).unwrap();
            // The last line may be on its way.
            let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(event) = events.find(|event| event["requestURI"] == path.as_str()) {
                return event;
            }
            sleep(PAUSE).await;
        }
    };
    let event = timeout(DEADLINE, told).await.expect("the request is in the audit log");
    assert_eq!((&event["verb"], &event["responseStatus"]["code"]), (&json!("get"), &json!(404)));
    assert_eq!(event["user"]["username"], "administrator");
    place.leave().await;
}

#[tokio::test]
async fn a_service_leads_to_its_pod() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "service").await;
    let server = "mkdir www; echo served > www/index.html; exec httpd -f -p 8080 -h www";
    place.create::<Pod>(shell_pod("server", server)).await;
    let service = json!({
        "metadata": {"name": "server"},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    let service: Service = place.create(service).await;
    let address = service.spec.unwrap().cluster_ip.unwrap();
    timeout(DEADLINE, has_endpoint(&place)).await.expect("the Service has an endpoint");
    // The rules follow the endpoint a moment later. (The time limit of Debian's static wget itself ends in a crash.)
    let client = format!("until timeout 5 wget -q -O /dev/termination-log http://{address}/; do sleep 0.2; done");
    place.create::<Pod>(shell_pod("client", &client)).await;
    let pod = place.until_ended("client").await;
    assert_eq!(message(&pod, "shell"), "served\n");
    place.leave().await;
}

async fn has_endpoint(place: &Place) {
    let slices: Api<EndpointSlice> = place.api();
    let of_server = ListParams::default().labels("kubernetes.io/service-name=server");
    loop {
        let found = slices.list(&of_server).await.unwrap();
        let ready = |slice: &EndpointSlice| {
            let mut conditions = slice.endpoints.iter().flat_map(|endpoint| &endpoint.conditions);
            conditions.any(|conditions| conditions.ready == Some(true))
        };
        if found.iter().any(ready) {
            return;
        }
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn the_log_of_a_container_can_be_read() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "log").await;
    let pod: Pod = place.create(shell_pod("speaker", "for n in 1 2 3; do echo line $n; done")).await;
    let ended = place.until_ended(&pod.name_any()).await;
    assert_eq!(phase(&ended), "Succeeded");
    let log = place.api::<Pod>().logs("speaker", &LogParams { tail_lines: Some(2), ..LogParams::default() }).await;
    assert_eq!(log.unwrap(), "line 2\nline 3\n");
    place.leave().await;
}
