use serde_json::{Value, json};

use super::*;
use crate::workload::{
    Refusal, RefusalReason, TemplateFacts, build_test_pod,
    fixture::{canary, facts, settings},
    plan_test_pod,
};

/// A claim template of 100 GiB.
fn claim(name: &str, change: impl FnOnce(&mut Value)) -> PersistentVolumeClaim {
    let mut claim = json!({
        "metadata": {"name": name, "labels": {"app": "llama-8b"}, "annotations": {"example.com/a": "1"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": "100Gi"}},
        },
        "status": {"phase": "Pending"},
    });
    change(&mut claim);
    serde_json::from_value(claim).unwrap()
}

/// A target whose engine mounts `mounted`, with these claims of its own and these volumes besides.
fn target(mounted: &[&str], volumes: &Value, claims: Vec<PersistentVolumeClaim>) -> TemplateFacts {
    let facts = facts(|template| {
        template["spec"]["volumes"] = volumes.clone();
        template["spec"]["containers"][0]["volumeMounts"] =
            mounted.iter().map(|name| json!({"name": name, "mountPath": format!("/{name}")})).collect();
    });
    TemplateFacts { claim_templates: claims, ..facts }
}

/// The volumes of the test pod that are not ours alone, by name.
fn volumes(facts: &TemplateFacts) -> Result<BTreeMap<String, Value>, Refusal> {
    let valid = plan_test_pod(&canary(), facts, None, &settings())?;
    let volumes = build_test_pod(&valid).spec.unwrap().volumes.unwrap_or_default();
    let kept = volumes.into_iter().filter(|volume| !volume.name.starts_with("phaseloop-"));
    Ok(kept.map(|volume| (volume.name.clone(), json!(volume))).collect())
}

#[test]
fn a_volume_that_each_replica_has_is_made_anew_for_the_test_pod() {
    let facts = target(&["cache"], &json!([]), vec![claim("cache", |_| {}), claim("unused", |_| {})]);
    let valid = plan_test_pod(&canary(), &facts, None, &settings()).unwrap();
    assert_eq!(valid.notes(), ["volumes of each replica's own, made anew for the test: cache"]);
    let made = volumes(&facts).unwrap();
    assert_eq!(made.len(), 1, "a volume that nobody mounts is not made: {made:?}");
    let template = &made["cache"]["ephemeral"]["volumeClaimTemplate"];
    assert_eq!(template["spec"], json!(claim("cache", |_| {}).spec));
    let pod = build_test_pod(&valid);
    assert_eq!(template["metadata"], json!({"labels": pod.metadata.labels}), "production's own are not on it");
}

#[test]
fn it_is_filled_and_used_as_that_of_a_new_replica() {
    let whole = claim("cache", |claim| {
        claim["spec"]["volumeMode"] = json!("Block");
        claim["spec"]["dataSource"] =
            json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
        claim["spec"]["selector"] = json!({"matchLabels": {"disk": "nvme"}});
    });
    let made = volumes(&target(&["cache"], &json!([]), vec![whole.clone()])).unwrap();
    assert_eq!(made["cache"]["ephemeral"]["volumeClaimTemplate"]["spec"], json!(whole.spec));
}

#[test]
fn a_class_that_an_annotation_names_is_the_one_that_counts() {
    let older = claim("cache", |claim| {
        claim["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "older"});
    });
    let made = volumes(&target(&["cache"], &json!([]), vec![older])).unwrap();
    assert_eq!(made["cache"]["ephemeral"]["volumeClaimTemplate"]["spec"]["storageClassName"], "older");
}

#[test]
fn a_volume_of_the_templates_own_gives_way_to_a_claim_of_its_name() {
    let others = json!([
        {"name": "cache", "persistentVolumeClaim": {"claimName": "nobody-has-it"}},
        {"name": "models", "emptyDir": {}},
    ]);
    let made = volumes(&target(&["cache", "models"], &others, vec![claim("cache", |_| {})])).unwrap();
    assert!(made["cache"].get("persistentVolumeClaim").is_none(), "{made:?}");
    assert!(made["cache"]["ephemeral"].is_object());
    assert_eq!(made["models"], others[1]);
}

#[test]
fn a_volume_that_the_claim_names_can_be_had_by_one_replica_alone() {
    let named = || claim("cache", |claim| claim["spec"]["volumeName"] = json!("disk-1"));
    let refusal = volumes(&target(&["cache"], &json!([]), vec![named()])).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::VolumeNamed);
    assert!(refusal.message.contains("disk-1"), "{refusal}");
    assert!(volumes(&target(&[], &json!([]), vec![named()])).is_ok(), "the engine does not mount it");
}

#[test]
fn names_that_are_kept_for_ours_are_refused_of_a_claim_as_of_a_volume() {
    let refusal = volumes(&target(&[], &json!([]), vec![claim("phaseloop-program", |_| {})])).unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::NameReserved);
}

#[test]
fn a_template_without_claims_stays_as_it_is() {
    let mut template = facts(|_| {}).template;
    let before = template.clone();
    add_own_claims(&mut template, &[], &BTreeMap::new());
    assert_eq!(template, before);
}
