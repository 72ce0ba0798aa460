//! Ending what a run began. Releasing is for every replica, so it rests on what was observed alone.

use jiff::Timestamp;
use phaseloop_core::plan::{
    Intent,
    pod::{TestPodDeletion, TestPodEnd},
};

use super::{
    ValidPhaseRun,
    domain::{domain_of, end_cause, expiry, times_of},
    facts::has_ended,
};
use crate::{
    api::phase_run::status::PhaseRunPhase,
    workload::{TestPodReading, reading::TestPodPhase},
};

/// The pods that are to end now: those of a run that was aborted or is being deleted, those whose domain's outcome is
/// stored, and those whose time has passed.
pub(super) fn releases(valid: &ValidPhaseRun, now: Timestamp) -> Vec<Intent> {
    let pods = valid.pods.iter().filter(|pod| pod.deleted_at.is_none());
    let deletion = |pod: &TestPodReading| {
        let cause = cause_to_end(valid, pod, now)?;
        Some(Intent::DeleteTestPod(TestPodDeletion { name: pod.name.clone(), uid: pod.uid.clone(), cause }))
    };
    pods.filter_map(deletion).collect()
}

fn cause_to_end(valid: &ValidPhaseRun, pod: &TestPodReading, now: Timestamp) -> Option<TestPodEnd> {
    let status = valid.object.status.as_ref();
    let name = pod.domain.as_deref().unwrap_or_default();
    let row = status.and_then(|status| domain_of(status, name));
    let is_aborted = status.is_some_and(|status| status.phase == Some(PhaseRunPhase::Aborted));
    let is_going = valid.object.metadata.deletion_timestamp.is_some();
    if is_aborted || is_going || (valid.object.spec.abort && !has_ended(&valid.object)) {
        return Some(TestPodEnd::Aborted);
    }
    if let Some(row) = row.filter(|row| row.ended_at.is_some()) {
        return Some(end_cause(row));
    }
    if has_ended(&valid.object) {
        return Some(TestPodEnd::ResultStored);
    }
    let domain = valid.object.spec.domains.iter().find(|domain| domain.name == name)?;
    let times = times_of(valid, domain, row?.begun_at?);
    let has_ended = matches!(pod.phase, TestPodPhase::Ended { .. });
    (!has_ended && now >= expiry(times)).then_some(TestPodEnd::PastNotAfter)
}

/// Whether every container that the run began is reported terminated, or its pod never held anything.
pub(super) fn is_released(valid: &ValidPhaseRun) -> bool {
    valid.pods.iter().all(|pod| matches!(pod.phase, TestPodPhase::Ended { .. }))
}
