//! What a schedule does, as whole plans.

use std::sync::Arc;

use phaseloop_core::plan::{OwnObject, check_plan};
use phaseloop_core::value::{Uid, Verdict};
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{
        Escalation, PhaseSchedule,
        condition::{ConditionStatus, ConditionType},
        phase_run::status::PhaseRunPhase,
    },
    cluster::ClusterErrorKind,
    controllers::{
        Kind, OperatorSettings, condition,
        phase_run::fixture::{at, promotion, run_named, workload},
        phase_schedule::{ObservedPhaseSchedule, PhaseSchedules},
    },
};

const DUE: &str = "2026-03-04T03:00:00Z";

/// Nightly at 03:00 UTC, made on 1 March at noon; `nightly` is its name.
fn schedule(spec: &Value, status: &Value) -> PhaseSchedule {
    let mut object = json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseSchedule",
        "metadata": {
            "name": "nightly", "namespace": "chat", "uid": "uid-nightly",
            "creationTimestamp": "2026-03-01T12:00:00Z",
        },
        "spec": { "run": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "domains": [{ "name": "chat", "serving": { "workload": workload() } }],
        } },
        "status": status,
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

/// A run of the schedule for an instant, with a phase, that ended 20 minutes later with a verdict.
fn run(scheduled_at: &str, phase: PhaseRunPhase, verdict: Option<Verdict>) -> PhaseRun {
    let mut run = run_named(&phase_run_name("nightly", at(scheduled_at)));
    run.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(scheduled_at)));
    let status = run.status.get_or_insert_default();
    status.phase = Some(phase);
    status.verdict = verdict;
    status.started_at = Some(at(scheduled_at));
    status.completed_at = verdict.map(|_| at(scheduled_at) + SignedDuration::from_mins(20));
    run
}

fn healthy(scheduled_at: &str) -> PhaseRun {
    let mut run = run(scheduled_at, PhaseRunPhase::Completed, Some(Verdict::Healthy));
    run.status.as_mut().unwrap().admitted = Some(true);
    run
}

fn observed(object: PhaseSchedule, runs: &[PhaseRun]) -> ObservedPhaseSchedule {
    ObservedPhaseSchedule {
        object,
        runs: runs.iter().cloned().map(Arc::new).collect(),
        escalations: Vec::new(),
        promotions: Vec::new(),
    }
}

fn valid(observed: ObservedPhaseSchedule) -> ValidPhaseSchedule {
    PhaseSchedules::validate(observed, &OperatorSettings::for_image("phaseloop:1"))
}

fn decided(object: PhaseSchedule, runs: &[PhaseRun], now: &str) -> Plan<Report<PhaseScheduleStatus>> {
    let plan = decide(&valid(observed(object, runs)), at(now));
    assert_eq!(check_plan(&plan), []);
    plan
}

fn own() -> OwnObject {
    OwnObject::new(OwnKind::PhaseSchedule, "nightly", Uid::new("uid-nightly"))
}

fn creation(scheduled_at: &str) -> Intent {
    let scheduled_at = at(scheduled_at);
    Intent::CreatePhaseRun(NewPhaseRun { name: phase_run_name("nightly", scheduled_at), schedule: own(), scheduled_at })
}

fn told(severity: NoticeSeverity, reason: &'static str, note: &str) -> Intent {
    Intent::RecordEvent(Notice { object: own(), severity, reason, note: note.to_owned(), identity: note.to_owned() })
}

fn ready(status: ConditionStatus, reason: &str, message: &str) -> crate::api::Condition {
    condition(ConditionType::Ready, status, reason, message)
}

#[test]
fn a_start_is_remembered_before_its_run_is_made_and_reported_after() {
    let plan = decided(schedule(&json!({}), &Value::Null), &[], DUE);
    let message = "the run of 2026-03-04T03:00:00Z starts";
    let status = PhaseScheduleStatus {
        last_schedule_time: Some(at(DUE)),
        next_schedule_time: Some(at("2026-03-05T03:00:00Z")),
        missed_runs: Some(2),
        ..PhaseScheduleStatus::default()
    };
    let ready = ready(ConditionStatus::True, "OnTime", message);
    let reconciling = condition(ConditionType::Reconciling, ConditionStatus::True, "OnTime", message);
    let remembered = PhaseScheduleStatus { conditions: vec![ready.clone(), reconciling], ..status.clone() };
    let name = "nightly-20260304-0300".to_owned();
    let reported =
        PhaseScheduleStatus { last_run: Some(LastRun { name, verdict: None }), conditions: vec![ready], ..status };
    let expected = Plan {
        remember: Some(Report::new(remembered, "OnTime", message)),
        intents: vec![creation(DUE), told(NoticeSeverity::Normal, "OnTime", message)],
        report: Report::new(reported, "OnTime", message),
        wake: Wake::At(at("2026-03-05T03:00:00Z")),
    };
    assert_eq!(plan, expected);
}

#[test]
fn between_two_starts_nothing_is_done() {
    let status = json!({ "lastScheduleTime": DUE, "missedRuns": 2 });
    let plan = decided(schedule(&json!({}), &status), &[healthy(DUE)], "2026-03-04T12:00:00Z");
    let message = "next run at 2026-03-05T03:00:00Z";
    let reported = PhaseScheduleStatus {
        last_schedule_time: Some(at(DUE)),
        next_schedule_time: Some(at("2026-03-05T03:00:00Z")),
        missed_runs: Some(2),
        last_run: Some(LastRun { name: "nightly-20260304-0300".to_owned(), verdict: Some(Verdict::Healthy) }),
        conditions: vec![ready(ConditionStatus::True, "NotYet", message)],
        ..PhaseScheduleStatus::default()
    };
    let report = Report::new(reported, "NotYet", message);
    assert_eq!(plan, Plan::report_only(report, Wake::At(at("2026-03-05T03:00:00Z"))));
}

#[test]
fn a_death_between_remembering_and_making_loses_no_run_and_counts_nothing_twice() {
    let first = decided(schedule(&json!({}), &Value::Null), &[], DUE);
    let remembered = serde_json::to_value(first.remember.unwrap().status).unwrap();
    let again = decided(schedule(&json!({}), &remembered), &[], "2026-03-04T03:10:00Z");
    assert_eq!(again.intents[0], creation(DUE));
    assert_eq!(again.remember.unwrap().status.missed_runs, Some(2));
    assert_eq!(again.report.status.last_run.unwrap().name, "nightly-20260304-0300");
    // Once the deadline is over nobody makes it any more.
    let late = decided(schedule(&json!({}), &remembered), &[], "2026-03-04T04:00:01Z");
    assert_eq!((late.intents, late.remember), (vec![], None));
}

#[test]
fn a_run_that_was_made_and_reported_is_not_made_again_when_somebody_deletes_it() {
    let made = json!({
        "lastScheduleTime": DUE, "lastRun": { "name": "nightly-20260304-0300" }, "missedRuns": 0,
    });
    let plan = decided(schedule(&json!({}), &made), &[], "2026-03-04T03:10:00Z");
    assert_eq!((plan.intents, plan.remember), (vec![], None));
}

#[test]
fn no_run_starts_while_an_earlier_one_has_not_ended() {
    let earlier = "2026-03-03T03:00:00Z";
    let status = json!({ "lastScheduleTime": earlier });
    for phase in [PhaseRunPhase::Pending, PhaseRunPhase::Running, PhaseRunPhase::Analyzing] {
        let plan = decided(schedule(&json!({}), &status), &[run(earlier, phase, None)], DUE);
        assert_eq!((plan.intents, plan.remember), (vec![], None), "{phase:?}");
        assert_eq!(plan.report.reason, "OverlapsEarlierRun");
        assert_eq!(plan.report.status.last_schedule_time, Some(at(earlier)));
    }
    for phase in [PhaseRunPhase::Completed, PhaseRunPhase::Failed, PhaseRunPhase::Aborted] {
        let plan = decided(schedule(&json!({}), &status), &[run(earlier, phase, Some(Verdict::Unknown))], DUE);
        assert_eq!(plan.intents[0], creation(DUE), "{phase:?}");
    }
}

#[test]
fn a_start_beyond_its_deadline_is_given_up_once_and_told() {
    let object = schedule(&json!({}), &json!({ "lastScheduleTime": "2026-03-03T03:00:00Z" }));
    let plan = decided(object, &[], "2026-03-04T04:00:01Z");
    let message = "the run of 2026-03-04T03:00:00Z is 1h1s late, more than the starting deadline of 1h";
    assert_eq!(plan.intents, [told(NoticeSeverity::Warning, "TooLate", message)]);
    assert_eq!(plan.report.status.missed_runs, Some(1));
    assert_eq!(plan.report.status.last_schedule_time, Some(at(DUE)));
    let settled = serde_json::to_value(&plan.report.status).unwrap();
    let later = decided(schedule(&json!({}), &settled), &[], "2026-03-04T04:05:00Z");
    assert_eq!((later.intents, later.report.status.missed_runs), (vec![], Some(1)));
}

#[test]
fn a_suspended_schedule_starts_nothing_and_names_no_next_start() {
    let plan = decided(schedule(&json!({ "suspend": true }), &Value::Null), &[], DUE);
    assert_eq!((plan.intents.len(), plan.remember), (0, None));
    assert_eq!(plan.report.status.next_schedule_time, None);
    assert_eq!((plan.report.reason.as_str(), plan.wake), ("Suspended", Wake::At(at("2026-03-05T03:00:00Z"))));
}

#[test]
fn a_spec_that_cannot_work_is_stalled_with_its_field_and_waits_for_a_change() {
    let spec = json!({ "schedule": "0 3 30 2 *", "timeZone": "Europe/Atlantis" });
    let plan = decided(schedule(&spec, &Value::Null), &[], DUE);
    assert_eq!((plan.intents.len(), plan.wake), (0, Wake::OnChange));
    let conditions = &plan.report.status.conditions;
    let of = |type_| conditions.iter().find(|condition| condition.type_ == type_).unwrap();
    assert_eq!(of(ConditionType::Ready).status, ConditionStatus::False);
    let stalled = of(ConditionType::Stalled);
    assert_eq!((stalled.status, stalled.reason.as_str()), (ConditionStatus::True, "InvalidSpec"));
    assert!(stalled.message.contains("spec.timeZone: unknown time zone"), "{}", stalled.message);
}

#[test]
fn a_schedule_that_is_being_deleted_starts_nothing_and_keeps_its_runs() {
    let mut object = schedule(&json!({ "historyLimit": 3 }), &Value::Null);
    object.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(DUE)));
    let plan = decided(object, &[], DUE);
    assert_eq!((plan.intents, plan.wake), (vec![], Wake::OnChange));
}

#[test]
fn a_refused_run_is_told_and_tried_again() {
    let valid = valid(observed(schedule(&json!({}), &Value::Null), &[]));
    let intent = creation(DUE);
    let [effect] = PhaseSchedules::build(&valid, &intent, at(DUE)).try_into().unwrap();
    let error = ClusterError::without_source("create", "PhaseRun chat/x", ClusterErrorKind::Refused);
    let plan = decide_refused(&valid, &effect, &error, at(DUE)).unwrap();
    let ready = &plan.report.status.conditions[0];
    assert_eq!((ready.status, ready.reason.as_str()), (ConditionStatus::False, "RunRefused"));
    assert_eq!(plan.wake, Wake::At(at("2026-03-04T03:01:00Z")));
    // What was remembered stays, and the next look tries again.
    let status = serde_json::to_value(&plan.report.status).unwrap();
    assert_eq!(decided(schedule(&json!({}), &status), &[], "2026-03-04T03:01:00Z").intents[0], intent);
}

#[test]
fn a_run_is_made_of_the_schedule_and_belongs_to_nobody() {
    let valid = valid(observed(schedule(&json!({}), &Value::Null), &[]));
    let effects = PhaseSchedules::build(&valid, &creation(DUE), at(DUE));
    let [Effect::CreatePhaseRun(run)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(run.metadata.name.as_deref(), Some("nightly-20260304-0300"));
    assert_eq!(run.owner_references(), []);
    assert_eq!(run.spec, valid.object.spec.run);
    let labels = run.labels();
    assert_eq!(labels.get("phaseloop.dev/schedule").map(String::as_str), Some("nightly"));
    assert_eq!(labels.get("app.kubernetes.io/managed-by").map(String::as_str), Some("phaseloop"));
    assert!(labels["phaseloop.dev/target"].starts_with("llama-"));
    assert_eq!(run.annotations()["phaseloop.dev/spec-digest"].len(), 64);
}

/// Nights before 4 March, newest first: `0` is the night of 4 March.
fn night(ago: i64) -> String {
    (at(DUE) - SignedDuration::from_hours(24 * ago)).to_string()
}

fn pruned(observed: ObservedPhaseSchedule) -> Vec<String> {
    let plan = decide(&valid(observed), at("2026-03-04T12:00:00Z"));
    assert_eq!(check_plan(&plan), []);
    let deleted = plan.intents.into_iter().filter_map(|intent| match intent {
        Intent::DeleteFinished(object) => Some(object.name),
        _ => None,
    });
    deleted.collect()
}

fn names(nights: &[i64]) -> Vec<String> {
    nights.iter().map(|ago| phase_run_name("nightly", at(&night(*ago)))).collect()
}

fn degraded(ago: i64) -> PhaseRun {
    run(&night(ago), PhaseRunPhase::Completed, Some(Verdict::Degraded))
}

#[test]
fn runs_beyond_the_limit_go_oldest_first_and_none_of_the_baselines_window() {
    let object = || schedule(&json!({ "historyLimit": 9 }), &json!({ "lastScheduleTime": DUE }));
    let runs: Vec<PhaseRun> = (0..12).map(degraded).collect();
    assert_eq!(pruned(observed(object(), &runs)), names(&[11, 10, 9]));
    // The window of seven days holds seven nights, whatever the limit says.
    let few = schedule(&json!({ "historyLimit": 3 }), &json!({ "lastScheduleTime": DUE }));
    assert_eq!(pruned(observed(few, &runs)), names(&[11, 10, 9, 8, 7]));
    assert_eq!(pruned(observed(object(), &runs[..9])), names(&[]));
}

#[test]
fn admitted_runs_that_a_baseline_may_reach_back_to_are_kept_for_28_days() {
    let object = schedule(&json!({ "historyLimit": 3 }), &json!({ "lastScheduleTime": DUE }));
    // Three runs needed, so that the newest seven admitted ones are kept; the two oldest may go, and so may degraded ones.
    let mut runs: Vec<PhaseRun> = (10..19).map(|ago| healthy(&night(ago))).collect();
    runs.push(degraded(9));
    assert_eq!(pruned(observed(object.clone(), &runs)), names(&[18, 17, 9]));
    // Beyond 28 days none serves.
    let old: Vec<PhaseRun> = (26..31).map(|ago| healthy(&night(ago))).collect();
    assert_eq!(pruned(observed(object, &old)), names(&[30, 29]));
}

#[test]
fn runs_of_a_counting_window_and_those_that_may_validate_are_kept() {
    let object = || schedule(&json!({ "historyLimit": 3 }), &json!({ "lastScheduleTime": DUE }));
    let runs: Vec<PhaseRun> = (0..12).map(degraded).collect();
    let escalation: Escalation = serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Escalation", "metadata": { "name": "e" },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "rules": [{ "symptom": "vllm_oom", "window": "240h" }],
        },
    }))
    .unwrap();
    let counted = ObservedPhaseSchedule { escalations: vec![Arc::new(escalation)], ..observed(object(), &runs) };
    assert_eq!(pruned(counted), names(&[11, 10]));
    let applied = promotion(json!({ "phase": "Applied", "appliedAt": night(8) }));
    let validating = ObservedPhaseSchedule { promotions: vec![Arc::new(applied.clone())], ..observed(object(), &runs) };
    assert_eq!(pruned(validating), names(&[11, 10, 9]));
    let mut ended = applied;
    ended.status.as_mut().unwrap().phase = Some(crate::api::promotion::status::PromotionPhase::Validated);
    let validated = ObservedPhaseSchedule { promotions: vec![Arc::new(ended)], ..observed(object(), &runs) };
    assert_eq!(pruned(validated).len(), 5);
}

#[test]
fn a_rule_without_a_window_keeps_what_its_threshold_needs() {
    // Ten nights: 9 periods, a run of 4 h and an hour.
    let escalation: Escalation = serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Escalation", "metadata": { "name": "e" },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "rules": [{ "symptom": "vllm_oom", "threshold": 10 }],
        },
    }))
    .unwrap();
    let object = schedule(&json!({}), &Value::Null);
    let observed = ObservedPhaseSchedule { escalations: vec![Arc::new(escalation)], ..observed(object, &[]) };
    assert_eq!(valid(observed).counting_windows, [SignedDuration::from_hours(9 * 24 + 5)]);
}

#[test]
fn what_is_pruned_is_exported_before() {
    let object = schedule(&json!({ "historyLimit": 3 }), &json!({ "lastScheduleTime": DUE }));
    let mut runs: Vec<PhaseRun> = vec![degraded(40), degraded(2), degraded(1), degraded(0)];
    let records = json!({ "records": [
        { "sequence": 0, "at": DUE, "to": "Running", "reason": "Testing", "message": "m", "hash": "a" },
        { "sequence": 1, "at": DUE, "to": "Completed", "reason": "Judged", "message": "m", "hash": "b" },
    ] });
    runs[0].status.as_mut().unwrap().history = serde_json::from_value(records).unwrap();
    let valid = valid(observed(object, &runs));
    let plan = decide(&valid, at("2026-03-04T12:00:00Z"));
    let effects: Vec<Effect> =
        plan.intents.iter().flat_map(|intent| PhaseSchedules::build(&valid, intent, at(DUE))).collect();
    let [Effect::ExportAudit(exported), Effect::DeleteOwn(deleted)] = effects.as_slice() else { panic!("{effects:?}") };
    let hashes: Vec<&str> = exported.iter().map(|record| record.hash.as_str()).collect();
    assert_eq!(hashes, ["a", "b"]);
    assert_eq!(exported[0].object.uid, deleted.uid);
}
