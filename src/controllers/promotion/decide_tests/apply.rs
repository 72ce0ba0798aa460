//! The patch: what is remembered before it, what it tests, and what follows when it is refused, lost, or no longer wanted.

use phaseloop_core::{
    plan::{
        FieldAddress, FieldChange, FieldValue, Intent, OwnKind, OwnObject, Wake,
        record::{Notice, NoticeSeverity},
        target::{Remembered, TargetVersion, TargetWrite},
    },
    promotion::PromotionReason,
    value::{TargetReference, Uid},
};
use serde_json::json;

use super::world::{Answer, World};
use crate::{
    api::promotion::status::PromotionPhase,
    cluster::{ClusterErrorKind, Effect},
    controllers::{
        Kind,
        promotion::Promotions,
        tuning_canary::fixture::{at, changed},
    },
};

/// Reported, and ready to be applied.
fn ready() -> World {
    let mut world = World::automatic();
    world.look();
    world
}

#[test]
fn the_attempt_is_remembered_before_the_patch_is_sent() {
    let world = ready();
    let plan = world.plan();
    let remembered = plan.remember.as_ref().unwrap();
    let attempt = remembered.status.attempt.as_ref().unwrap();
    assert_eq!(
        (attempt.since, attempt.target_resource_version.as_str(), attempt.target_generation),
        (world.now, "30", 7)
    );
    assert_eq!((remembered.status.phase, remembered.reason.as_str()), (Some(PromotionPhase::Applying), "Patching"));
    assert_eq!(&plan.report, remembered);
    let write = TargetWrite {
        target: TargetVersion {
            reference: TargetReference {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                name: "llama".to_owned(),
            },
            uid: Uid::new("uid-llama"),
            resource_version: "30".to_owned(),
        },
        changes: vec![FieldChange {
            address: FieldAddress::new("containers[vllm].args[--gpu-memory-utilization]"),
            from: FieldValue::present("0.92"),
            to: FieldValue::present("0.75"),
        }],
        annotation_from: None,
        annotation_to: Some(Uid::new("uid-x")),
        remembered: Remembered::InThisPlan,
    };
    let note = "Deployment/llama gets containers[vllm].args[--gpu-memory-utilization]: 0.92 -> 0.75";
    let notice = Notice {
        object: OwnObject::new(OwnKind::Promotion, "llama-x", Uid::new("uid-x")),
        severity: NoticeSeverity::Normal,
        reason: "Patching",
        note: note.to_owned(),
        identity: "Staged -> Applying".to_owned(),
    };
    assert_eq!(plan.intents, [Intent::PatchTarget(Box::new(write)), Intent::RecordEvent(notice)]);
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T03:27:10Z")));
}

#[test]
fn one_patch_tests_everything_that_it_was_decided_on_and_sets_value_and_mark_together() {
    let world = ready();
    let (plan, valid) = (world.plan(), world.valid());
    let effects = Promotions::build(&valid, &plan.intents[0], world.now);
    let [Effect::PatchTarget { patch, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let container = "/spec/template/spec/containers/0";
    let old = ["m", "--gpu-memory-utilization=0.92", "--max-num-seqs", "32"];
    let expected = json!([
        { "op": "test", "path": "/metadata/uid", "value": "uid-llama" },
        { "op": "test", "path": "/metadata/resourceVersion", "value": "30" },
        { "op": "test", "path": format!("{container}/name"), "value": "vllm" },
        { "op": "test", "path": format!("{container}/command"), "value": ["vllm", "serve"] },
        { "op": "test", "path": format!("{container}/args"), "value": old },
        { "op": "test", "path": "/metadata/annotations", "value": null },
        { "op": "replace", "path": format!("{container}/args/1"), "value": "--gpu-memory-utilization=0.75" },
        { "op": "add", "path": "/metadata/annotations", "value": { "phaseloop.dev/promotion": "uid-x" } },
    ]);
    assert_eq!(serde_json::to_value(patch).unwrap(), expected);
}

#[test]
fn what_was_sent_is_seen_in_the_target_and_sent_once() {
    let mut world = ready();
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "RollingOut"));
    assert_eq!(world.arguments(), ["m", "--gpu-memory-utilization=0.75", "--max-num-seqs", "32"]);
    assert_eq!((world.mark().as_deref(), world.written.len()), (Some("uid-x"), 1));
    assert_eq!(world.status().applied_at, Some(world.now));
    let hash = world.around.target.as_ref().unwrap().template_hash();
    assert_eq!(world.status().promoted_template_hash, Some(hash), "what a validating run must see");
    for _ in 0..3 {
        world.pass(60);
        world.settle();
    }
    assert_eq!(world.written.len(), 1);
}

#[test]
fn the_mark_of_an_earlier_promotion_gives_way_and_is_put_back_with_the_value() {
    let mut world = World::automatic();
    world.spec(|spec| spec["previousPromotionUID"] = json!("uid-earlier"));
    world.change_target(|target| {
        target["metadata"]["annotations"] = json!({ "phaseloop.dev/promotion": "uid-earlier", "team": "chat" });
    });
    let before = world.target()["metadata"]["annotations"].clone();
    world.settle();
    assert_eq!(world.mark().as_deref(), Some("uid-x"));
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!((world.phase(), &world.target()["metadata"]["annotations"]), (PromotionPhase::RolledBack, &before));
}

#[test]
fn a_patch_whose_answer_was_lost_is_found_in_the_target() {
    let mut world = ready();
    world.answer = Answer::Unanswered;
    world.look();
    assert_eq!((world.stands(), world.written.len()), ((PromotionPhase::Applying, "Patching"), 1));
    world.settle();
    assert_eq!((world.reason(), world.written.len()), ("RollingOut", 1));
}

#[test]
fn a_patch_that_never_arrived_is_sent_again_after_ten_seconds_and_not_before() {
    let mut world = ready();
    world.answer = Answer::Lost;
    world.look();
    world.answer = Answer::Given;
    let plan = world.plan();
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::At(at("2026-03-04T03:27:10Z"))), "its answer may yet come");
    world.pass(9);
    assert_eq!(world.plan().intents.len(), 0);
    world.pass(1);
    world.settle();
    assert_eq!((world.reason(), world.written.len()), ("RollingOut", 1));
}

#[test]
fn a_target_that_somebody_touched_meanwhile_is_read_again_first() {
    let mut world = ready();
    world.answer = Answer::Lost;
    world.look();
    world.answer = Answer::Given;
    // Nothing of the template: the old patch can't land any more, so that nothing has to be waited for.
    world.change_target(|target| target["metadata"]["labels"] = json!({ "team": "chat" }));
    world.settle();
    assert_eq!((world.reason(), world.written.len()), ("RollingOut", 1));
}

#[test]
fn a_target_whose_generation_moved_on_by_two_may_have_had_the_value_and_is_left_alone() {
    for (changes, phase) in [(1, PromotionPhase::Applying), (2, PromotionPhase::Superseded)] {
        let mut world = ready();
        world.answer = Answer::Lost;
        world.look();
        world.answer = Answer::Given;
        for change in 0..changes {
            world.change_target(|target| target["spec"]["replicas"] = json!(2 + (change + 1) % 2));
        }
        world.change_target(|target| target["spec"]["replicas"] = json!(2 + changes % 2));
        world.roll_out();
        world.settle();
        assert_eq!(world.phase(), phase, "{changes}: {}", world.message());
    }
}

#[test]
fn what_the_cluster_refuses_for_good_is_told_and_tried_again_in_a_minute() {
    for kind in [ClusterErrorKind::Refused, ClusterErrorKind::Forbidden, ClusterErrorKind::Invalid] {
        let mut world = ready();
        world.answer = Answer::Refused(kind);
        let valid = world.valid();
        let effect = Promotions::build(&valid, &world.plan().intents[0], world.now).remove(0);
        let error = crate::cluster::ClusterError::without_source("patch", "Deployment chat/llama", kind);
        let plan = Promotions::decide_refused(&valid, &effect, &error, world.now).unwrap();
        assert_eq!((plan.intents.len(), plan.wake), (0, Wake::At(at("2026-03-04T03:28:00Z"))));
        world.look();
        assert_eq!(world.stands(), (PromotionPhase::Applying, "PatchRefused"), "{kind}");
        assert!(world.message().contains(kind.name()), "{}", world.message());
        let stalled = world.condition(&crate::api::condition::ConditionType::Stalled);
        assert_eq!(stalled.map(|(_, reason)| reason), Some("PatchRefused"));
        assert!(world.status().attempt.is_some(), "what was remembered stays remembered");
        world.answer = Answer::Given;
        world.pass(60);
        world.settle();
        assert_eq!((world.reason(), world.written.len()), ("RollingOut", 1));
    }
}

#[test]
fn a_target_that_was_written_to_in_between_is_a_conflict_that_nobody_is_told() {
    let world = ready();
    let valid = world.valid();
    let effect = Promotions::build(&valid, &world.plan().intents[0], world.now).remove(0);
    for kind in
        [ClusterErrorKind::Conflict, ClusterErrorKind::NoAnswer, ClusterErrorKind::Busy, ClusterErrorKind::NotFound]
    {
        let error = crate::cluster::ClusterError::without_source("patch", "Deployment chat/llama", kind);
        assert_eq!(Promotions::decide_refused(&valid, &effect, &error, world.now), None, "{kind}");
    }
    // Nor is anything else that is refused than a write to the target.
    let export = Effect::ExportAudit(Vec::new());
    let error = crate::cluster::ClusterError::without_source("export", "x", ClusterErrorKind::Forbidden);
    assert_eq!(Promotions::decide_refused(&valid, &export, &error, world.now), None);
}

/// A patch that was sent and never arrived; then this happens.
fn unwanted(change: fn(&mut World)) -> World {
    let mut world = ready();
    world.answer = Answer::Lost;
    world.look();
    world.answer = Answer::Given;
    change(&mut world);
    world
}

#[test]
fn a_patch_that_is_no_longer_wanted_is_made_harmless_before_anything_else() {
    type Case = (fn(&mut World), PromotionPhase, &'static str);
    let suspend = |world: &mut World| {
        let escalation = world.around.escalation.as_ref().unwrap();
        world.around.escalation = Some(changed(escalation, |object| {
            object["spec"]["suspend"] = json!({ "reason": "incident 4711" });
        }));
    };
    let cases: [Case; 5] = [
        (World::delete, PromotionPhase::Expired, "DeletionRequested"),
        (|world| world.decide("Rejected", Some("jane")), PromotionPhase::Rejected, "DecisionRejected"),
        (suspend, PromotionPhase::Staged, "Suspended"),
        (|world| world.now = at("2026-03-04T07:00:00Z"), PromotionPhase::Staged, "WindowClosed"),
        (|world| world.now = at(super::world::APPLY_BY), PromotionPhase::Expired, "TooLateToValidate"),
    ];
    for (change, phase, reason) in cases {
        let mut world = unwanted(change);
        let sent = world.target()["metadata"]["resourceVersion"].clone();
        let template = world.target()["spec"].clone();
        let plan = world.look();
        assert!(matches!(plan.intents.as_slice(), [Intent::FenceTarget(_)]), "{reason}: {:?}", plan.intents);
        assert_eq!(world.stands(), (PromotionPhase::Applying, "Withdrawing"), "{reason}");
        assert!(world.message().starts_with("the patch is withdrawn: "), "{}", world.message());
        assert_ne!(world.target()["metadata"]["resourceVersion"], sent, "the old patch can't land any more");
        let fence = &world.target()["metadata"]["annotations"]["phaseloop.dev/fence"];
        assert_eq!((fence, &world.target()["spec"]), (&json!("uid-x@30"), &template));
        let mut plans = vec![world.look()];
        if world.phase() == PromotionPhase::Staged {
            plans.push(world.settle());
        }
        assert_eq!(world.stands(), (phase, reason));
        assert_eq!(
            (world.status().attempt.is_some(), world.written.len()),
            (phase != PromotionPhase::Staged, 1),
            "{reason}"
        );
        assert!(plans.iter().all(|plan| !plan.intents.iter().any(|intent| matches!(intent, Intent::FenceTarget(_)))));
    }
}

#[test]
fn a_fence_that_the_cluster_refuses_is_told_as_well() {
    let mut world = unwanted(|world| world.decide("Rejected", Some("jane")));
    world.answer = Answer::Refused(ClusterErrorKind::Forbidden);
    world.look();
    assert_eq!(world.stands(), (PromotionPhase::Applying, "PatchRefused"));
}

#[test]
fn a_write_that_can_not_be_made_of_the_target_as_it_stands_is_withheld_and_told() {
    let world = ready();
    let plan = super::decide_promotion(&super::facts(&world.valid(), world.now), world.now);
    let refused =
        super::Undeliverable { reason: PromotionReason::FieldNotWritable, message: "a shell sets it".to_owned() };
    let withheld = super::withheld(plan, &refused, world.now);
    assert!(withheld.intents.iter().all(|intent| !intent.writes_foreign_object()), "{:?}", withheld.intents);
    for told in [withheld.remember.as_ref().unwrap(), &withheld.report] {
        assert_eq!((told.reason, told.message.as_str()), (PromotionReason::FieldNotWritable, "a shell sets it"));
    }
    assert_eq!(withheld.wake, Wake::At(at("2026-03-04T03:28:00Z")));
}

#[test]
fn a_value_that_a_shell_may_set_again_is_not_ours_any_more() {
    let mut world = World::applied();
    world.change_target(|target| {
        let engine = &mut target["spec"]["template"]["spec"]["containers"][0];
        engine["command"] = json!(["sh", "-c", "vllm serve m --gpu-memory-utilization=0.75 $EXTRA"]);
        engine["args"] = json!([]);
    });
    let before = world.target();
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!((world.stands(), world.target()), ((PromotionPhase::Conflict, "ValueOverwritten"), before));
}
