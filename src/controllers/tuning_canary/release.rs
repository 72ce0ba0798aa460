//! Ending what a canary began, and knowing that it has ended. Deleting a pod is for every replica, so it rests on what was
//! observed alone.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    plan::{
        Intent,
        label::ANNOTATION_RETRY,
        pod::{TestPodDeletion, TestPodEnd},
    },
    schedule::later_by,
    tuning::CanaryReason,
};

use super::{ValidTuningCanary, facts::is_frozen, progress::expiry};
use crate::{
    api::{
        TuningCanaryStatus,
        condition::{ConditionStatus, ConditionType},
        duration::Duration,
        escalation::ledger::rounded_up,
        tuning_canary::status::{BudgetUse, FailureClass},
    },
    workload::{TestPodReading, reading::TestPodPhase},
};

/// From the instant by which a pod must have ended to the instant at which nobody waits for word of it any more: what
/// kubelets take to end it and to report.
const REPORT_PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Why a canary that was not judged is ended from outside, and why its pod is deleted then.
pub(super) fn abort_cause(valid: &ValidTuningCanary, now: Timestamp) -> Option<(CanaryReason, String, TestPodEnd)> {
    if valid.object.spec.abort {
        return Some((CanaryReason::Aborted, "spec.abort was set".to_owned(), TestPodEnd::Aborted));
    }
    if valid.object.metadata.deletion_timestamp.is_some() {
        return Some((CanaryReason::Aborted, "the canary is being deleted".to_owned(), TestPodEnd::Aborted));
    }
    if valid.escalation.is_none() {
        let message = format!("escalation {} is gone or being deleted", valid.object.spec.escalation_name);
        return Some((CanaryReason::EscalationGone, message, TestPodEnd::Aborted));
    }
    if let Some(suspension) = valid.suspension().filter(|suspension| suspension.until.is_none_or(|until| now < until)) {
        let message = format!("the escalation is suspended ({})", suspension.reason);
        return Some((CanaryReason::Suspended, message, TestPodEnd::Aborted));
    }
    if !valid.windows.windows.is_empty() && !valid.windows.is_open(now) {
        let message = format!("window {} is closed", valid.windows);
        return Some((CanaryReason::WindowClosed, message, TestPodEnd::PastNotAfter));
    }
    None
}

/// The pod that is to end now: that of a canary which was judged, or is ended from outside, or whose time has passed.
pub(super) fn releases(valid: &ValidTuningCanary, now: Timestamp) -> Vec<Intent> {
    let deletion = |pod: &TestPodReading| {
        let cause = cause_to_end(valid, pod, now)?;
        Some(Intent::DeleteTestPod(TestPodDeletion { name: pod.name.clone(), uid: pod.uid.clone(), cause }))
    };
    valid.pod.iter().filter(|pod| pod.deleted_at.is_none()).filter_map(deletion).collect()
}

fn cause_to_end(valid: &ValidTuningCanary, pod: &TestPodReading, now: Timestamp) -> Option<TestPodEnd> {
    let status = valid.object.status.as_ref();
    if let Some(status) = status.filter(|status| status.verdict.is_some()) {
        return Some(stored_end(status).unwrap_or(TestPodEnd::ResultStored));
    }
    if let Some((.., ended_by)) = abort_cause(valid, now) {
        return Some(ended_by);
    }
    let has_ended = matches!(pod.phase, TestPodPhase::Ended { .. });
    (!has_ended && now >= expiry(valid)).then_some(TestPodEnd::PastNotAfter)
}

/// Why the operator ends the pod, as the status keeps it.
pub(super) fn stored_end(status: &TuningCanaryStatus) -> Option<TestPodEnd> {
    serde_json::from_value(status.ended_by.clone()?.into()).ok()
}

/// Notes in the status of a canary that was judged whether everything is given back, and what was used. Says why it stands
/// so.
pub(super) fn settle_release(
    valid: &ValidTuningCanary,
    status: &mut TuningCanaryStatus,
    now: Timestamp,
) -> (CanaryReason, String) {
    if status.released_at.is_some() {
        return (CanaryReason::Released, CanaryReason::Released.meaning().to_owned());
    }
    let failed = is_frozen(&valid.object);
    let retried = failed && valid.object.annotations().contains_key(ANNOTATION_RETRY);
    match &valid.pod {
        _ if retried => {
            give_back(valid, status, now, None);
            (CanaryReason::GivenUp, "a person has looked at the node; all that was reserved counts as used".to_owned())
        }
        Some(pod) if matches!(pod.phase, TestPodPhase::Ended { .. }) => {
            give_back(valid, status, pod.release.at().unwrap_or(now), Some(pod));
            (CanaryReason::Released, "every container is reported terminated".to_owned())
        }
        Some(pod) => held(valid, pod, now),
        None if failed && !valid.namespace_ends => still_failed(valid),
        None if status.begun_at.is_none() || nothing_ran(status) => {
            use_nothing(status, now);
            (CanaryReason::Released, "no pod of it ever ran".to_owned())
        }
        None => without_pod(valid, status, now),
    }
}

/// The pod is gone, and nobody read how its containers ended. One that we deleted is gone because its kubelet has ended
/// it; of any other only its own deadline tells.
fn without_pod(valid: &ValidTuningCanary, status: &mut TuningCanaryStatus, now: Timestamp) -> (CanaryReason, String) {
    let by_itself_at = later_by(expiry(valid), REPORT_PATIENCE);
    let name = status.pod_name.clone().unwrap_or_default();
    if valid.namespace_ends {
        give_back(valid, status, now, None);
        let message = format!("the namespace is deleted with pod {name} in it; all that was reserved counts as used");
        return (CanaryReason::GivenUp, message);
    }
    if status.ended_by.is_some() || now >= by_itself_at {
        give_back(valid, status, now, None);
        let message = format!("pod {name} is gone and its end was not read; all that was reserved counts as used");
        return (CanaryReason::GivenUp, message);
    }
    let message =
        format!("pod {name} is gone and its end was not read; its containers end by {by_itself_at} by themselves");
    (CanaryReason::Releasing, message)
}

/// The pod is there and has not ended.
fn held(valid: &ValidTuningCanary, pod: &TestPodReading, now: Timestamp) -> (CanaryReason, String) {
    let due_at = later_by(since(valid, pod, now), valid.restore_sla());
    if now >= due_at {
        return still_failed(valid);
    }
    let message = format!("pod {} is being ended; its containers have until {due_at}", pod.name);
    (CanaryReason::Releasing, message)
}

fn still_failed(valid: &ValidTuningCanary) -> (CanaryReason, String) {
    let status = valid.object.status.as_ref();
    let text = |name: Option<&String>, otherwise: &str| name.map_or_else(|| otherwise.to_owned(), Clone::clone);
    let pod = text(status.and_then(|status| status.pod_name.as_ref()), "of the canary");
    let node = text(status.and_then(|status| status.node_name.as_ref()), "unknown");
    let sla = Duration(valid.restore_sla());
    let canary = valid.object.name_any();
    let message = format!(
        "the containers of pod {pod} were not reported terminated within {sla}; look at node {node}, then run phaseloop retry \
         tuningcanary/{canary}"
    );
    (CanaryReason::RestoreFailed, message)
}

/// Since when the pod is to end: since that was first told, or since it was deleted.
fn since(valid: &ValidTuningCanary, pod: &TestPodReading, now: Timestamp) -> Timestamp {
    let conditions = valid.object.status.iter().flat_map(|status| &status.conditions);
    let told = conditions
        .filter(|condition| condition.type_ == ConditionType::Restored && condition.status == ConditionStatus::False)
        .map(|condition| condition.last_transition_time);
    told.chain(pod.deleted_at).min().unwrap_or(now)
}

/// When a canary that was judged and not released is late; for the next look.
pub(super) fn late_at(valid: &ValidTuningCanary, now: Timestamp) -> Timestamp {
    match &valid.pod {
        Some(pod) => later_by(since(valid, pod, now), valid.restore_sla()),
        None => later_by(expiry(valid), REPORT_PATIENCE),
    }
}

/// Whether the cluster refused the pod, so that nothing ran.
fn nothing_ran(status: &TuningCanaryStatus) -> bool {
    let class = status.failure.as_ref().map(|failure| failure.class);
    status.pod_uid.is_none() && matches!(class, Some(FailureClass::Policy | FailureClass::Infrastructure))
}

fn give_back(
    valid: &ValidTuningCanary,
    status: &mut TuningCanaryStatus,
    released_at: Timestamp,
    pod: Option<&TestPodReading>,
) {
    let reserved = &valid.object.spec.reserved;
    let spend = pod.map(|pod| pod.spend).unwrap_or_default();
    let or_reserved =
        |proven: Option<SignedDuration>, reserved: Duration| proven.map_or(reserved, |part| rounded_up(part).into());
    let at_most = or_reserved(spend.measure_at_most, reserved.measure).min(reserved.measure);
    status.used = Some(BudgetUse {
        measure: or_reserved(spend.measure, at_most),
        hold: or_reserved(spend.hold, reserved.hold),
        proven: spend.measure.is_some() && spend.hold.is_some(),
    });
    status.released_at = Some(released_at);
}

fn use_nothing(status: &mut TuningCanaryStatus, now: Timestamp) {
    let nothing = Duration(SignedDuration::ZERO);
    status.used = Some(BudgetUse { measure: nothing, hold: nothing, proven: true });
    status.released_at = Some(now);
}
