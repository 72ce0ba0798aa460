use phaseloop_core::{audit::verify_chain, value::Uid};

use super::*;
use crate::{
    api::phase_run::{PhaseRunStatus, status::PhaseRunPhase},
    controllers::KindStatus,
};

fn object() -> AuditedObject {
    AuditedObject {
        kind: "PhaseRun".to_owned(),
        namespace: "chat".to_owned(),
        name: "nightly".to_owned(),
        uid: Uid::new("u1"),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn report(phase: PhaseRunPhase, ready: ConditionStatus, message: &str) -> Report<PhaseRunStatus> {
    let conditions = vec![condition(ConditionType::Ready, ready, "Measuring", message)];
    let status = PhaseRunStatus { phase: Some(phase), conditions, ..PhaseRunStatus::default() };
    Report::new(status, "Measuring", message)
}

fn sealed(report: &Report<PhaseRunStatus>, before: Option<&PhaseRunStatus>, now: &str) -> PhaseRunStatus {
    seal(report, before, Some(3), object(), at(now))
}

#[test]
fn sealing_the_same_report_again_changes_nothing() {
    let report = report(PhaseRunPhase::Running, ConditionStatus::False, "1 of 2");
    let first = sealed(&report, None, "2026-03-01T03:00:00Z");
    assert_eq!(sealed(&report, Some(&first), "2026-03-01T03:05:00Z"), first);
    assert_eq!(first.observed_generation, Some(3));
}

#[test]
fn a_condition_keeps_the_time_of_its_last_transition_while_only_its_message_changes() {
    let first = sealed(&report(PhaseRunPhase::Running, ConditionStatus::False, "1 of 2"), None, "2026-03-01T03:00:00Z");
    let running = report(PhaseRunPhase::Running, ConditionStatus::False, "2 of 2");
    let second = sealed(&running, Some(&first), "2026-03-01T03:05:00Z");
    assert_eq!(second.conditions[0].last_transition_time, at("2026-03-01T03:00:00Z"));
    assert_eq!(second.conditions[0].message, "2 of 2");
    let done = report(PhaseRunPhase::Completed, ConditionStatus::True, "done");
    let third = sealed(&done, Some(&second), "2026-03-01T03:09:00Z");
    assert_eq!(third.conditions[0].last_transition_time, at("2026-03-01T03:09:00Z"));
}

#[test]
fn each_transition_adds_one_record_to_a_sound_chain() {
    let mut status = None;
    for (phase, now) in [
        (PhaseRunPhase::Pending, "2026-03-01T03:00:00Z"),
        (PhaseRunPhase::Running, "2026-03-01T03:01:00Z"),
        (PhaseRunPhase::Running, "2026-03-01T03:02:00Z"),
        (PhaseRunPhase::Completed, "2026-03-01T03:03:00Z"),
    ] {
        status = Some(sealed(&report(phase, ConditionStatus::False, now), status.as_ref(), now));
    }
    let history = status.unwrap().history.unwrap();
    let records: Vec<AuditRecord> = history.records.iter().map(|record| record.to_audit_record(object())).collect();
    assert_eq!(verify_chain(&records), Ok(()));
    let ways: Vec<(Option<&str>, &str)> =
        records.iter().map(|record| (record.from.as_deref(), record.to.as_str())).collect();
    assert_eq!(ways, [(None, "Pending"), (Some("Pending"), "Running"), (Some("Running"), "Completed")]);
    assert_eq!(history.head.as_ref(), records.last().map(|record| &record.hash));
}

#[test]
fn what_another_program_wrote_stays_and_what_we_no_longer_say_goes() {
    let mut before = sealed(&report(PhaseRunPhase::Running, ConditionStatus::False, "x"), None, "2026-03-01T03:00:00Z");
    let foreign = condition(ConditionType::Foreign("argocd.io/Synced".into()), ConditionStatus::True, "Synced", "");
    before.conditions.push(foreign.clone());
    before.conditions.push(condition(ConditionType::Stalled, ConditionStatus::True, "Old", ""));
    let report = report(PhaseRunPhase::Running, ConditionStatus::False, "x");
    let after = sealed(&report, Some(&before), "2026-03-01T03:05:00Z");
    let types: Vec<&ConditionType> = after.conditions().iter().map(|condition| &condition.type_).collect();
    assert_eq!(types, [&ConditionType::Ready, &foreign.type_]);
}
