//! The way back: the pre-image to the letter, and nothing that somebody else wrote.

use phaseloop_core::plan::{Intent, Wake};
use serde_json::json;

use super::world::{Answer, World, deployment};
use crate::{
    api::promotion::status::PromotionPhase, cluster::ClusterErrorKind, controllers::tuning_canary::fixture::at,
};

/// A promotion that is to go back, because a person refused it late; the write does not arrive.
fn going_back() -> World {
    let mut world = World::rolled_out();
    world.decide("Rejected", Some("jane"));
    world.answer = Answer::Lost;
    world.look();
    assert_eq!(world.stands(), (PromotionPhase::RollingBack, "DecisionRejected"));
    world.answer = Answer::Given;
    world
}

#[test]
fn the_decision_to_go_back_is_remembered_before_anything_is_written() {
    let mut world = World::rolled_out();
    world.decide("Rejected", Some("jane"));
    let plan = world.plan();
    let rollback = plan.remember.as_ref().unwrap().status.rollback.clone().unwrap();
    assert_eq!((rollback.cause.as_str(), rollback.since), ("DecisionRejected", world.now));
    let Some(Intent::RestoreTarget(write)) = plan.intents.first() else { panic!("{:?}", plan.intents) };
    assert_eq!((write.annotation_from.as_ref().unwrap().as_str(), write.annotation_to.as_ref()), ("uid-x", None));
    assert_eq!(plan.wake, Wake::after(world.now, jiff::SignedDuration::from_secs(10)));
}

#[test]
fn the_pre_image_is_back_to_the_letter() {
    let mut world = World::rolled_out();
    world.decide("Rejected", Some("jane"));
    world.settle();
    let (target, before) = (world.target(), deployment());
    assert_eq!(
        (&target["spec"], &target["metadata"]["annotations"]),
        (&before["spec"], &before["metadata"]["annotations"])
    );
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "DecisionRejected"));
    assert_eq!(world.message(), "Deployment/llama is as it was before: A person decided Rejected.");
    assert_eq!(world.written.len(), 2);
}

#[test]
fn what_was_absent_is_absent_again() {
    let mut world = World::automatic();
    let take_away = |target: &mut serde_json::Value| {
        target["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["m", "--max-num-seqs", "32"]);
    };
    world.change_target(take_away);
    world.roll_out();
    let hash = world.around.target.as_ref().unwrap().template_hash();
    world.around.canary.as_mut().unwrap().spec.template_hash.clone_from(&hash);
    world.spec(|spec| {
        spec["templateHash"] = json!(hash);
        spec["previous"][0].as_object_mut().unwrap().remove("value");
        spec["previous"][0]["absent"] = json!(true);
    });
    world.settle();
    assert_eq!(world.status().summary.as_ref().unwrap().change.as_deref(), Some("(absent) -> 0.75"));
    assert_eq!(world.arguments(), ["m", "--max-num-seqs", "32", "--gpu-memory-utilization=0.75"]);
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(
        (world.phase(), world.arguments()),
        (PromotionPhase::RolledBack, ["m", "--max-num-seqs", "32"].map(str::to_owned).into())
    );
}

#[test]
fn a_write_back_that_never_arrived_is_sent_again_without_being_remembered_again() {
    let mut world = going_back();
    let since = world.status().rollback.as_ref().unwrap().since;
    world.pass(10);
    let plan = world.plan();
    assert_eq!(plan.remember, None, "it stands there already");
    assert!(matches!(plan.intents.as_slice(), [Intent::RestoreTarget(_)]));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::RolledBack);
    assert_eq!(world.status().rollback.as_ref().unwrap().since, since);
}

#[test]
fn no_run_leads_from_the_way_back_to_validated() {
    let mut world = going_back();
    world.run("n5", ("2026-03-05T03:00:00Z", "2026-03-05T03:20:00Z"), "Healthy", |_| ());
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "DecisionRejected"));
}

#[test]
fn somebody_elses_value_on_the_way_back_stays() {
    let mut world = going_back();
    world.change_target(|target| {
        target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.80");
    });
    let before = world.target();
    world.settle();
    assert_eq!((world.stands(), world.target()), ((PromotionPhase::Conflict, "ValueOverwritten"), before));
}

#[test]
fn a_target_that_goes_on_the_way_back_has_nothing_left_to_restore() {
    let mut world = going_back();
    world.around.target = None;
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::Superseded, "TargetMissing"));
}

#[test]
fn a_pre_image_that_somebody_put_back_whole_is_back() {
    let mut world = going_back();
    world.change_target(|target| {
        target["metadata"].as_object_mut().unwrap().remove("annotations");
        target["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("--gpu-memory-utilization=0.92");
    });
    let writes = world.written.len();
    world.settle();
    assert_eq!((world.phase(), world.written.len()), (PromotionPhase::RolledBack, writes));
}

#[test]
fn a_write_back_that_the_cluster_refuses_is_told_and_keeps_its_cause() {
    let mut world = going_back();
    world.answer = Answer::Refused(ClusterErrorKind::Forbidden);
    world.pass(10);
    world.look();
    assert_eq!(world.stands(), (PromotionPhase::RollingBack, "PatchRefused"));
    assert_eq!(world.status().rollback.as_ref().unwrap().cause, "DecisionRejected");
    world.answer = Answer::Given;
    world.pass(60);
    world.settle();
    assert_eq!(world.stands(), (PromotionPhase::RolledBack, "DecisionRejected"));
}

#[test]
fn a_write_back_waits_for_no_window_approval_or_evidence() {
    let mut world = World::rolled_out();
    world.spec(|spec| spec["windows"] = json!([{ "start": "10:00", "end": "11:00" }]));
    world.around.canary = None;
    world.around.escalation = None;
    world.change_target(|target| target["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "Helm" }));
    world.now = at("2026-03-04T20:00:00Z");
    world.decide("Rejected", Some("jane"));
    world.settle();
    assert_eq!(world.phase(), PromotionPhase::RolledBack);
}
