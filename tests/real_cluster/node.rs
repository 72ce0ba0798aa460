//! The node, and what it offers.

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kube::Api;
use serde_json::json;

use crate::support::{GPU, NODE, Place, SHELL, cluster, message, phase};

#[tokio::test]
async fn the_node_is_ready_and_offers_gpus() {
    let Some(client) = cluster().await else { return };
    let nodes: Api<Node> = Api::all(client);
    let node = nodes.get(NODE).await.expect("this API server has the node of a cluster");
    let status = node.status.unwrap();
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready").unwrap();
    assert_eq!(ready.status, "True", "{ready:?}");
    let gpus: u32 = status.allocatable.unwrap()[GPU].0.parse().unwrap();
    assert!(gpus >= 2, "{gpus} GPUs");
    assert!(node.metadata.labels.unwrap().contains_key("nvidia.com/gpu.product"));
    let info = status.node_info.unwrap();
    assert!(info.container_runtime_version.starts_with("containerd://"), "{info:?}");
}

#[tokio::test]
async fn a_pod_that_asks_for_more_gpus_than_there_are_waits() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "too-many-gpus").await;
    let pod = json!({
        "metadata": {"name": "greedy"},
        "spec": {"containers": [{"name": "shell", "image": SHELL, "resources": {"limits": {GPU: "1000"}}}]},
    });
    place.create::<Pod>(pod).await;
    let unschedulable = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.filter(|condition| condition.type_ == "PodScheduled").any(|condition| {
            condition.status == "False"
                && condition.reason.as_deref() == Some("Unschedulable")
                && condition.message.as_ref().is_some_and(|message| message.contains("Insufficient nvidia.com/gpu"))
        })
    };
    let pod = place.until("greedy", "unschedulable", unschedulable).await;
    assert_eq!(phase(&pod), "Pending");
    place.leave().await;
}

#[tokio::test]
async fn a_claim_gets_a_volume_that_keeps_what_a_pod_wrote() {
    let Some(client) = cluster().await else { return };
    let place = Place::new(client, "claim").await;
    let claim = json!({
        "metadata": {"name": "disk"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    place.create::<PersistentVolumeClaim>(claim).await;
    for (name, script) in [("writer", "echo kept > /disk/file"), ("reader", "cat /disk/file > /dev/termination-log")] {
        let pod = json!({
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "shell", "image": SHELL, "command": ["sh", "-c", script],
                    "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
                }],
                "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
            },
        });
        place.create::<Pod>(pod).await;
        let pod = place.until_ended(name).await;
        assert_eq!(phase(&pod), "Succeeded", "{:?}", pod.status);
        if name == "reader" {
            assert_eq!(message(&pod, "shell"), "kept\n");
        }
    }
    place.leave().await;
}
