//! The status of a PhaseRun.

use jiff::Timestamp;
use phaseloop_core::{
    analysis::{Admission, reason::AnalysisReason},
    schedule::RunReason,
    value::Verdict,
};

use super::{ValidPhaseRun, fit::fit, release::is_released};
use crate::{
    api::{
        PhaseRunStatus,
        condition::{Condition, ConditionStatus, ConditionType},
        phase_run::status::{PhaseRunPhase, PhaseRunSummary},
    },
    controllers::{Report, condition},
};

crate::kind_status!(PhaseRunStatus, lives_on: false, state: |status| status.phase.map(|phase| format!("{phase:?}")));

/// A report of this run: its cycle is always told.
fn report(status: PhaseRunStatus, reason: &str, message: &str) -> Report<PhaseRunStatus> {
    let cycle = status.cycle.clone();
    Report { cycle, ..Report::new(status, reason, message) }
}

/// Nothing new is said.
pub(super) fn unchanged(status: PhaseRunStatus) -> Report<PhaseRunStatus> {
    report(status, RunReason::Releasing.name(), RunReason::Releasing.meaning())
}

/// The run has not ended.
pub(super) fn going_on(
    valid: &ValidPhaseRun,
    mut status: PhaseRunStatus,
    reason: &str,
    message: &str,
) -> Report<PhaseRunStatus> {
    let has_ended = status.domains.iter().all(|row| row.ended_at.is_some());
    status.phase = Some(if status.started_at.is_none() && !has_ended {
        PhaseRunPhase::Pending
    } else if has_ended {
        PhaseRunPhase::Analyzing
    } else {
        PhaseRunPhase::Running
    });
    status.conditions = vec![
        condition(ConditionType::Ready, ConditionStatus::False, reason, message),
        condition(ConditionType::Reconciling, ConditionStatus::True, reason, message),
        valid.world.policy.condition(),
    ];
    fit(&mut status);
    report(status, reason, message)
}

/// The run ends, with this look.
pub(super) fn finished(
    valid: &ValidPhaseRun,
    mut status: PhaseRunStatus,
    phase: PhaseRunPhase,
    reason: RunReason,
    message: &str,
) -> Report<PhaseRunStatus> {
    status.phase = Some(phase);
    let is_completed = phase == PhaseRunPhase::Completed;
    let ready = if is_completed { ConditionStatus::True } else { ConditionStatus::False };
    let stalled = || condition(ConditionType::Stalled, ConditionStatus::True, reason.name(), message);
    status.conditions = [condition(ConditionType::Ready, ready, reason.name(), message)]
        .into_iter()
        .chain((!is_completed).then(stalled))
        .chain([valid.world.policy.condition(), restored(valid, &status)])
        .collect();
    fit(&mut status);
    report(status, reason.name(), message)
}

/// The run has ended before: only what it still holds is told anew.
pub(super) fn ended(valid: &ValidPhaseRun, mut status: PhaseRunStatus) -> Report<PhaseRunStatus> {
    let is_ours =
        |condition: &Condition| !matches!(condition.type_, ConditionType::Foreign(_) | ConditionType::Restored);
    let kept: Vec<Condition> = status.conditions.iter().filter(|condition| is_ours(condition)).cloned().collect();
    let restored = restored(valid, &status);
    status.conditions = kept.into_iter().chain([restored]).collect();
    report(status, RunReason::Released.name(), RunReason::Released.meaning())
}

/// Somebody aborted the run. Nothing is concluded from it, whatever was measured before.
pub(super) fn aborted(valid: &ValidPhaseRun, mut status: PhaseRunStatus, now: Timestamp) -> Report<PhaseRunStatus> {
    let reason = RunReason::Aborted;
    for row in &mut status.domains {
        row.valid = Some(false);
        if row.ended_at.is_none() {
            row.ended_at = Some(now);
            row.verdict = Some(Verdict::Unknown);
            row.reasons = vec![reason.name().to_owned()];
        }
    }
    status.verdict = Some(Verdict::Unknown);
    status.reasons = vec![reason.name().to_owned()];
    status.completed_at = Some(now);
    status.set_admission(Admission::NotAdmitted(AnalysisReason::NoData));
    status.summary = Some(PhaseRunSummary { why: Some(reason.name().to_owned()), ..PhaseRunSummary::default() });
    finished(valid, status, PhaseRunPhase::Aborted, reason, "spec.abort was set; nothing is concluded from the run")
}

/// Whether everything that the run took is given back.
fn restored(valid: &ValidPhaseRun, status: &PhaseRunStatus) -> Condition {
    let held = || valid.pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(", ");
    let is_owed = status.borrowed.as_ref().is_some_and(|borrowed| !borrowed.is_settled());
    let conflict = status.borrowed.as_ref().and_then(|borrowed| borrowed.conflict.as_deref());
    if is_released(valid) && is_owed {
        let message = "a replica of the target is not given back yet";
        condition(ConditionType::Restored, ConditionStatus::False, RunReason::Releasing.name(), message)
    } else if let Some(conflict) = conflict.filter(|_| is_released(valid)) {
        condition(ConditionType::Restored, ConditionStatus::False, RunReason::GiveBackConflict.name(), conflict)
    } else if is_released(valid) {
        let reason = RunReason::Released;
        condition(ConditionType::Restored, ConditionStatus::True, reason.name(), reason.meaning())
    } else {
        let message = format!("not reported terminated: {}", held());
        condition(ConditionType::Restored, ConditionStatus::False, RunReason::Releasing.name(), message)
    }
}
