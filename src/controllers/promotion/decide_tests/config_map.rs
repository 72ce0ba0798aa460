//! A value that lies in a key of a ConfigMap: two objects, one after the other, in and back.

use kube::ResourceExt;
use phaseloop_core::{
    plan::{FieldAddress, FieldValue, OwnedField},
    value::{ParameterName, TargetReference},
};
use serde_json::{Value, json};

use super::world::{Answer, World, deployment};
use crate::{
    api::promotion::status::PromotionPhase,
    cluster::ClusterErrorKind,
    controllers::{
        ObservedPolicy, ObservedTarget,
        tuning_canary::fixture::{canary, changed, done},
    },
    delivery::config_map::split_fields,
};

const ADDRESS: &str = "configMaps[engine].data[share]";

/// A Deployment that reads its share of memory from a ConfigMap that holds another key besides.
fn target() -> Value {
    let mut target = deployment();
    target["spec"]["template"]["spec"]["containers"][0]["args"] =
        json!(["m", "--gpu-memory-utilization=$(GPU_SHARE)", "--max-num-seqs", "32"]);
    target["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{ "name": "GPU_SHARE", "valueFrom": { "configMapKeyRef": { "name": "engine", "key": "share" } } }]);
    target
}

fn config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "engine", "namespace": "chat", "uid": "uid-engine", "resourceVersion": "70" },
        "data": { "share": "0.92\n", "other": "as it was" },
    })
}

/// The promotion of 0.75 instead of 0.92 in the ConfigMap, as its Escalation makes it.
fn ready() -> World {
    let mut world = World::automatic();
    world.change_target(|before| before["spec"] = target()["spec"].clone());
    world.roll_out();
    let observed: ObservedTarget = world.around.target.clone().unwrap();
    world.around.config_map = serde_json::from_value(config_map()).unwrap();
    let map = world.around.config_map.clone().unwrap();
    let field = OwnedField {
        address: FieldAddress::new(ADDRESS),
        parameter: ParameterName::new("gpu-memory-utilization"),
        before: FieldValue::present("0.92"),
        promoted: FieldValue::present("0.75"),
    };
    let (_, terms) = split_fields(vec![field], &observed.template(), &[("engine".to_owned(), map)].into()).unwrap();
    let terms = terms.unwrap();
    let winner = canary(1, &json!({ "gpu-memory-utilization": "0.75" }));
    world.around.canary = Some(changed(&done(&winner, |_| ()), |canary| {
        canary["spec"]["templateHash"] = json!(observed.template_hash());
    }));
    world.spec(|spec| {
        spec["canaryName"] = json!(winner.name_any());
        spec["templateHash"] = json!(observed.template_hash());
        spec["previous"][0]["address"] = json!(ADDRESS);
        spec["configMap"] = json!({ "name": "engine", "hash": terms.promoted_hash() });
    });
    let policy = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nbindings:\n  \
                  - parameter: gpu-memory-utilization\n    binding: {configMapKey: {name: engine, key: share}}\n";
    let policy = crate::administrator::read_policy("phaseloop-policy", policy).unwrap();
    world.around.policy = ObservedPolicy::Valid(Box::new(policy));
    world
}

fn applied() -> World {
    let mut world = ready();
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"), "{}", world.message());
    world
}

fn hash(world: &World) -> Value {
    world.target()["spec"]["template"]["metadata"]["annotations"]["phaseloop.dev/configuration-hash"].clone()
}

fn is_as_before(world: &World) {
    let (map, target) = (world.config_map(), world.target());
    assert_eq!(map["data"], config_map()["data"], "byte for byte");
    assert_eq!(map["metadata"]["annotations"]["phaseloop.dev/promotion"], Value::Null);
    assert_eq!(hash(world), Value::Null);
    assert_eq!(world.mark(), None);
    assert_eq!(target["spec"]["template"]["spec"], self::target()["spec"]["template"]["spec"]);
}

#[test]
fn the_value_goes_into_the_config_map_and_the_target_rolls_out_by_its_hash() {
    let world = applied();
    let expected = json!({ "share": "0.75\n", "other": "as it was" });
    assert_eq!(world.config_map()["data"], expected, "what surrounds the value, and another key, stay");
    assert_eq!(world.config_map()["metadata"]["annotations"], json!({ "phaseloop.dev/promotion": "uid-x" }));
    assert_eq!(hash(&world), json!(world.object.spec.config_map.as_ref().unwrap().hash));
    assert_eq!(world.mark().as_deref(), Some("uid-x"));
    assert_eq!(world.written.len(), 2);
    assert!(world.written[0].starts_with("engine:"), "{:?}", world.written);
}

#[test]
fn what_was_promoted_is_taken_back_byte_for_byte_from_both() {
    let mut world = applied();
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "DecisionRejected"));
    assert_eq!(
        world.message(),
        "ConfigMap/engine and Deployment/llama are as they were before: A person decided Rejected."
    );
    is_as_before(&world);
    assert!(world.written[2].starts_with("engine:"), "the ConfigMap goes back first: {:?}", world.written);
}

#[test]
fn a_run_on_the_promoted_template_validates_it() {
    let mut world = applied();
    world.pass(120);
    world.roll_out();
    world.settle();
    world.run("later", ("2026-03-05T02:00:00Z", "2026-03-05T03:00:00Z"), "Healthy", |_| ());
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Validated);
    assert_eq!(world.config_map()["data"]["share"], "0.75\n");
}

#[test]
fn an_operator_that_dies_after_any_write_leaves_what_the_next_one_finishes() {
    let unanswered = [Answer::Given, Answer::Unanswered, Answer::Lost];
    for answer in unanswered {
        for writes in 0..6 {
            let mut world = ready();
            world.settle_status();
            world.answer = answer;
            for _ in 0..=writes {
                let _ = world.look_up_to(writes);
            }
            world.answer = Answer::Given;
            world.pass(11);
            world.settle();
            assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"), "{answer:?} {writes}");
            assert_eq!(world.config_map()["data"]["share"], "0.75\n");
        }
    }
}

type Change = fn(&mut World);

#[test]
fn what_forbids_writing_to_the_config_map_holds_the_promotion_with_its_reason() {
    let rows: [(Change, &str, &str); 4] = [
        (
            |world| world.change_config_map(|map| map["immutable"] = json!(true)),
            "ConfigMapImmutable",
            "ConfigMap/engine is immutable",
        ),
        (
            |world| {
                let reference = |kind: &str| TargetReference {
                    api_version: "apps/v1".into(),
                    kind: kind.into(),
                    name: "other".into(),
                };
                world.around.config_map_users = vec![reference("StatefulSet")];
            },
            "ConfigMapShared",
            "StatefulSet/other refers to ConfigMap/engine too",
        ),
        (
            |world| {
                let label = |map: &mut Value| map["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
                world.change_config_map(label);
            },
            "ConfigMapManaged",
            "Helm manages ConfigMap/engine",
        ),
        (
            |world| world.around.policy = ObservedPolicy::Absent,
            "FieldNotAllowed",
            "only the flag --gpu-memory-utilization is free to use",
        ),
    ];
    for (change, reason, message) in rows {
        let mut world = ready();
        change(&mut world);
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::Staged, reason));
        assert!(world.message().contains(message), "{}", world.message());
        assert_eq!(world.written.len(), 0);
    }
}

#[test]
fn a_target_that_does_not_read_the_config_map_gets_nothing_through_it() {
    let mut world = ready();
    world.change_target(|target| {
        target["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{ "name": "GPU_SHARE", "value": "0.92" }]);
    });
    world.roll_out();
    let hash = world.around.target.as_ref().unwrap().template_hash();
    world.spec(|spec| spec["templateHash"] = json!(hash));
    let winner = world.around.canary.clone().unwrap();
    world.around.canary = Some(changed(&winner, |canary| canary["spec"]["templateHash"] = json!(hash)));
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Staged, "ConfigMapNotUsed"));
}

#[test]
fn another_key_that_changed_supersedes_before_and_lets_nothing_validate_after() {
    let other: Change = |world| world.change_config_map(|map| map["data"]["other"] = json!("changed"));
    let mut world = ready();
    other(&mut world);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Superseded, "ConfigurationChanged"));
    let mut world = applied();
    world.pass(120);
    world.roll_out();
    other(&mut world);
    world.settle();
    world.run("later", ("2026-03-05T02:00:00Z", "2026-03-05T03:00:00Z"), "Healthy", |_| ());
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applied, "TemplateChangedAfterApply"));
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::RolledBack);
    let expected = json!({ "share": "0.92\n", "other": "changed" });
    assert_eq!(world.config_map()["data"], expected, "what somebody else wrote stays");
}

#[test]
fn a_value_that_somebody_else_changed_is_left_to_them() {
    let mut world = applied();
    world.change_config_map(|map| map["data"]["share"] = json!("0.5"));
    let written = world.written.len();
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Conflict, "ValueOverwritten"));
    assert_eq!((world.written.len(), world.config_map()["data"]["share"].as_str()), (written, Some("0.5")));
}

#[test]
fn a_deletion_between_the_writes_takes_the_value_out_and_touches_no_target() {
    let mut world = ready();
    world.settle_status();
    world.look();
    assert_eq!(world.config_map()["data"]["share"], "0.75\n");
    assert_eq!(world.mark(), None);
    world.delete();
    world.settle();
    assert!(world.is_gone);
    is_as_before(&world);
    assert_eq!(world.written.len(), 2, "{:?}", world.written);
}

#[test]
fn a_config_map_that_may_not_be_patched_is_told_and_tried_again() {
    let mut world = ready();
    world.answer = Answer::Refused(ClusterErrorKind::Forbidden);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "PatchRefused"));
    assert!(world.message().contains("ConfigMap chat/engine"), "{}", world.message());
    world.answer = Answer::Given;
    world.pass(60);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"));
}
