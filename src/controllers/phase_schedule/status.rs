//! The status of a schedule.

use phaseloop_core::schedule::{ScheduleDecision, ScheduleReason};

use crate::{
    api::{
        PhaseScheduleStatus,
        condition::{Condition, ConditionStatus, ConditionType},
    },
    cluster::ClusterError,
    controllers::{Report, condition},
    validate::{SpecFault, faults_text},
};

crate::kind_status!(PhaseScheduleStatus, lives_on: true, state: |status| Some(state(status).to_owned()));

/// The state that transitions are recorded of.
fn state(status: &PhaseScheduleStatus) -> &'static str {
    let stalled =
        |condition: &Condition| condition.type_ == ConditionType::Stalled && condition.status == ConditionStatus::True;
    if status.conditions.iter().any(stalled) {
        "Stalled"
    } else if status.next_schedule_time.is_none() {
        "Suspended"
    } else {
        "Scheduled"
    }
}

fn report(
    status: PhaseScheduleStatus,
    ready: ConditionStatus,
    also: Option<ConditionType>,
    reason: ScheduleReason,
    message: &str,
) -> Report<PhaseScheduleStatus> {
    let ready = condition(ConditionType::Ready, ready, reason.name(), message);
    let also = also.map(|type_| condition(type_, ConditionStatus::True, reason.name(), message));
    let conditions = [ready].into_iter().chain(also).collect();
    Report::new(PhaseScheduleStatus { conditions, ..status }, reason.name(), message)
}

/// Nothing new is said.
pub(super) fn unchanged(status: PhaseScheduleStatus) -> Report<PhaseScheduleStatus> {
    Report::new(status, ScheduleReason::NotYet.name(), ScheduleReason::NotYet.meaning())
}

/// The schedule works.
pub(super) fn scheduled(status: PhaseScheduleStatus, decision: &ScheduleDecision) -> Report<PhaseScheduleStatus> {
    report(status, ConditionStatus::True, None, decision.reason, &decision.message)
}

/// A start is remembered, and its run is not made yet.
pub(super) fn starting(status: PhaseScheduleStatus, decision: &ScheduleDecision) -> Report<PhaseScheduleStatus> {
    report(status, ConditionStatus::True, Some(ConditionType::Reconciling), decision.reason, &decision.message)
}

/// The spec can't work.
pub(super) fn invalid(status: PhaseScheduleStatus, faults: &[SpecFault]) -> Report<PhaseScheduleStatus> {
    let status = PhaseScheduleStatus { next_schedule_time: None, ..status };
    let message = faults_text(faults);
    report(status, ConditionStatus::False, Some(ConditionType::Stalled), ScheduleReason::InvalidSpec, &message)
}

/// The cluster refused the run.
pub(super) fn refused(status: PhaseScheduleStatus, error: &ClusterError) -> Report<PhaseScheduleStatus> {
    let reason = ScheduleReason::RunRefused;
    report(status, ConditionStatus::False, Some(ConditionType::Reconciling), reason, &error.chain())
}
