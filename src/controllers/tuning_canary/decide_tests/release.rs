//! When what a canary took is given back: when the kubelet says so, and not when the pod's object is gone.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::world::{World, ended, measured};
use crate::{
    api::{
        condition::{ConditionStatus, ConditionType},
        tuning_canary::status::CanaryPhase,
    },
    controllers::tuning_canary::{
        facts::is_frozen,
        fixture::{at, changed},
    },
};

/// A canary that was aborted 20 s after its engine started; its pod is being deleted.
fn aborted() -> World {
    let mut world = World::new();
    world.settle();
    world.start_pod();
    world.settle();
    world.pass(20);
    world.canary.spec.abort = true;
    world.look();
    assert!(world.pods[0].metadata.deletion_timestamp.is_some());
    world
}

fn restored(world: &World) -> (ConditionStatus, String) {
    let condition = world.condition(&ConditionType::Restored).unwrap();
    (condition.status, condition.reason.clone())
}

#[test]
fn containers_that_are_reported_terminated_are_given_back_with_what_they_used() {
    let mut world = aborted();
    assert_eq!(restored(&world), (ConditionStatus::False, "Releasing".to_owned()));
    world.pass(3);
    let mut status = ended(world.now, "");
    status["phase"] = json!("Running");
    world.set_pod_status(Some("n1"), status);
    world.look();
    assert_eq!(restored(&world), (ConditionStatus::True, "Released".to_owned()));
    let used = world.status().used.clone().unwrap();
    // Ended 60 s after its start, by the kubelet's times; how much of it was measuring nobody knows.
    assert_eq!((used.measure.to_string(), used.hold.to_string(), used.proven), ("8s".into(), "1m".into(), false));
    assert_eq!(world.status().phase, Some(CanaryPhase::Done));
}

#[test]
fn without_a_report_no_more_counts_as_measuring_than_the_probe_ran() {
    let mut world = aborted();
    let mut status = ended(world.now, "");
    status["phase"] = json!("Running");
    let start = world.now - SignedDuration::from_secs(2);
    status["containerStatuses"][0]["state"]["terminated"]["startedAt"] = json!(start);
    world.set_pod_status(Some("n1"), status);
    world.look();
    let used = world.status().used.clone().unwrap();
    // 2 s, and the second in which it ended; 8 s were reserved. That is a bound and no proof.
    assert_eq!((used.measure.to_string(), used.hold.to_string(), used.proven), ("3s".into(), "1m".into(), false));
}

#[test]
fn a_deleted_pod_that_is_gone_is_given_up_with_all_that_was_reserved() {
    let mut world = aborted();
    world.pass(2);
    world.sweep();
    world.look();
    assert_eq!(restored(&world), (ConditionStatus::True, "GivenUp".to_owned()));
    let used = world.status().used.clone().unwrap();
    assert_eq!((used.hold.to_string(), used.proven), ("2m18s".to_owned(), false));
}

#[test]
fn containers_that_do_not_end_within_the_sla_freeze_the_target() {
    let mut world = aborted();
    world.pass(14);
    world.settle();
    assert!(!is_frozen(&world.canary));
    world.pass(1);
    world.settle();
    assert_eq!(restored(&world), (ConditionStatus::False, "RestoreFailed".to_owned()));
    assert_eq!(world.condition(&ConditionType::Stalled).unwrap().status, ConditionStatus::True);
    assert!(is_frozen(&world.canary) && world.status().released_at.is_none());
    // That the pod's object goes is no proof.
    world.sweep();
    world.pass(3600);
    world.settle();
    assert!(is_frozen(&world.canary));
}

#[test]
fn a_target_thaws_when_the_kubelet_reports_or_a_person_has_looked() {
    let mut world = aborted();
    world.pass(15);
    world.settle();
    let mut reported = world.clone();
    let mut status = ended(reported.now, "");
    status["phase"] = json!("Running");
    reported.set_pod_status(Some("n1"), status);
    reported.look();
    assert_eq!(restored(&reported), (ConditionStatus::True, "Released".to_owned()));
    world.canary = changed(&world.canary, |canary| {
        canary["metadata"]["annotations"] = json!({ "phaseloop.dev/retry": "jane" });
    });
    world.look();
    assert_eq!(restored(&world), (ConditionStatus::True, "GivenUp".to_owned()));
}

#[test]
fn a_retry_before_anything_failed_gives_nothing_back() {
    let mut world = aborted();
    world.canary = changed(&world.canary, |canary| {
        canary["metadata"]["annotations"] = json!({ "phaseloop.dev/retry": "jane" });
    });
    world.look();
    assert_eq!(world.status().released_at, None);
}

#[test]
fn a_restore_that_failed_before_its_escalation_went_lets_the_canary_go() {
    let mut world = aborted();
    world.pass(15);
    world.settle();
    world.escalation = None;
    world.look();
    assert_eq!(world.canary.metadata.finalizers, Some(vec![]));
}

#[test]
fn each_phase_is_recorded_once_and_the_chain_holds() {
    let mut world = aborted();
    world.pass(2);
    world.sweep();
    world.settle();
    world.now = at("2026-03-04T03:50:00Z");
    world.settle();
    let history = world.status().history.clone().unwrap();
    let phases: Vec<&str> = history.records.iter().map(|record| record.to.as_str()).collect();
    assert_eq!(phases, ["Pending", "Starting", "Measuring", "Scoring", "Done"]);
    let object = crate::controllers::kind::audited::<crate::controllers::tuning_canary::TuningCanaries>(&world.canary);
    let records: Vec<_> = history.records.iter().map(|record| record.to_audit_record(object.clone())).collect();
    assert_eq!(phaseloop_core::audit::verify_chain(&records), Ok(()));
    assert!(history.records.iter().all(|record| record.cycle.as_deref() == Some("nightly-20260304")));
    let _: Value = serde_json::to_value(&history).unwrap();
}

#[test]
fn in_a_namespace_that_is_deleted_a_pod_that_is_not_read_is_charged_in_full_whatever_was_waited_for() {
    let going = |mut world: World| {
        world.pods.clear();
        world.canary.metadata.deletion_timestamp = Some(Time(world.now));
        world
    };
    let mut undecided = World::new();
    undecided.settle();
    undecided.start_pod();
    undecided.settle();
    let mut measured_whole = World::new();
    measured_whole.measure(|now| measured(now, 70));
    let mut frozen = aborted();
    frozen.pass(15);
    frozen.settle();
    assert!(is_frozen(&frozen.canary) && measured_whole.status().released_at.is_some());
    measured_whole.canary.status.as_mut().unwrap().released_at = None;
    for (mut world, verdict) in
        [(going(undecided), "Aborted"), (going(measured_whole), "Passed"), (going(frozen), "Aborted")]
    {
        let mut waiting = world.clone();
        waiting.settle();
        assert_eq!(
            waiting.canary.metadata.finalizers.as_ref().unwrap().len(),
            1,
            "{verdict}: while the namespace lives"
        );
        world.namespace_ends = true;
        world.settle();
        assert_eq!(world.verdict().0, verdict);
        assert_eq!(restored(&world), (ConditionStatus::True, "GivenUp".to_owned()), "{verdict}");
        assert_eq!(world.status().used.as_ref().unwrap().hold.to_string(), "2m18s", "{verdict}");
        assert_eq!(world.canary.metadata.finalizers, Some(vec![]), "{verdict}");
        assert_eq!(world.exported.last().unwrap(), "Done", "{verdict}");
        let ledger = world.escalation.unwrap().status.unwrap().ledger.unwrap();
        assert_eq!(ledger.nights[0].folded.len(), 1, "{verdict}: an Escalation that is still there is told");
    }
}
