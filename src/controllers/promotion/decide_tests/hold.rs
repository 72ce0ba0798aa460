//! What keeps a promotion from being applied although somebody agreed: each with its reason, and nothing is written.

use serde_json::{Value, json};

use super::world::World;
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        promotion::status::PromotionPhase,
    },
    controllers::{
        ObservedPolicy, ObservedTarget,
        tuning_canary::fixture::{at, changed},
    },
};

type Change = fn(&mut World);

/// What keeps it, its reason, whether only a person can mend it, and a part of the sentence.
type Row = (Change, &'static str, bool, &'static str);

fn winner(world: &mut World, change: impl FnOnce(&mut Value)) {
    let canary = world.around.canary.as_ref().unwrap();
    world.around.canary = Some(changed(canary, change));
}

fn marked(world: &mut World, place: &str, key: &str, value: &str) {
    world.change_target(|target| target["metadata"][place][key] = json!(value));
}

/// A StatefulSet of the same pods takes the place of the Deployment.
fn stateful(world: &mut World, strategy: &Value) {
    let mut set = world.target();
    set["kind"] = json!("StatefulSet");
    set["spec"].as_object_mut().unwrap().remove("strategy");
    set["spec"]["serviceName"] = json!("llama");
    set["spec"]["updateStrategy"] = strategy.clone();
    world.around.target = Some(ObservedTarget::StatefulSet(serde_json::from_value(set).unwrap()));
    world.spec(|spec| spec["targetRef"]["kind"] = json!("StatefulSet"));
    let reference = |canary: &mut Value| canary["spec"]["targetRef"]["kind"] = json!("StatefulSet");
    winner(world, reference);
}

fn strategy(world: &mut World, strategy: &Value) {
    world.change_target(|target| target["spec"]["strategy"] = strategy.clone());
    world.roll_out();
}

fn field(world: &mut World, change: impl FnOnce(&mut Value)) {
    world.spec(|spec| change(&mut spec["previous"][0]));
}

const ROWS: [Row; 27] = [
    (
        |world| {
            world.spec(|spec| {
                spec["delivery"] = json!("Git");
                spec["git"] = json!({
                    "repository": "https://git.example.com/a", "base": "main", "path": "a.yaml", "secretName": "s",
                });
            });
        },
        "GitNotDelivered",
        true,
        "does not deliver by Git",
    ),
    (
        |world| {
            world.spec(|spec| spec["windows"] = json!([{ "start": "03:00", "end": "07:00", "timeZone": "Mars/Base" }]));
        },
        "SpecInvalid",
        true,
        "spec.windows[0].timeZone",
    ),
    (
        |world| world.around.policy = ObservedPolicy::Invalid("line 3: broken".to_owned()),
        "PolicyUnreadable",
        true,
        "line 3",
    ),
    (
        |world| field(world, |field| field["promoted"] = json!("0.76")),
        "FieldNotAllowed",
        true,
        "0.76 of gpu-memory-utilization is promoted, and 0.75 is its value",
    ),
    (
        |world| {
            field(world, |field| {
                field["address"] = json!("containers[vllm].args[--max-num-seqs]");
                field["value"] = json!("32");
            });
        },
        "FieldNotAllowed",
        true,
        "only the flag --gpu-memory-utilization is free to use",
    ),
    (|world| world.around.canary = None, "EvidenceMissing", true, "no canary is there that passed"),
    (|world| winner(world, |canary| canary["status"]["verdict"] = json!("Failed")), "EvidenceMissing", true, ""),
    (|world| winner(world, |canary| canary["status"]["verdict"] = Value::Null), "EvidenceMissing", true, ""),
    (
        |world| winner(world, |canary| canary["spec"]["parameters"] = json!({ "gpu-memory-utilization": "0.7" })),
        "EvidenceMissing",
        true,
        "",
    ),
    (|world| winner(world, |canary| canary["spec"]["targetUID"] = json!("another")), "EvidenceMissing", true, ""),
    (|world| winner(world, |canary| canary["spec"]["templateHash"] = json!("another")), "EvidenceMissing", true, ""),
    (
        |world| marked(world, "annotations", "argocd.argoproj.io/tracking-id", "x"),
        "TargetManaged",
        true,
        "Argo CD manages the target; use delivery Git, or set allowManaged",
    ),
    (
        |world| marked(world, "labels", "kustomize.toolkit.fluxcd.io/name", "x"),
        "TargetManaged",
        true,
        "Flux manages the target",
    ),
    (
        |world| marked(world, "labels", "app.kubernetes.io/managed-by", "Helm"),
        "TargetManaged",
        true,
        "Helm manages the target",
    ),
    (|world| world.change_target(|target| target["spec"]["paused"] = json!(true)), "RolloutPaused", true, "paused"),
    (|world| stateful(world, &json!({ "type": "OnDelete" })), "RolloutOnDelete", true, ""),
    (
        |world| stateful(world, &json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } })),
        "RolloutPartitioned",
        true,
        "",
    ),
    (
        |world| strategy(world, &json!({ "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } })),
        "RolloutCannotSurge",
        true,
        "allow maxUnavailable 1 or free one",
    ),
    (|world| strategy(world, &json!({ "type": "Recreate" })), "RolloutInterrupts", true, "allowDowntime"),
    (
        |world| {
            world.change_target(|target| target["spec"]["replicas"] = json!(1));
            world.roll_out();
        },
        "RolloutInterrupts",
        true,
        "add replicas",
    ),
    (
        |world| {
            let escalation = world.around.escalation.as_ref().unwrap();
            world.around.escalation = Some(changed(escalation, |object| {
                object["spec"]["suspend"] = json!({ "reason": "incident 4711" });
            }));
        },
        "Suspended",
        true,
        "phaseloop is suspended for this target",
    ),
    (
        |world| marked(world, "annotations", "phaseloop.dev/give-back", "{}"),
        "TargetBorrowed",
        false,
        "not given back yet",
    ),
    (
        |world| world.change_target(|target| target["spec"]["replicas"] = json!(3)),
        "TargetRollingOut",
        false,
        "rolling out another change",
    ),
    (
        |world| world.change_target(|target| target["status"]["updatedReplicas"] = json!(1)),
        "TargetRollingOut",
        false,
        "",
    ),
    (|world| world.change_target(|target| target["status"]["replicas"] = json!(3)), "TargetRollingOut", false, ""),
    (
        |world| world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }])),
        "WindowClosed",
        false,
        "the next one opens at 2026-03-04T10:00:00Z",
    ),
    (|world| world.now = at("2026-03-04T07:00:00Z"), "WindowClosed", false, "opens at 2026-03-05T03:00:00Z"),
];

#[test]
fn each_objection_keeps_it_staged_with_its_reason_and_nothing_is_written() {
    for (change, reason, needs_person, part) in ROWS {
        let mut world = World::automatic();
        change(&mut world);
        let before = world.target();
        world.settle();
        assert_eq!(world.stands(), (PromotionPhase::Staged, reason), "{}", world.message());
        assert!(world.message().contains(part), "{reason}: {}", world.message());
        assert_eq!((world.target(), world.written.len()), (before, 0), "{reason}");
        assert_eq!(world.status().attempt, None, "{reason}");
        assert_eq!(world.condition(&ConditionType::Ready), Some((ConditionStatus::False, reason)));
        let (held, other) = (ConditionType::Stalled, ConditionType::Reconciling);
        let (there, absent) = if needs_person { (held, other) } else { (other, held) };
        assert_eq!(world.condition(&there), Some((ConditionStatus::True, reason)));
        assert_eq!(world.condition(&absent), None, "{reason}");
        assert_eq!(world.condition(&ConditionType::RolledOut), Some((ConditionStatus::False, "NothingApplied")));
        assert_eq!(world.condition(&ConditionType::Validated), Some((ConditionStatus::False, "NothingApplied")));
    }
}

#[test]
fn what_was_lifted_is_no_objection_any_more() {
    for (change, reason, ..) in ROWS.iter().filter(|row| row.1 != "WindowClosed") {
        let mut world = World::automatic();
        change(&mut world);
        world.settle();
        let ready = World::automatic();
        world.spec(|spec| *spec = serde_json::to_value(&ready.object.spec).unwrap());
        world.around = ready.around;
        world.settle();
        assert_eq!(world.phase(), PromotionPhase::Applying, "{reason}");
    }
}

#[test]
fn consent_is_what_it_takes() {
    type Case = (Change, &'static str);
    let cases: [Case; 5] = [
        (|world| marked(world, "annotations", "argocd.argoproj.io/tracking-id", "x"), "allowManaged"),
        (|world| marked(world, "labels", "helm.toolkit.fluxcd.io/name", "x"), "allowManaged"),
        (|world| marked(world, "annotations", "meta.helm.sh/release-name", "x"), "allowManaged"),
        (|world| strategy(world, &json!({ "type": "Recreate" })), "allowDowntime"),
        (
            |world| {
                world.change_target(|target| target["spec"]["replicas"] = json!(1));
                world.roll_out();
            },
            "allowDowntime",
        ),
    ];
    for (change, consent) in cases {
        let mut world = World::automatic();
        change(&mut world);
        world.settle();
        assert_eq!(world.phase(), PromotionPhase::Staged, "{consent}");
        world.spec(|spec| spec[consent] = json!(true));
        world.settle();
        assert_eq!(world.phase(), PromotionPhase::Applying, "{consent}");
    }
}

#[test]
fn a_run_that_found_a_gpu_without_borrowing_shows_that_a_surge_would() {
    let surge =
        |world: &mut World| strategy(world, &json!({ "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } }));
    let phase = |change: fn(&mut Value)| {
        let mut world = World::automatic();
        surge(&mut world);
        world.run("n4", ("2026-03-04T03:00:00Z", "2026-03-04T03:20:00Z"), "Healthy", change);
        world.settle();
        world.phase()
    };
    assert_eq!(phase(|_| ()), PromotionPhase::Applying);
    assert_eq!(
        phase(|run| run["status"]["borrowed"] = json!({ "from": 2, "to": 1, "since": "2026-03-04T03:00:00Z" })),
        PromotionPhase::Staged
    );
    assert_eq!(phase(|run| run["status"]["reasons"] = json!(["NoSpareGPU"])), PromotionPhase::Staged);
    assert_eq!(phase(|run| run["status"]["reasons"] = json!(["Unschedulable"])), PromotionPhase::Staged);
    assert_eq!(phase(|run| run["spec"]["targetRef"]["name"] = json!("qwen")), PromotionPhase::Staged);
    // An earlier one tells where the newest tested nothing, and the newest decides where both tell.
    let mut world = World::automatic();
    surge(&mut world);
    world.run("n3", ("2026-03-03T03:00:00Z", "2026-03-03T03:20:00Z"), "Healthy", |_| ());
    world.run("n4", ("2026-03-04T03:00:00Z", "2026-03-04T03:20:00Z"), "Unknown", |run| {
        run["status"]["domains"][0]["valid"] = json!(false);
    });
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
    let mut world = World::automatic();
    surge(&mut world);
    world.run("n3", ("2026-03-03T03:00:00Z", "2026-03-03T03:20:00Z"), "Healthy", |_| ());
    world.run("n4", ("2026-03-04T03:00:00Z", "2026-03-04T03:20:00Z"), "Unknown", |run| {
        run["status"]["reasons"] = json!(["NoSpareGPU"]);
    });
    world.settle();
    assert_eq!(world.reason(), "RolloutCannotSurge");
}

#[test]
fn a_suspension_that_is_over_keeps_nothing() {
    let phase = |until: &str| {
        let mut world = World::automatic();
        let escalation = world.around.escalation.as_ref().unwrap();
        world.around.escalation = Some(changed(escalation, |object| {
            object["spec"]["suspend"] = json!({ "reason": "x", "until": until });
        }));
        world.settle();
        world.phase()
    };
    assert_eq!(phase("2026-03-04T03:27:01Z"), PromotionPhase::Staged);
    assert_eq!(phase("2026-03-04T03:27:00Z"), PromotionPhase::Applying);
}

#[test]
fn pods_that_are_not_ready_are_what_a_promotion_may_be_there_to_cure() {
    let mut world = World::automatic();
    world.change_target(|target| target["status"]["readyReplicas"] = json!(0));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
}

#[test]
fn the_administrators_policy_may_name_another_place() {
    let text = "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nbindings:\n  \
                - parameter: gpu-memory-utilization\n    binding:\n      env:\n        name: SHARE\n";
    let policy = crate::administrator::read_policy("phaseloop-policy", text).unwrap();
    let mut world = World::automatic();
    field(&mut world, |field| {
        field["address"] = json!("containers[vllm].env[SHARE]");
        field.as_object_mut().unwrap().remove("value");
        field["absent"] = json!(true);
    });
    world.settle();
    assert_eq!(world.reason(), "FieldNotAllowed");
    world.around.policy = ObservedPolicy::Valid(Box::new(policy));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::Applying);
    let container = &world.target()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{ "name": "SHARE", "value": "0.75" }]));
}
