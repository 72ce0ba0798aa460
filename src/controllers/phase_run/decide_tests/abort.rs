//! Ending a run by hand.

use phaseloop_core::{plan::pod::TestPodEnd, value::Verdict};
use serde_json::Value;

use super::{
    super::*,
    world::{World, measured, running},
};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        phase_run::status::PhaseRunPhase,
    },
    controllers::phase_run::facts::{judged_run, run_facts},
};

#[test]
fn an_abort_ends_the_pod_with_the_look_that_sees_it() {
    let mut world = World::new();
    world.look();
    world.start_pod();
    world.settle();
    let pod = world.pods[0].clone();
    world.run.spec.abort = true;
    let plan = world.look();
    let [Intent::DeleteTestPod(deletion), Intent::RecordEvent(_)] = plan.intents.as_slice() else {
        panic!("{:?}", plan.intents)
    };
    assert_eq!(deletion.cause, TestPodEnd::Aborted);
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Aborted));
    assert_eq!(
        (world.status().verdict, world.status().reasons.as_slice()),
        (Some(Verdict::Unknown), &["Aborted".to_owned()][..])
    );
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().status, ConditionStatus::False);
    // Its containers end; then everything is given back.
    world.pods = vec![pod];
    world.pods[0].metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now));
    assert_eq!(world.settle().wake, Wake::At(world.now + LOOK_AGAIN));
    world.pods.clear();
    let plan = world.settle();
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::OnChange));
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().status, ConditionStatus::True);
    assert_eq!(world.condition(&ConditionType::Stalled).unwrap().reason, "Aborted");
}

#[test]
fn nothing_is_concluded_from_an_aborted_run_whatever_it_measured() {
    let mut world = World::new();
    world.test_domain(|now| measured(now, 100.0));
    world.run.spec.abort = true;
    world.settle();
    let facts = run_facts(&world.run).unwrap();
    assert!(!facts.valid && facts.symptoms.is_empty() && facts.workloads.is_empty());
    assert!(!judged_run(&world.run, []).unwrap().admission.may_serve());
    assert!(world.row("chat").measured.is_some(), "what was measured is still shown");
}

#[test]
fn an_abort_after_the_end_changes_no_verdict() {
    let mut world = World::of_one_domain();
    world.test_domain(|now| measured(now, 100.0));
    world.settle();
    world.run.spec.abort = true;
    world.settle();
    assert_eq!(world.status().phase, Some(PhaseRunPhase::Completed));
}

#[test]
fn a_run_that_is_being_deleted_ends_its_pod_and_begins_nothing() {
    let mut world = World::new();
    world.look();
    world.set_pod_status(Some("n1"), running(world.now, 0, Value::Null));
    world.run.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(world.now));
    world.look();
    assert_eq!(world.deleted.len(), 1);
    assert_eq!(world.plan().intents, []);
}
