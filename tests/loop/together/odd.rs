//! Targets as they are found: with downloads, claims, several cards, shells, and values that stand somewhere else.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, PersistentVolumeClaim},
};
use kube::{ResourceExt, api::ListParams};
use phaseloop::api::{PhaseRun, promotion::status::PromotionPhase};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    person::Person,
    story::{
        GOOD, NAME, STARVED, begin_with, confirming_night, ended_run, is_rolled_out, over_commit, phases_of_promotions,
        seed, short_test, told,
    },
    support::{DEADLINE, PAUSE, Place, SHELL},
    target::{FAULTS, STAND_IN},
};

/// The engine's container; its parts can be changed.
fn engine(change: impl FnOnce(&mut Value)) -> Value {
    let mut container = json!({
        "name": "vllm", "image": STAND_IN, "imagePullPolicy": "Never", "command": ["vllm", "serve"], "args": ["tiny"],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 1},
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "envFrom": [{"configMapRef": {"name": FAULTS, "optional": true}}],
    });
    change(&mut container);
    container
}

/// A target of this kind with this pod.
fn target(kind: &str, name: &str, pod: &Value, more: &Value) -> String {
    let mut target = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        target["spec"][field] = value.clone();
    }
    target.to_string()
}

/// What a short run of this target is.
fn short_run(kind: &str, name: &str) -> Value {
    json!({"targetRef": {"kind": kind, "name": name}, "domains": [{"name": "serving", "serving": short_test()}]})
}

/// A run of this target that measured it.
async fn measured(place: &Place, person: &Person<'_>, kind: &str, name: &str) -> PhaseRun {
    let run = ended_run(place, person, name, &short_run(kind, name)).await;
    let status = run.status.as_ref().unwrap();
    assert_eq!(status.reasons, ["BaselineSeeding"], "{}", serde_json::to_string_pretty(status).unwrap());
    let domain = &status.domains[0];
    assert_eq!(domain.valid, Some(true), "{domain:?}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_container_that_downloads_with_a_secret_runs_before_the_engine_that_is_tested() {
    told("download", async |place, person| {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"}, "stringData": {"token": "s3cret"}});
        person.apply(&secret.to_string());
        // Without its token it gets nothing, and without what it got the engine does not start.
        let download = json!({
            "name": "download", "image": SHELL, "imagePullPolicy": "Never",
            "command": ["sh", "-c", "test \"$TOKEN\" = s3cret && echo weights > /models/weights"],
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
            "volumeMounts": [{"name": "models", "mountPath": "/models"}],
        });
        let pod = json!({
            "initContainers": [download],
            "containers": [engine(|container| {
                container["command"] = json!(["sh", "-c", "grep -q weights /models/weights && exec vllm serve tiny"]);
                container.as_object_mut().unwrap().remove("args");
                container["volumeMounts"] = json!([{"name": "models", "mountPath": "/models", "readOnly": true}]);
            })],
            "volumes": [{"name": "models", "emptyDir": {}}],
        });
        person.apply(&target("Deployment", "download", &pod, &json!({})));
        place.until("download", "rolled out", is_rolled_out).await;
        measured(place, person, "Deployment", "download").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_on_two_cards_is_tested_on_two_cards() {
    told("cards", async |place, person| {
        let pod = json!({"containers": [engine(|container| {
            container["args"] = json!(["tiny", "--tensor-parallel-size=2"]);
            container["resources"]["limits"]["nvidia.com/gpu"] = json!("2");
        })]});
        person.apply(&target("Deployment", "cards", &pod, &json!({})));
        place.until("cards", "rolled out", is_rolled_out).await;
        let run = measured(place, person, "Deployment", "cards").await;
        let environment = run.status.unwrap().environment.unwrap();
        assert_eq!(environment.gpu_count, Some(2), "{environment:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_one_node_may_mount_is_mounted_there_beside_production() {
    told("claim", async |place, person| {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "cache"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        });
        person.apply(&claim.to_string());
        let pod = json!({
            "containers": [engine(|container| {
                container["volumeMounts"] = json!([{"name": "cache", "mountPath": "/cache"}]);
            })],
            "volumes": [{"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}}],
        });
        person.apply(&target("Deployment", "claim", &pod, &json!({})));
        place.until("claim", "rolled out", is_rolled_out).await;
        measured(place, person, "Deployment", "claim").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_is_tested_and_one_with_a_claim_for_each_pod_on_a_claim_of_the_test_s_own() {
    told("stateful", async |place, person| {
        let is_up = |set: &StatefulSet| set.status.as_ref().is_some_and(|status| status.ready_replicas == Some(1));
        let plain = json!({"containers": [engine(|_| {})]});
        person.apply(&target("StatefulSet", "plain", &plain, &json!({"serviceName": "plain"})));
        place.until("plain", "up", is_up).await;
        measured(place, person, "StatefulSet", "plain").await;

        // An engine that finds what another has written does not start: the replica's claim is not the test's.
        let pod = json!({"containers": [engine(|container| {
            let first = "test ! -e /cache/used && echo used > /cache/used && exec vllm serve tiny";
            container["command"] = json!(["sh", "-c", first]);
            container.as_object_mut().unwrap().remove("args");
            // What this cluster provides belongs to root.
            container["securityContext"] = json!({"runAsUser": 0});
            container["volumeMounts"] = json!([{"name": "cache", "mountPath": "/cache"}]);
        })]});
        let claims = json!([{
            "metadata": {"name": "cache"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }]);
        let own = json!({"serviceName": "claims", "volumeClaimTemplates": claims});
        person.apply(&target("StatefulSet", "claims", &pod, &own));
        place.until("claims", "up", is_up).await;
        let before = claim_of_replica(place).await;
        measured(place, person, "StatefulSet", "claims").await;
        no_other_claim_is_left(place).await;
        assert_eq!(claim_of_replica(place).await, before, "the replica's claim stays as it was");
    })
    .await;
}

/// The claim of the set's one replica: uid and volume.
async fn claim_of_replica(place: &Place) -> (Option<String>, Option<String>) {
    let claim = place.api::<PersistentVolumeClaim>().get("cache-claims-0").await.unwrap();
    (claim.metadata.uid, claim.spec.and_then(|spec| spec.volume_name))
}

/// Waits until the claim of the test pod has gone with it.
async fn no_other_claim_is_left(place: &Place) {
    let since = Instant::now();
    loop {
        let claims = place.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap();
        let names: Vec<String> = claims.iter().map(ResourceExt::name_any).collect();
        if names == ["cache-claims-0"] {
            return;
        }
        assert!(since.elapsed() < DEADLINE, "there are still the claims {names:?}");
        sleep(PAUSE).await;
    }
}

/// What an administrator permits besides the catalogue's own flags.
fn permit(person: &Person<'_>, binding: &Value) {
    let policy = json!({
        "apiVersion": "policy.phaseloop.dev/v1alpha1", "kind": "AdministratorPolicy",
        "bindings": [{"parameter": "gpu-memory-utilization", "binding": binding}],
    });
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "phaseloop-policy"},
        "data": {"policy.yaml": policy.to_string()},
    });
    person.apply(&map.to_string());
}

/// A target of this engine, whose share of the card is bound somewhere else than in its arguments.
async fn begin_bound(place: &Place, person: &Person<'_>, engine: &Value, binding: Option<&Value>) {
    let mut parameter = json!({"name": "gpu-memory-utilization", "values": [STARVED, GOOD]});
    if let Some(binding) = binding {
        permit(person, binding);
        parameter["binding"] = binding.clone();
    }
    let deployment = target("Deployment", NAME, &json!({"containers": [engine]}), &json!({}));
    begin_with(place, person, &deployment, &json!({"parameters": [parameter]})).await;
}

/// A night of a target whose card is over-committed.
async fn night_of(place: &Place, person: &Person<'_>) -> Deployment {
    over_commit(person);
    assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
    let healed = place.until(NAME, "rolled out", is_rolled_out).await;
    assert_eq!(phases_of_promotions(place).await, [PromotionPhase::Applied]);
    person.look_around();
    healed
}

fn container(target: &Deployment) -> Value {
    let template = target.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap();
    serde_json::to_value(&template.containers[0]).unwrap()
}

/// A command line that takes the share from a variable.
const FROM_VARIABLE: &str = "exec vllm serve tiny --gpu-memory-utilization \"$GPU_SHARE\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_in_a_script_is_tuned_where_it_stands() {
    told("script", async |place, person| {
        let script = |share: &str| format!("exec vllm serve tiny --gpu-memory-utilization {share} --max-num-seqs 64");
        let engine = engine(|container| {
            container["command"] = json!(["sh", "-c", script("0.94")]);
            container.as_object_mut().unwrap().remove("args");
        });
        begin_bound(place, person, &engine, None).await;
        let healed = night_of(place, person).await;
        assert_eq!(container(&healed)["command"], json!(["sh", "-c", script(GOOD)]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_tuned_where_the_administrator_permits_it() {
    told("variable", async |place, person| {
        let engine = engine(|container| {
            container["command"] = json!(["sh", "-c", FROM_VARIABLE]);
            container.as_object_mut().unwrap().remove("args");
            container["env"] = json!([{"name": "GPU_SHARE", "value": "0.94"}]);
        });
        begin_bound(place, person, &engine, Some(&json!({"env": {"name": "GPU_SHARE"}}))).await;
        let healed = night_of(place, person).await;
        assert_eq!(container(&healed)["env"], json!([{"name": "GPU_SHARE", "value": GOOD}]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_a_config_map_is_tuned_there_and_the_pods_start_anew_with_it() {
    told("config-map", async |place, person| {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chat-engine"},
            "data": {"share": "0.94", "greeting": "hello"},
        });
        person.apply(&map.to_string());
        let engine = engine(|container| {
            container["command"] = json!(["sh", "-c", FROM_VARIABLE]);
            container.as_object_mut().unwrap().remove("args");
            let place = json!({"configMapKeyRef": {"name": "chat-engine", "key": "share"}});
            container["env"] = json!([{"name": "GPU_SHARE", "valueFrom": place}]);
        });
        let binding = json!({"configMapKey": {"name": "chat-engine", "key": "share"}});
        begin_bound(place, person, &engine, Some(&binding)).await;
        seed(place, person).await;
        let healed = night_of(place, person).await;
        let map = place.api::<ConfigMap>().get("chat-engine").await.unwrap();
        assert_eq!(json!(map.data), json!({"share": GOOD, "greeting": "hello"}));
        assert_eq!(container(&healed)["env"], engine["env"], "the variable still comes from the key");
        // Only pods that started anew have it: with the old value the engine runs out of memory again.
        confirming_night(place, person).await;
    })
    .await;
}
