//! A night from the schedule to the verdict.

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop::api::{
    condition::{ConditionStatus, ConditionType},
    phase_run::status::PhaseRunPhase,
};
use phaseloop_core::{audit::verify_chain, value::Verdict};
use serde_json::json;

use crate::cluster::{NAMESPACE, World, at, run};

/// From half past two to a stored result of the night's only domain.
async fn test_night(world: &World, latency: f64) {
    world.settle().await;
    let now = world.now();
    let start = now.to_string();
    let three = at(&format!("{}T03:00:00Z", &start[..10]));
    world.clock.move_to(three);
    world.settle().await;
    world.measure(latency);
    world.settle().await;
    world.sweep();
    world.settle().await;
}

#[test]
fn a_schedule_starts_a_run_once_however_often_it_is_looked_at() {
    run(async {
        let world = World::new();
        world.create_schedule();
        world.settle().await;
        assert_eq!(world.runs().len(), 0);
        world.clock.move_to(at("2026-03-04T03:00:00Z"));
        for _ in 0..3 {
            world.settle().await;
        }
        let runs = world.created().into_iter().filter(|made| made.starts_with("phaseruns")).collect::<Vec<_>>();
        assert_eq!(runs, ["phaseruns nightly-20260304-0300"]);
        let status = world.schedules()[0].status.clone().unwrap();
        assert_eq!(status.last_schedule_time, Some(at("2026-03-04T03:00:00Z")));
        assert_eq!(status.last_run.unwrap().name, "nightly-20260304-0300");
    });
}

#[test]
fn an_ended_pod_becomes_a_result_then_goes_then_the_run_is_judged() {
    run(async {
        let world = World::new();
        world.create_schedule();
        test_night(&world, 100.0).await;
        let ended = world.run("nightly-20260304-0300");
        let status = ended.status.as_ref().unwrap();
        assert_eq!((status.phase, status.verdict), (Some(PhaseRunPhase::Completed), Some(Verdict::Unknown)));
        assert_eq!(status.reasons, ["BaselineSeeding", "EngineUnobserved"]);
        assert!(world.pods().is_empty());
        let last_run = world.schedules()[0].status.clone().unwrap().last_run.unwrap();
        assert_eq!(last_run.verdict, Some(Verdict::Unknown));
        let object = phaseloop_core::audit::AuditedObject {
            kind: "PhaseRun".to_owned(),
            namespace: NAMESPACE.to_owned(),
            name: ended.name_any(),
            uid: phaseloop_core::value::Uid::new(ended.uid().unwrap()),
        };
        let records: Vec<_> = status
            .history
            .as_ref()
            .unwrap()
            .records
            .iter()
            .map(|record| record.to_audit_record(object.clone()))
            .collect();
        assert_eq!(verify_chain(&records), Ok(()));
        let phases: Vec<&str> = records.iter().map(|record| record.to.as_str()).collect();
        assert_eq!(phases, ["Running", "Analyzing", "Completed"]);
    });
}

#[test]
fn a_fourth_slow_night_is_degraded_against_three_stored_ones() {
    run(async {
        let world = World::new();
        world.create_schedule();
        for latency in [100.0, 102.0, 98.0, 250.0] {
            test_night(&world, latency).await;
            world.pass(SignedDuration::from_hours(23));
        }
        let verdicts: Vec<Verdict> =
            world.runs().iter().map(|run| run.status.as_ref().unwrap().verdict.unwrap()).collect();
        assert_eq!(verdicts, [Verdict::Unknown, Verdict::Unknown, Verdict::Unknown, Verdict::Degraded]);
        let last = world.run("nightly-20260307-0300");
        let symptoms = &last.status.as_ref().unwrap().symptoms;
        assert_eq!((symptoms.len(), symptoms[0].baseline), (1, Some(100.0)));
    });
}

#[test]
fn a_cluster_at_rest_is_not_written_to() {
    run(async {
        let world = World::new();
        world.create_schedule();
        test_night(&world, 100.0).await;
        let writes = world.server.write_count();
        for _ in 0..12 {
            world.pass(SignedDuration::from_mins(5));
            world.look().await;
        }
        assert_eq!(world.server.write_count(), writes);
    });
}

#[test]
fn two_runs_of_one_target_test_one_after_the_other() {
    run(async {
        let world = World::new();
        world.create_run("first", &["chat"]);
        world.create_run("second", &["chat"]);
        world.settle().await;
        assert_eq!(world.pods().len(), 1);
        let waiting = world.runs().into_iter().find(|run| run.status.as_ref().unwrap().started_at.is_none()).unwrap();
        let ready = &waiting.status.as_ref().unwrap().conditions[0];
        assert_eq!((&ready.type_, ready.reason.as_str()), (&ConditionType::Ready, "TargetBusy"));
        world.measure(100.0);
        world.settle().await;
        world.sweep();
        world.settle().await;
        assert_eq!(world.pods().len(), 1, "now the second one tests");
    });
}

#[test]
fn what_the_quota_has_no_room_for_is_unknown_and_not_tried_again() {
    run(async {
        let world = World::new();
        world.forbid_gpus();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        let status = world.run("manual").status.unwrap();
        assert_eq!((status.phase, status.verdict), (Some(PhaseRunPhase::Failed), Some(Verdict::Unknown)));
        assert_eq!(status.reasons, ["QuotaExceeded"]);
        assert!(world.pods().is_empty());
    });
}

#[test]
fn deleting_a_schedule_deletes_no_evidence() {
    run(async {
        let world = World::new();
        world.create_schedule();
        test_night(&world, 100.0).await;
        let kind = ("phaseloop.dev/v1alpha1", "PhaseSchedule");
        world.person().delete(kind, NAMESPACE, "nightly", None).unwrap();
        world.settle().await;
        assert_eq!((world.schedules().len(), world.runs().len()), (0, 1));
    });
}

#[test]
fn any_replica_ends_an_aborted_pod_and_only_the_leader_says_so() {
    run(async {
        let world = World::new();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        let kind = ("phaseloop.dev/v1alpha1", "PhaseRun");
        world.person().merge(kind, NAMESPACE, "manual", "", json!({ "spec": { "abort": true } })).unwrap();
        let before = world.run("manual").status;
        world.look_as(false).await;
        world.sweep();
        assert!(world.pods().is_empty());
        assert_eq!(world.run("manual").status, before);
        world.settle().await;
        let status = world.run("manual").status.unwrap();
        assert_eq!(status.phase, Some(PhaseRunPhase::Aborted));
        let restored = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Restored).unwrap();
        assert_eq!(restored.status, ConditionStatus::True);
    });
}

#[test]
fn a_replica_that_does_not_lead_deletes_no_pod_whose_result_nobody_has() {
    run(async {
        let world = World::new();
        world.create_run("manual", &["chat"]);
        world.settle().await;
        world.measure(100.0);
        for _ in 0..3 {
            world.look_as(false).await;
        }
        assert_eq!(world.pods().len(), 1);
        assert!(world.pods()[0].metadata.deletion_timestamp.is_none());
    });
}

#[test]
fn old_runs_are_pruned_with_their_records_exported() {
    run(async {
        let world = World::new();
        world.create_schedule();
        let kind = ("phaseloop.dev/v1alpha1", "PhaseSchedule");
        world.person().merge(kind, NAMESPACE, "nightly", "", json!({ "spec": { "historyLimit": 3 } })).unwrap();
        for _ in 0..4 {
            test_night(&world, 100.0).await;
            world.pass(SignedDuration::from_hours(23));
        }
        assert_eq!(world.runs().len(), 4, "all lie in the baseline's window");
        world.pass(SignedDuration::from_hours(24 * 29));
        world.settle().await;
        assert_eq!(world.runs().len(), 3);
        let exported = world.export.0.lock().unwrap();
        let names: std::collections::BTreeSet<&str> =
            exported.iter().map(|record| record.object.name.as_str()).collect();
        assert_eq!(names, ["nightly-20260304-0300"].into());
        assert_eq!(exported.len(), 3);
    });
}
