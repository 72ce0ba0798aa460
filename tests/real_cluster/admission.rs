//! What the API server refuses before it stores it.

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{ConfigMap, Pod, ResourceQuota},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::{DEADLINE, GPU, PAUSE, Place, SHELL, cluster, object, refusal};

#[tokio::test]
async fn an_admission_policy_refuses_what_its_expression_refuses() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client.clone(), "policy").await;
    let name = place.namespace.clone();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
    let policy = json!({
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]},
            ]},
            "validations": [{
                "expression": "object.data.by == request.userInfo.username",
                "messageExpression": "'by must be ' + request.userInfo.username",
            }],
        },
    });
    let binding = json!({
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
        },
    });
    policies.create(&PostParams::default(), &object(policy)).await.unwrap();
    bindings.create(&PostParams::default(), &object(binding)).await.unwrap();

    let config_maps = place.api::<ConfigMap>();
    let by = |name: &str, who: &str| object::<ConfigMap>(json!({"metadata": {"name": name}, "data": {"by": who}}));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let in_force = async {
        while config_maps.create(&dry, &by("other", "somebody-else")).await.is_ok() {
            sleep(PAUSE).await;
        }
    };
    timeout(DEADLINE, in_force).await.expect("the policy comes into force");
    let (code, message) = refusal(config_maps.create(&PostParams::default(), &by("other", "somebody-else")).await);
    assert_eq!(code, 422);
    assert!(message.contains("by must be administrator"), "{message}");
    config_maps.create(&PostParams::default(), &by("own", "administrator")).await.unwrap();

    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
    policies.delete(&name, &DeleteParams::default()).await.unwrap();
    place.leave().await;
}

#[tokio::test]
async fn a_quota_refuses_the_gpu_beyond_it() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "quota").await;
    let hard = json!({format!("requests.{GPU}"): "1"});
    place.create::<ResourceQuota>(json!({"metadata": {"name": "gpus"}, "spec": {"hard": hard}})).await;
    let counted = |quota: &ResourceQuota| quota.status.as_ref().is_some_and(|status| status.hard.is_some());
    place.until("gpus", "counted", counted).await;
    let pod = |name: &str| -> Value {
        json!({
            "metadata": {"name": name},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                "name": "shell", "image": SHELL, "command": ["sleep", "3600"], "resources": {"limits": {GPU: "1"}},
            }]},
        })
    };
    place.create::<Pod>(pod("first")).await;
    let (code, message) = refusal(place.api::<Pod>().create(&PostParams::default(), &object(pod("second"))).await);
    assert_eq!(code, 403);
    assert!(message.contains("exceeded quota: gpus"), "{message}");
    place.leave().await;
}
