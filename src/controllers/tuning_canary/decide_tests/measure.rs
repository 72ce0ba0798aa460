//! What a canary's pod shows, and what it is judged.

use phaseloop_core::{
    analysis::{
        measurement::{EngineFailure, EngineFailureClass},
        probe::{ProbeEnding, ProbeReport, ReportedDeath},
    },
    plan::{Intent, pod::TestPodEnd},
};
use serde_json::json;

use super::world::{World, deeds, measured, running, unschedulable};
use crate::{
    api::{
        condition::ConditionType,
        tuning_canary::status::{CanaryPhase, FailureClass},
    },
    controllers::tuning_canary::fixture::{canary, changed, done},
};

#[test]
fn a_measurement_becomes_a_verdict_with_everything_that_ranking_needs() {
    let mut world = World::new();
    world.measure(|now| measured(now, 130));
    let status = world.status();
    assert_eq!(world.verdict(), ("Passed".to_owned(), vec![]));
    assert_eq!(status.fitness, Some(130.0 / 140.0).map(|fitness: f64| format!("{fitness:.11e}").parse().unwrap()));
    assert_eq!(status.requests.map(|requests| (requests.within_limits, requests.offered)), Some((130, 140)));
    assert_eq!(status.met.as_ref().unwrap().bits.len(), 35);
    assert_eq!(status.metrics.len(), 2);
    let used = status.used.clone().unwrap();
    assert_eq!((used.measure.to_string(), used.hold.to_string(), used.proven), ("8s".into(), "1m".into(), true));
    assert_eq!(status.effective.as_ref().unwrap().configuration["gpu-memory-utilization"], "0.75");
    assert_eq!((status.phase, status.released_at), (Some(CanaryPhase::Done), Some(world.now)));
    let summary = status.summary.as_ref().unwrap();
    assert_eq!((summary.used.as_deref(), summary.fitness.as_deref()), (Some("8s/60s"), Some("0.928")));
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().reason, "Released");
}

#[test]
fn the_result_is_stored_before_its_pod_is_deleted() {
    let mut world = World::new();
    world.measure(|now| measured(now, 130));
    assert_eq!((world.deleted.as_slice(), world.pods.len()), (&[][..], 1));
    let mut stale = World::new();
    stale.settle();
    stale.start_pod();
    stale.settle();
    stale.pass(60);
    stale.end_pod(&measured(stale.now, 130));
    stale.look_without_leading();
    assert!(stale.pods[0].metadata.deletion_timestamp.is_none(), "nobody has its result");
    world.look();
    assert_eq!(world.deleted, [TestPodEnd::ResultStored]);
}

#[test]
fn a_value_that_the_engine_does_not_report_was_not_tested() {
    let mut world = World::new();
    world.measure(|now| {
        let mut report = measured(now, 140);
        report.engine.as_mut().unwrap().configuration.clear();
        report
    });
    assert_eq!(world.verdict(), ("Inconclusive".to_owned(), vec!["ParameterUnseen".to_owned()]));
    assert_eq!(world.status().fitness, None);
}

#[test]
fn an_engine_that_ran_out_of_memory_failed_by_its_own_values() {
    let mut world = World::new();
    world.measure(|now| {
        let failure = EngineFailure {
            class: EngineFailureClass::OutOfMemory,
            memory: None,
            exit_code: Some(0),
            message: "CUDA out of memory".to_owned(),
        };
        let mut report = measured(now, 20);
        report.ending = ProbeEnding::EngineDied;
        report.deaths = vec![ReportedDeath { at: now, failure }];
        report
    });
    let (verdict, reasons) = world.verdict();
    assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Failed", "OutOfMemory"), "{reasons:?}");
    assert_eq!(world.status().failure.as_ref().unwrap().class, FailureClass::OutOfMemory);
    assert_eq!(world.status().fitness, None);
}

#[test]
fn limits_of_the_canary_are_kept() {
    let mut world = World::new();
    world.canary = changed(&world.canary, |canary| canary["spec"]["limits"]["e2eP95"] = json!("1s"));
    world.measure(|now| measured(now, 140));
    assert_eq!(world.verdict(), ("Failed".to_owned(), vec!["LimitExceeded".to_owned()]));
}

#[test]
fn a_candidate_says_how_it_compares_with_the_incumbent() {
    let mut world = World::new();
    let incumbent = done(&canary(0, &json!({})), |status| {
        status["requests"] = json!({ "offered": 140, "completed": 140, "failed": 0, "withinLimits": 70 });
        status["met"] =
            json!({ "schedule": "s", "count": 140, "bits": format!("{}{}", "f".repeat(17), "c00000000000000000") });
    });
    world.others.push(incumbent.clone());
    world.measure(|now| measured(now, 140));
    let comparison = world.status().incumbent.clone().unwrap();
    assert_eq!(comparison.canary_name, incumbent.metadata.name.unwrap());
    assert_eq!((comparison.fitness, comparison.gain), (Some(0.5), Some(0.5)));
    assert!(comparison.p_value.unwrap() < 1e-9, "70 gained, none lost");
}

#[test]
fn an_engine_that_restarts_is_ended_once_its_probe_had_time_to_say_why() {
    let mut world = World::new();
    world.settle();
    world.start_pod();
    world.settle();
    world.pass(30);
    let died = json!({ "exitCode": 1, "startedAt": world.now, "finishedAt": world.now });
    let status = running(world.now, 1, &died);
    world.set_pod_status(Some("n1"), status);
    world.settle();
    assert_eq!(world.status().verdict, None);
    world.pass(5);
    world.look();
    let (verdict, _) = world.verdict();
    assert_eq!(verdict, "Inconclusive", "a death that nobody classified says nothing of the values");
    assert_eq!(world.status().ended_by.as_deref(), Some("EngineRestarted"));
    assert_eq!(world.status().phase, Some(CanaryPhase::Scoring));
    world.look();
    assert_eq!(world.deleted, [TestPodEnd::EngineRestarted]);
}

#[test]
fn no_gpu_within_the_waiting_time_is_the_clusters_fault() {
    let mut world = World::new();
    world.settle();
    let status = unschedulable(world.now);
    world.set_pod_status(None, status);
    world.settle();
    assert_eq!(world.condition(&ConditionType::Ready).unwrap().reason, "AwaitingGPU");
    world.pass(15 * 60 - 1);
    world.settle();
    assert_eq!(world.status().verdict, None);
    world.pass(1);
    world.look();
    let (verdict, reasons) = world.verdict();
    assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Inconclusive", "NoSpareGPU"));
    assert_eq!(world.status().failure.as_ref().unwrap().class, FailureClass::Infrastructure);
    world.look();
    assert_eq!(world.deleted, [TestPodEnd::NoSpareGPU]);
}

#[test]
fn what_lacks_beside_a_gpu_is_named_and_is_no_missing_gpu() {
    let short = "0/1 nodes are available: 1 Insufficient memory.";
    let mut world = World::new();
    world.settle();
    let mut status = unschedulable(world.now);
    status["conditions"][0]["message"] = json!(short);
    world.set_pod_status(None, status);
    world.settle();
    let ready = world.condition(&ConditionType::Ready).unwrap();
    assert_eq!(ready.reason, "AwaitingNode");
    assert!(ready.message.contains(&format!("waits for memory: {short}; given up at")), "{}", ready.message);
    world.pass(15 * 60);
    world.look();
    let (verdict, reasons) = world.verdict();
    assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Inconclusive", "Unschedulable"));
    let failure = world.status().failure.as_ref().unwrap();
    assert_eq!((failure.class, failure.message.contains(short)), (FailureClass::Infrastructure, true), "{failure:?}");
    world.look();
    assert_eq!(world.deleted, [TestPodEnd::Unschedulable]);
}

#[test]
fn a_pod_that_went_before_its_result_was_read_counts_as_all_that_was_reserved() {
    let mut world = World::new();
    world.settle();
    world.start_pod();
    world.settle();
    world.pods.clear();
    world.settle();
    assert_eq!(world.verdict(), ("Inconclusive".to_owned(), vec!["PodLost".to_owned()]));
    assert_eq!(world.status().released_at, None, "nobody deleted it, so that only its own deadline tells its end");
    // The last instant, its grace, and what kubelets take to report.
    world.now = "2026-03-04T03:41:04Z".parse().unwrap();
    world.settle();
    assert_eq!(world.status().released_at, None);
    world.pass(1);
    world.look();
    let used = world.status().used.clone().unwrap();
    assert_eq!((used.measure.to_string(), used.hold.to_string(), used.proven), ("8s".into(), "2m18s".into(), false));
    assert_eq!(world.condition(&ConditionType::Restored).unwrap().reason, "GivenUp");
}

#[test]
fn of_a_probe_that_ran_out_of_time_nothing_is_known() {
    let mut world = World::new();
    world.measure(|_| ProbeReport::new(ProbeEnding::OutOfTime, "the window closes"));
    let (verdict, reasons) = world.verdict();
    assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Inconclusive", "TimeWasUp"));
}

#[test]
fn a_pod_past_its_last_instant_is_ended_by_any_replica() {
    let mut world = World::new();
    world.settle();
    world.start_pod();
    world.settle();
    world.now = "2026-03-04T03:40:04Z".parse().unwrap();
    assert_eq!(world.plan().intents, [], "a normal end within its grace is left alone");
    world.pass(1);
    let mut follower = world.clone();
    follower.look_without_leading();
    assert!(follower.pods[0].metadata.deletion_timestamp.is_some());
    assert!(
        matches!(deeds(&world.plan()).as_slice(), [Intent::DeleteTestPod(deletion)] if deletion.cause == TestPodEnd::PastNotAfter)
    );
    world.look();
    let (verdict, reasons) = world.verdict();
    assert_eq!((verdict.as_str(), reasons[0].as_str()), ("Inconclusive", "PastNotAfter"));
}
