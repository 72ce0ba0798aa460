//! What a schedule does at an instant.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent, OwnKind, Plan, Wake,
        name::phase_run_name,
        record::{AuditExport, NewPhaseRun, Notice, NoticeSeverity},
    },
    schedule::{ScheduleDecision, ScheduleInput, ScheduleReason, decide_schedule, earlier_by},
};

use super::{ValidPhaseSchedule, retention::prunable, status, validate::own_object};
use crate::{
    api::{PhaseRun, PhaseScheduleStatus, phase_schedule::LastRun},
    cluster::{ClusterError, Effect},
    controllers::{Report, phase_run::facts::has_ended},
};

/// How soon a run that the cluster refused is tried again.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_mins(1);

/// Decides. A schedule that is being deleted does nothing more; its runs stay.
pub(super) fn decide(valid: &ValidPhaseSchedule, now: Timestamp) -> Plan<Report<PhaseScheduleStatus>> {
    let before = valid.object.status.clone().unwrap_or_default();
    if valid.object.metadata.deletion_timestamp.is_some() {
        return Plan::report_only(status::unchanged(before), Wake::OnChange);
    }
    let schedule = match &valid.schedule {
        Ok(schedule) => schedule,
        Err(faults) => return Plan::report_only(status::invalid(before, faults), Wake::OnChange),
    };
    let spec = &valid.object.spec;
    let input = ScheduleInput {
        schedule: schedule.clone(),
        starting_deadline: spec.starting_deadline.into(),
        suspended: spec.suspend,
        last_schedule_time: dealt_with(valid, now),
        active_run: valid.runs.iter().find(|run| !has_ended(run)).map(|run| run.name_any()),
        created_at: valid.created_at(),
    };
    let decision = decide_schedule(&input, now);
    let settled = settle(&before, &decision, spec.suspend);
    let newest = valid.runs.last().map(|run| last_run(run));
    let told = PhaseScheduleStatus { last_run: newest.or(settled.last_run.clone()), ..settled };
    let wake = decision.next.map_or(Wake::OnChange, Wake::At);
    let Some(scheduled_at) = decision.start else {
        let intents = prunings(valid, now).chain(notice(valid, &decision)).collect();
        return Plan { remember: None, intents, report: status::scheduled(told, &decision), wake };
    };
    let name = phase_run_name(&valid.object.name_any(), scheduled_at);
    let run = NewPhaseRun { name: name.clone(), schedule: valid.identity(), scheduled_at };
    let started = PhaseScheduleStatus { last_run: Some(LastRun { name, verdict: None }), ..told.clone() };
    Plan {
        remember: Some(status::starting(told, &decision)),
        intents: [Intent::CreatePhaseRun(run)]
            .into_iter()
            .chain(prunings(valid, now))
            .chain(notice(valid, &decision))
            .collect(),
        report: status::scheduled(started, &decision),
        wake,
    }
}

/// What follows where the cluster refuses the run's object: it is told, and tried again while the deadline lasts.
pub(super) fn decide_refused(
    valid: &ValidPhaseSchedule,
    effect: &Effect,
    error: &ClusterError,
    now: Timestamp,
) -> Option<Plan<Report<PhaseScheduleStatus>>> {
    if !matches!(effect, Effect::CreatePhaseRun(_)) {
        return None;
    }
    let remembered = decide(valid, now).remember?.status;
    Some(Plan::report_only(status::refused(remembered, error), Wake::after(now, RETRY_REFUSED)))
}

/// The last instant that was dealt with. An instant whose run was remembered and then not made, because somebody died in
/// between, is not dealt with while its deadline lasts; its run's name makes a second try harmless. A run that was made
/// is known by its name: from the status that was written after it, or from the run itself.
fn dealt_with(valid: &ValidPhaseSchedule, now: Timestamp) -> Option<Timestamp> {
    let status = valid.object.status.as_ref()?;
    let last = status.last_schedule_time?;
    let name = phase_run_name(&valid.object.name_any(), last);
    let is_made = valid.runs.iter().any(|run| run.name_any() == name)
        || status.last_run.as_ref().is_some_and(|run| run.name == name);
    let is_in_time = now.duration_since(last) <= valid.object.spec.starting_deadline.into();
    let just_before = earlier_by(last, SignedDuration::from_nanos(1));
    Some(if is_in_time && !is_made { just_before } else { last })
}

/// The status once the decision's instant is dealt with. What was missed is added in the write that deals with it, so
/// that nothing is counted twice.
fn settle(before: &PhaseScheduleStatus, decision: &ScheduleDecision, suspended: bool) -> PhaseScheduleStatus {
    let missed = decision.settled.map_or(0, |_| decision.missed);
    PhaseScheduleStatus {
        last_schedule_time: decision.settled.or(before.last_schedule_time),
        next_schedule_time: decision.next.filter(|_| !suspended),
        missed_runs: Some(before.missed_runs.unwrap_or_default().saturating_add(missed)),
        ..before.clone()
    }
}

fn last_run(run: &PhaseRun) -> LastRun {
    LastRun { name: run.name_any(), verdict: run.status.as_ref().and_then(|status| status.verdict) }
}

/// Each run that goes, after the export of its records.
fn prunings(valid: &ValidPhaseSchedule, now: Timestamp) -> impl Iterator<Item = Intent> {
    prunable(valid, now).into_iter().flat_map(|run| {
        let object = own_object(OwnKind::PhaseRun, run);
        let history = run.status.as_ref().and_then(|status| status.history.as_ref());
        let last = history.and_then(|history| history.records.last());
        let through_sequence = last.map(|record| record.sequence.unsigned_abs()).unwrap_or_default();
        let export = AuditExport { object: object.clone(), through_sequence };
        [Intent::ExportAudit(export), Intent::DeleteFinished(object)]
    })
}

/// What people are told: a start, and one that was missed. Each is told once, with the look that deals with it.
fn notice(valid: &ValidPhaseSchedule, decision: &ScheduleDecision) -> Option<Intent> {
    let severity = match decision.reason {
        ScheduleReason::OnTime | ScheduleReason::CaughtUp => NoticeSeverity::Normal,
        ScheduleReason::TooLate => NoticeSeverity::Warning,
        _ => return None,
    };
    Some(Intent::RecordEvent(Notice {
        object: valid.identity(),
        severity,
        reason: decision.reason.name(),
        note: decision.message.clone(),
        identity: decision.message.clone(),
    }))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
