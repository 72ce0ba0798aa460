//! Borrowing a replica: before the first pod, once, never without its record, and given back whatever becomes of the run.

use std::sync::Arc;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use phaseloop_core::plan::Intent;
use phaseloop_core::value::Verdict;
use serde_json::{Value, json};

use super::world::{World, measured, unschedulable};
use crate::{
    administrator::read_policy,
    api::{condition::ConditionType, phase_run::status::Borrowed, workload::Placement},
    cluster::{ClusterError, ClusterErrorKind},
    controllers::{Kind, ObservedPolicy, fixture, phase_run::PhaseRuns},
};

/// A run of two domains that borrows from a Deployment of two ready replicas.
fn world() -> World {
    let mut world = World::new();
    world.run.spec.placement = Placement::BorrowReplica;
    world.change_target(fixture::of_two_replicas);
    world
}

/// `replicas` of the target, and whether it carries the note.
fn stands(world: &World) -> (i64, bool) {
    fixture::stands(world.around.target.as_ref())
}

fn borrowed(world: &World) -> &Borrowed {
    world.status().borrowed.as_ref().unwrap()
}

fn has_finalizer(world: &World) -> bool {
    world.run.metadata.finalizers.as_ref().is_some_and(|all| !all.is_empty())
}

fn names(intents: &[Intent]) -> Vec<&'static str> {
    intents.iter().map(Intent::name).collect()
}

#[test]
fn a_replica_is_borrowed_once_before_the_first_pod_and_given_back_after_the_last() {
    let mut world = world();
    world.look();
    assert!(has_finalizer(&world) && world.pods.is_empty(), "it may not go before it gave back");
    world.look();
    assert_eq!((stands(&world), world.pods.len()), ((1, true), 0));
    world.test_domain(|now| measured(now, 900.0));
    assert_eq!(stands(&world), (1, true), "a domain is left");
    world.settle();
    assert_eq!((stands(&world), world.pods.len()), ((1, true), 1));
    world.test_domain(|now| measured(now, 900.0));
    world.settle();
    assert_eq!((stands(&world), has_finalizer(&world)), ((2, false), false));
    assert!(borrowed(&world).given_back_at.is_some());
    let scalings: Vec<_> = world.reasons_told().into_iter().filter(|reason| *reason == "ReplicaBorrowed").collect();
    assert_eq!(scalings.len(), 1, "once for both domains");
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().reason, "Released");
}

#[test]
fn that_it_is_to_be_given_back_is_durable_before_the_request() {
    let mut world = world();
    world.look();
    let plan = world.plan();
    assert_eq!(names(&plan.intents), ["ScaleTargetForBorrow", "RecordEvent"]);
    let remembered = plan.remember.unwrap().status.borrowed.unwrap();
    assert_eq!((remembered.from, remembered.to, remembered.given_back_at), (2, 1, None));
    assert_eq!(remembered.target_resource_version.as_deref(), Some("3"));
}

#[test]
fn a_result_is_stored_before_the_replica_goes_back() {
    let mut world = world();
    world.run.spec.domains.truncate(1);
    world.settle();
    world.start_pod();
    world.settle();
    world.pass(SignedDuration::from_mins(5));
    let report = measured(world.now, 900.0);
    world.end_pod(&report);
    assert_eq!(names(&world.look().intents), Vec::<&str>::new());
    let ended = ["DeleteTestPod", "GiveBackReplica", "RemoveFinalizer", "RecordEvent", "RecordEvent"];
    assert_eq!(names(&world.look().intents), ended, "the replica, and the verdict");
}

#[test]
fn that_a_borrowed_gpu_is_waited_for_is_no_news() {
    let mut world = world();
    world.settle();
    let status = unschedulable(world.now);
    world.set_pod_status(None, status);
    world.settle();
    assert_eq!(world.condition(&ConditionType::Ready).unwrap().reason, "AwaitingGPU");
    assert_eq!(world.reasons_told(), ["ReplicaBorrowed", "AwaitingNode"]);
}

#[test]
fn what_waiting_does_not_change_ends_the_run_at_once() {
    let mut world = world();
    let autoscaler = json!({ "metadata": { "name": "scaler" }, "spec": {
        "maxReplicas": 4, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "llama" },
    } });
    world.surroundings.autoscalers = vec![Arc::new(serde_json::from_value(autoscaler).unwrap())];
    world.settle();
    assert_eq!((stands(&world), world.pods.len(), has_finalizer(&world)), ((2, false), 0, false));
    assert_eq!(world.status().verdict, Some(Verdict::Unknown));
    assert_eq!(world.row("chat").reasons, ["BorrowRefused"]);
    assert!(world.row("chat").messages[0].starts_with("ReplicasAutoscaled: HorizontalPodAutoscaler scaler"));
}

#[test]
fn what_waiting_may_change_is_waited_for_as_long_as_for_a_gpu() {
    let mut world = world();
    world.change_target(|target| target["status"]["readyReplicas"] = json!(1));
    world.settle();
    let waits = world.condition(&ConditionType::Ready).unwrap();
    assert_eq!(waits.reason, "TooFewReady");
    assert!(waits.message.contains("given up at 2026-03-04T03:15:00Z"), "{}", waits.message);
    let mut ready = world.clone();
    ready.change_target(|target| target["status"]["readyReplicas"] = json!(2));
    ready.settle();
    assert_eq!((stands(&ready), ready.pods.len()), ((1, true), 1));
    world.pass(SignedDuration::from_mins(15));
    world.settle();
    assert_eq!(world.row("rag").reasons, ["BorrowRefused"]);
    assert_eq!((stands(&world), world.pods.len()), ((2, false), 0));
}

#[test]
fn an_aborted_run_gives_back_with_the_look_that_ends_its_pod() {
    let mut world = world();
    world.settle();
    world.start_pod();
    world.settle();
    world.run.spec.abort = true;
    let plan = world.look();
    let ended = ["DeleteTestPod", "GiveBackReplica", "RemoveFinalizer", "RecordEvent", "RecordEvent"];
    assert_eq!(names(&plan.intents), ended, "the replica, and the abort");
    assert_eq!((stands(&world), has_finalizer(&world)), ((2, false), false));
    assert_eq!(borrowed(&world).given_back_at, Some(world.now));
}

#[test]
fn a_run_that_is_deleted_gives_back_before_it_goes() {
    let mut world = world();
    world.settle();
    world.run.metadata.deletion_timestamp = Some(Time(world.now));
    assert_eq!(names(&world.plan().intents), ["DeleteTestPod", "GiveBackReplica", "RemoveFinalizer", "RecordEvent"]);
    world.run.status = None;
    world.look();
    assert_eq!(stands(&world), (2, false), "also without its status: the note on the target tells");
}

#[test]
fn a_request_that_did_not_land_is_made_again() {
    let mut world = world();
    world.look();
    let remembered = world.plan().remember.unwrap();
    let untouched = world.around.target.clone();
    world.look();
    // The operator died between the two, and meanwhile somebody else wrote to the target.
    world.around.target = untouched;
    world.run.status = Some(remembered.status);
    world.change_target(|target| target["metadata"]["resourceVersion"] = json!("9"));
    world.look();
    assert_eq!(borrowed(&world).target_resource_version.as_deref(), Some("9"));
    world.settle();
    assert_eq!((stands(&world), world.pods.len()), ((1, true), 1));
    assert_eq!(borrowed(&world).target_resource_version, None, "it landed");
}

#[test]
fn a_request_that_did_not_land_is_made_again_whatever_was_tested_before_it() {
    let mut world = world();
    world.look();
    let mut status = world.plan().remember.unwrap().status;
    // The first domain took no GPU, so that nothing was borrowed for it.
    status.domains[0].begun_at = Some(world.now);
    status.domains[0].ended_at = Some(world.now);
    world.run.status = Some(status);
    world.change_target(|target| target["metadata"]["resourceVersion"] = json!("9"));
    world.settle();
    assert_eq!((stands(&world), world.pods.len()), ((1, true), 1));
}

#[test]
fn a_request_that_may_yet_land_is_fenced_before_nothing_is_owed() {
    let mut world = world();
    world.look();
    let remembered = world.plan().remember.unwrap();
    world.run.status = Some(remembered.status);
    world.run.spec.abort = true;
    assert_eq!(names(&world.plan().intents), ["FenceTarget", "RecordEvent"]);
    world.look();
    assert!(has_finalizer(&world) && borrowed(&world).given_back_at.is_none(), "nobody knows yet");
    world.settle();
    assert_eq!((stands(&world), has_finalizer(&world)), ((2, false), false));
    assert!(borrowed(&world).given_back_at.is_some());
}

#[test]
fn replicas_that_somebody_else_has_set_stay_and_are_told() {
    let mut world = world();
    world.settle();
    world.change_target(|target| target["spec"]["replicas"] = json!(5));
    world.settle();
    world.run.spec.abort = true;
    world.settle();
    assert_eq!((stands(&world), has_finalizer(&world)), ((5, false), false));
    let restored = world.condition(&ConditionType::Restored).unwrap();
    assert_eq!(restored.reason, "GiveBackConflict");
    assert_eq!(restored.message, "replicas is 5, which somebody else set: it stays");
    assert!(world.reasons_told().contains(&"GiveBackConflict"));
}

#[test]
fn a_target_that_is_gone_holds_no_run_back() {
    let mut world = world();
    world.settle();
    world.around.target = None;
    world.run.metadata.deletion_timestamp = Some(Time(world.now));
    assert_eq!(names(&world.plan().intents), ["DeleteTestPod", "RemoveFinalizer"]);
}

#[test]
fn what_somebody_else_gave_back_is_not_taken_again() {
    let mut world = world();
    world.test_domain(|now| measured(now, 900.0));
    world.change_target(|target| {
        target["spec"]["replicas"] = json!(2);
        target["metadata"].as_object_mut().unwrap().remove("annotations");
    });
    world.settle();
    assert_eq!((stands(&world), world.pods.len()), ((2, false), 1), "the next domain waits for a spare GPU");
    assert!(borrowed(&world).given_back_at.is_some());
}

#[test]
fn a_run_that_takes_spare_gpus_alone_never_writes_to_its_target() {
    let mut world = world();
    world.run.spec.placement = Placement::SpareGPU;
    world.test_domain(|now| measured(now, 900.0));
    world.test_domain(|now| measured(now, 900.0));
    world.settle();
    assert_eq!((stands(&world), &world.status().borrowed), ((2, false), &None));
    assert_eq!(world.reasons_told(), ["AwaitingNode", "Judged"], "nothing of a replica");
}

#[test]
fn an_administrator_may_forbid_it() {
    let mut world = world();
    let text =
        "apiVersion: policy.phaseloop.dev/v1alpha1\nkind: AdministratorPolicy\nlimits: { allowBorrowing: false }\n";
    world.around.policy = ObservedPolicy::Valid(Box::new(read_policy("policy.yaml", text).unwrap()));
    world.settle();
    assert_eq!(world.row("chat").reasons, ["InvalidSpec"]);
    assert!(world.row("chat").messages[0].contains("allowBorrowing"), "{:?}", world.row("chat").messages);
    assert_eq!(stands(&world), (2, false));
}

#[test]
fn a_borrowing_that_the_cluster_refuses_is_told_and_tried_as_long_as_for_a_gpu() {
    let mut world = world();
    world.look();
    let valid = world.valid();
    let plan = world.plan();
    let effect = plan.intents.iter().flat_map(|intent| PhaseRuns::build(&valid, intent, world.now)).next().unwrap();
    let error = ClusterError::without_source("patch", "Deployment llama".to_owned(), ClusterErrorKind::Forbidden);
    let told = PhaseRuns::decide_refused(&valid, &effect, &error, world.now).unwrap();
    assert_eq!(told.report.status.conditions[0].reason, "BorrowRefused");
    assert!(told.report.status.borrowed.is_some(), "what may have been sent is remembered");
    let later = world.now + SignedDuration::from_mins(15);
    let ended = PhaseRuns::decide_refused(&valid, &effect, &error, later).unwrap();
    assert_eq!(ended.report.status.domains[0].reasons, ["BorrowRefused"]);
    assert_eq!(Value::from(ended.report.status.domains.len()), json!(2));
}
