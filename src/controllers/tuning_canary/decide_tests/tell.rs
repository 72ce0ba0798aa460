//! What people are told of a canary: on transitions alone.

use phaseloop_core::{
    analysis::{
        measurement::{EngineFailure, EngineFailureClass},
        probe::{ProbeEnding, ProbeReport, ReportedDeath},
    },
    plan::Intent,
};
use serde_json::json;

use super::world::{World, measured, unschedulable};
use crate::{
    cluster::{ClusterError, Effect},
    controllers::{
        Kind,
        fixture::last_told,
        tuning_canary::{
            TuningCanaries,
            fixture::{canary, changed, done},
        },
    },
};

const VALUE: &str = "gpu-memory-utilization=0.75";

/// Names of the events of the next look.
fn names(world: &World) -> Vec<Option<String>> {
    let valid = world.valid();
    let effects = world.plan().intents.into_iter().flat_map(|intent| TuningCanaries::build(&valid, &intent, world.now));
    let name = |effect| if let Effect::RecordEvent(event) = effect { Some(event.metadata.name) } else { None };
    effects.filter_map(name).collect()
}

fn reasons(world: &World) -> Vec<&str> {
    world.told.iter().map(|(_, reason, _)| reason.as_str()).collect()
}

/// Looks again where nothing has changed: nothing is told.
fn assert_silent(world: &mut World) {
    let told = world.told.clone();
    for _ in 0..3 {
        world.settle();
        world.pass(60);
    }
    assert_eq!(world.told, told);
}

fn out_of_memory(world: &World) -> ProbeReport {
    let failure = EngineFailure {
        class: EngineFailureClass::OutOfMemory,
        memory: None,
        exit_code: Some(0),
        message: "CUDA out of memory".to_owned(),
    };
    let deaths = vec![ReportedDeath { at: world.now, failure }];
    ProbeReport { ending: ProbeEnding::EngineDied, deaths, ..measured(world.now, 20) }
}

/// A canary that measures.
fn measuring(mut world: World) -> World {
    world.settle();
    world.start_pod();
    world.settle();
    world.pass(20);
    world
}

#[test]
fn a_canary_tells_what_it_measures_and_what_it_came_to() {
    let mut world = World::new();
    let incumbent = done(&canary(0, &json!({})), |status| {
        status["fitness"] = json!(0.5);
        status["requests"] = json!({ "offered": 140, "completed": 140, "failed": 0, "withinLimits": 70 });
    });
    world.others.push(incumbent);
    world.measure(|now| measured(now, 130));
    let pod = world.status().pod_name.clone().unwrap();
    let (measures, passed) = (
        format!("pod {pod} measures {VALUE}"),
        format!("{VALUE}: Passed: 130 of 140 requests were within every limit; fitness 0.928, the incumbent's 0.500"),
    );
    let told = [("Normal", "Measuring", measures), ("Normal", "Passed", passed)];
    assert_eq!(world.told, told.map(|(type_, reason, note)| (type_.to_owned(), reason.to_owned(), note)));
    assert_silent(&mut world);
}

#[test]
fn a_candidate_may_fail_and_an_incumbent_should_not() {
    for (attempt, parameters, severity, subject) in
        [(1, json!({ "gpu-memory-utilization": "0.75" }), "Normal", VALUE), (0, json!({}), "Warning", "the incumbent")]
    {
        let mut world = measuring(World { canary: canary(attempt, &parameters), ..World::new() });
        let report = out_of_memory(&world);
        world.end_pod(&report);
        world.settle();
        let (type_, reason, note) = last_told(&world.told);
        assert_eq!((type_, reason), (severity, "OutOfMemory"));
        assert!(note.starts_with(&format!("{subject}: Failed (OutOfMemory): ")), "{note}");
        assert!(note.contains("CUDA out of memory"), "{note}");
        assert_eq!(world.told.len(), 2);
        assert_silent(&mut world);
    }
}

#[test]
fn what_shows_nothing_warns_with_its_reason() {
    let mut world = World::new();
    world.settle();
    let status = unschedulable(world.now);
    world.set_pod_status(None, status);
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Warning", "AwaitingGPU"));
    assert!(note.starts_with(&format!("{VALUE}: pod ")) && note.contains("3 Insufficient nvidia.com/gpu"), "{note}");
    assert!(note.contains("; given up at "), "{note}");
    assert_silent(&mut world);
    world.pass(15 * 60);
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Warning", "NoSpareGPU"));
    assert!(note.starts_with(&format!("{VALUE}: Inconclusive (Infrastructure): ")), "{note}");
    assert!(note.contains("3 Insufficient nvidia.com/gpu"), "{note}");
    world.sweep();
    assert_silent(&mut world);
}

#[test]
fn the_gpu_of_a_borrowed_replica_is_waited_for_in_silence() {
    let canary = changed(&canary(1, &json!({ "gpu-memory-utilization": "0.75" })), |canary| {
        canary["spec"]["placement"] = json!("BorrowReplica");
    });
    let mut world = World { canary, ..World::new() };
    world.settle();
    let status = unschedulable(world.now);
    world.set_pod_status(None, status);
    world.settle();
    assert_eq!(world.told, []);
}

#[test]
fn an_abort_tells_by_what_it_was_ended() {
    let mut by_hand = measuring(World::new());
    by_hand.canary.spec.abort = true;
    by_hand.look();
    assert_eq!(
        last_told(&by_hand.told),
        ("Normal", "Aborted", format!("{VALUE}: Aborted: spec.abort was set").as_str())
    );
    by_hand.sweep();
    assert_silent(&mut by_hand);
    let mut suspended = measuring(World::new());
    let escalation = suspended.escalation.as_ref().unwrap();
    suspended.escalation =
        Some(changed(escalation, |object| object["spec"]["suspend"] = json!({ "reason": "maintenance" })));
    suspended.look();
    let note = format!("{VALUE}: Aborted: the escalation is suspended (maintenance)");
    assert_eq!(last_told(&suspended.told), ("Normal", "Suspended", note.as_str()));
}

#[test]
fn containers_that_do_not_end_in_time_are_told_once_with_what_to_do() {
    let mut world = measuring(World::new());
    world.canary.spec.abort = true;
    world.look();
    world.pass(15);
    world.settle();
    let (type_, reason, note) = last_told(&world.told);
    assert_eq!((type_, reason), ("Warning", "RestoreFailed"));
    assert!(note.contains("look at node n1, then run phaseloop retry tuningcanary/"), "{note}");
    assert_eq!(reasons(&world), ["Measuring", "Aborted", "RestoreFailed"]);
    assert_silent(&mut world);
    world.canary = changed(&world.canary, |canary| {
        canary["metadata"]["annotations"] = json!({ "phaseloop.dev/retry": "jane" });
    });
    assert_silent(&mut world);
}

#[test]
fn a_pod_that_the_cluster_refuses_for_good_is_told_with_the_refusal() {
    let world = World::new();
    let (plan, valid) = (world.plan(), world.valid());
    let effects = plan.intents.iter().flat_map(|intent| TuningCanaries::build(&valid, intent, world.now));
    let effect = effects.into_iter().find(|effect| effect.name() == "CreateTestPod").unwrap();
    let message = "pods \"x\" is forbidden: exceeded quota: gpus, requested: 1".to_owned();
    let status = kube::core::Status { code: 403, reason: "Forbidden".to_owned(), message, ..Default::default() };
    let error = ClusterError::of_call("create", "Pod chat/x", kube::Error::Api(Box::new(status)));
    let refused = TuningCanaries::decide_refused(&valid, &effect, &error, world.now).unwrap();
    let [Intent::RecordEvent(notice)] = refused.intents.as_slice() else { panic!("{:?}", refused.intents) };
    assert_eq!(notice.reason, "QuotaExceeded");
    assert!(notice.note.starts_with(&format!("{VALUE}: Inconclusive (Infrastructure): ")), "{}", notice.note);
}

#[test]
fn news_whose_telling_nobody_remembers_are_told_under_the_same_names() {
    let mut world = World::new();
    let mut told = 0;
    for step in 0..20 {
        let mut later = world.clone();
        later.pass(2);
        assert_eq!(names(&world), names(&later), "step {step}");
        told += names(&world).len();
        match step {
            5 => world.start_pod(),
            10 => {
                world.pass(40);
                world.end_pod(&measured(world.now, 130));
            }
            15 => world.sweep(),
            _ => drop(world.look()),
        }
    }
    assert_eq!((told, reasons(&world)), (2, vec!["Measuring", "Passed"]));
}
