//! Creating, reading, changing and deleting objects.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::support::{config_map, deployment, refusal, run, typed, world};

#[test]
fn an_object_is_made_read_replaced_and_deleted() {
    let world = world();
    run(async {
        let api = world.config_maps();
        let made = api.create(&PostParams::default(), &config_map("a", &json!({ "k": "1" }))).await.unwrap();
        let metadata = &made.metadata;
        assert_eq!(metadata.creation_timestamp.as_ref().unwrap().0.to_string(), "2026-03-04T01:00:00Z");
        assert_eq!(metadata.uid.as_ref().unwrap().len(), 36);
        assert_eq!(metadata.generation, None);
        let mut read = api.get("a").await.unwrap();
        assert_eq!(read, made);
        read.data.as_mut().unwrap().insert("k".to_owned(), "2".to_owned());
        let replaced = api.replace("a", &PostParams::default(), &read).await.unwrap();
        assert_eq!(replaced.data.as_ref().unwrap()["k"], "2");
        let stale = refusal(api.replace("a", &PostParams::default(), &read).await);
        assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
        assert_eq!(
            stale.message,
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
        );
        let deleted = api.delete("a", &DeleteParams::default()).await.unwrap();
        assert_eq!(deleted.right().unwrap().details.unwrap().uid, metadata.uid.clone().unwrap());
        let missing = refusal(api.get("a").await);
        assert_eq!((missing.code, missing.message.as_str()), (404, "configmaps \"a\" not found"));
    });
}

#[test]
fn a_name_is_taken_once() {
    let world = world();
    run(async {
        let api = world.config_maps();
        api.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
        let again = refusal(api.create(&PostParams::default(), &config_map("a", &json!({}))).await);
        assert_eq!((again.code, again.reason.as_str()), (409, "AlreadyExists"));
        assert_eq!(again.message, "configmaps \"a\" already exists");
        let nowhere: Api<ConfigMap> = Api::namespaced(world.client("jane"), "nowhere");
        let missing = refusal(nowhere.create(&PostParams::default(), &config_map("a", &json!({}))).await);
        assert_eq!(missing.message, "namespaces \"nowhere\" not found");
    });
}

#[test]
fn a_network_policy_gets_its_types_and_protocols_and_counts_its_changes() {
    let world = world();
    run(async {
        let api: Api<NetworkPolicy> = Api::namespaced(world.client("jane"), "default");
        let policy = |spec: Value| typed(json!({ "metadata": { "name": "a" }, "spec": spec }));
        let spec = json!({ "podSelector": {}, "egress": [{ "ports": [{ "port": 53 }] }], "ingress": [] });
        let made = api.create(&PostParams::default(), &policy(spec)).await.unwrap();
        let stored = serde_json::to_value(&made.spec).unwrap();
        let expected = json!({
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "egress": [{ "ports": [{ "port": 53, "protocol": "TCP" }] }],
        });
        assert_eq!(stored, expected);
        let patch = Patch::Merge(json!({ "spec": { "egress": null } }));
        let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!((made.metadata.generation, patched.metadata.generation), (Some(1), Some(2)));
        let bad = json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/99" } }] }] });
        let refused = refusal(api.create(&PostParams::default(), &policy(bad)).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(refused.message.contains("spec.egress[0].to[0].ipBlock.cidr"), "{}", refused.message);
    });
}

#[test]
fn a_deployment_gets_its_defaults_and_counts_changes_of_its_spec() {
    let world = world();
    run(async {
        let api: Api<Deployment> = Api::default_namespaced(world.client("jane"));
        let made = api.create(&PostParams::default(), &typed(deployment("web"))).await.unwrap();
        let spec = made.spec.as_ref().unwrap();
        assert_eq!(
            (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds),
            (Some(1), Some(10), Some(600))
        );
        let pod = spec.template.spec.as_ref().unwrap();
        assert_eq!(pod.termination_grace_period_seconds, Some(30));
        assert_eq!(pod.containers[0].image_pull_policy.as_deref(), Some("IfNotPresent"));
        assert_eq!(made.metadata.generation, Some(1));
        let scaled = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
        let changed = api.patch("web", &PatchParams::default(), &scaled).await.unwrap();
        assert_eq!(changed.metadata.generation, Some(2));
        let again = api.patch("web", &PatchParams::default(), &scaled).await.unwrap();
        assert_eq!(again, changed, "a patch that changes nothing writes nothing");
        let status = Patch::Merge(json!({ "status": { "replicas": 3 }, "spec": { "replicas": 7 } }));
        let reported = api.patch_status("web", &PatchParams::default(), &status).await.unwrap();
        assert_eq!(reported.metadata.generation, Some(2));
        assert_eq!(reported.spec.unwrap().replicas, Some(3));
        assert_eq!(reported.status.unwrap().replicas, Some(3));
    });
}

#[test]
fn a_dry_run_answers_and_changes_nothing() {
    let world = world();
    run(async {
        let api = world.config_maps();
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let made = api.create(&dry, &config_map("a", &json!({}))).await.unwrap();
        assert!(made.metadata.uid.is_some() && made.metadata.resource_version.is_none());
        assert_eq!(refusal(api.get("a").await).code, 404);
        let record = world.server.writes().pop().unwrap();
        assert!(record.dry_run && !record.changed());
    });
}

#[test]
fn a_long_list_comes_page_by_page_as_it_was_at_the_first() {
    let world = world();
    run(async {
        let api = world.config_maps();
        for name in ["a", "b", "c", "d", "e"] {
            api.create(&PostParams::default(), &config_map(name, &json!({}))).await.unwrap();
        }
        let first = api.list(&ListParams::default().limit(2)).await.unwrap();
        assert_eq!(first.metadata.remaining_item_count, Some(3));
        api.delete("c", &DeleteParams::default()).await.unwrap();
        api.create(&PostParams::default(), &config_map("cc", &json!({}))).await.unwrap();
        let token = first.metadata.continue_.clone().unwrap();
        let rest = api.list(&ListParams::default().limit(9).continue_token(&token)).await.unwrap();
        let names: Vec<_> = rest.items.iter().map(|item| item.metadata.name.clone().unwrap()).collect();
        assert_eq!(names, ["c", "d", "e"]);
        assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
        world.server.compact(world.server.revision());
        let gone = refusal(api.list(&ListParams::default().limit(9).continue_token(&token)).await);
        assert_eq!((gone.code, gone.reason.as_str()), (410, "Expired"));
    });
}

#[test]
fn a_namespace_goes_when_its_last_finalizer_is_taken_away_and_only_by_that() {
    let world = world();
    run(async {
        let api: Api<Namespace> = Api::all(world.client("jane"));
        let made = typed(json!({ "metadata": { "name": "chat" } }));
        api.create(&PostParams::default(), &made).await.unwrap();
        let going = api.delete("chat", &DeleteParams::default()).await.unwrap().left().unwrap();
        let empty: Namespace = typed(json!({
            "spec": { "finalizers": [] },
            "metadata": { "name": "chat", "resourceVersion": going.metadata.resource_version },
        }));
        let plain = api.replace("chat", &PostParams::default(), &empty).await.unwrap();
        assert_eq!(plain.spec.unwrap().finalizers.unwrap(), ["kubernetes"], "a plain request takes none away");
        api.replace_subresource("finalize", "chat", &PostParams::default(), &empty).await.unwrap();
        assert_eq!(refusal(api.get("chat").await).code, 404);
    });
}

#[test]
fn an_object_of_before_a_change_of_its_definition_is_made_to_fit_it_by_its_next_write() {
    let jane = world().server.actor("jane");
    let versions = |properties: Value| {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
        json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}])
    };
    let text = json!({"type": "string"});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": versions(json!({"kept": text, "dropped": text})),
        },
    });
    jane.create(&definition).unwrap();
    let spec = json!({"kept": "a", "dropped": "c"});
    let metadata = json!({"name": "thing", "namespace": "default"});
    jane.create(&json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": metadata, "spec": spec})).unwrap();

    let added = json!({"type": "integer", "default": 3});
    let changed = json!({"spec": {"versions": versions(json!({"kept": text, "added": added}))}});
    let definitions = ("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    jane.merge(definitions, "", "things.example.com", "", changed).unwrap();
    let things = ("example.com/v1", "Thing");
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    let written = jane.merge(things, "default", "thing", "", labelled).unwrap();
    assert_eq!(written.value["spec"], json!({"kept": "a", "added": 3}), "though nobody touched it");
}
