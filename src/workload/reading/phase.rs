//! How far a pod is.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use phaseloop_core::reasons;

use super::{
    NodeState,
    container::{Statuses, is_running, started_at, terminated, waiting},
    fault::{PodFault, PodFaultReason},
    report::ReadReport,
    spend::Release,
};

/// What a test pod waits for, or how it ended. When the engine is ready only the probe sees; its report tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TestPodPhase {
    /// No node has room for it.
    NotScheduled {
        /// Since when the scheduler says so; else when the pod was created.
        since: Option<Timestamp>,
        /// The scheduler's reason, as `Unschedulable`; empty while it has not looked.
        reason: String,
        /// The scheduler's sentence.
        message: String,
    },
    /// It has a node; images are pulled, the preflight or the template's init containers run.
    Preparing {
        /// Since when it has the node.
        since: Option<Timestamp>,
        /// What a container waits for.
        waiting: Option<Waiting>,
    },
    /// The engine was started, and the probe was not yet.
    EngineStarting {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// The probe, or a custom test, runs.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It has ended.
    Ended {
        /// When its last container ended; absent where none ever started, or where it is not known.
        at: Option<Timestamp>,
        /// How.
        how: PodEnd,
    },
    /// Its node is lost: nobody knows what runs.
    Lost,
}

/// What a container waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The container.
    pub container: String,
    /// The kubelet's reason, as `ImagePullBackOff`.
    pub reason: String,
}

reasons! {
    /// How a test pod ended.
    pub enum PodEnd {
        /// The probe or the collector ended by itself and left its report.
        Reported,
        /// It ended, and left no report that can be read.
        Unreported,
        /// The preflight refused to begin.
        PreflightRefused,
        /// It was deleted before it ended.
        Deleted,
        /// A fault of node or cluster ended it.
        Faulted,
    }
}

pub(super) fn phase_of(
    pod: &Pod,
    statuses: &Statuses<'_>,
    report: &ReadReport,
    fault: Option<&PodFault>,
    release: Release,
    node: NodeState,
) -> TestPodPhase {
    if has_ended(pod, release, node) {
        return TestPodPhase::Ended { at: release.at(), how: end_of(pod, report, fault) };
    }
    if fault.is_some_and(|fault| fault.reason == PodFaultReason::NodeLost) {
        return TestPodPhase::Lost;
    }
    let conditions = || pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let scheduled = conditions().find(|condition| condition.type_ == "PodScheduled");
    if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
        return not_scheduled(pod, scheduled);
    }
    if let Some(probe) = statuses.result().filter(|status| is_running(status) || terminated(status).is_some()) {
        return TestPodPhase::Running { since: started_at(probe) };
    }
    if let Some(engine) = statuses.engine().filter(|status| is_running(status) || status.restart_count > 0) {
        return TestPodPhase::EngineStarting { since: started_at(engine) };
    }
    let waits = statuses.all().find_map(|status| {
        let reason = waiting(status)?.reason.clone().filter(|reason| reason != "PodInitializing")?;
        Some(Waiting { container: status.name.clone(), reason })
    });
    let since = scheduled.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    TestPodPhase::Preparing { since, waiting: waits }
}

/// A pod has ended once its phase says so and no container of it runs, or once it is being deleted and all have ended.
/// That the kubelet lost sight of a container only leaves open what it used, unless it was no kubelet that set the phase.
fn has_ended(pod: &Pod, release: Release, node: NodeState) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let is_final = matches!(phase, Some("Succeeded" | "Failed"));
    match release {
        Release::Held => false,
        Release::Unprovable => is_final && !is_orphaned(pod, node),
        Release::NothingStarted => is_final,
        Release::At(_) => is_final || pod.metadata.deletion_timestamp.is_some(),
    }
}

/// Whether the pod's node is silent, so that others than its kubelet write its status.
fn is_orphaned(pod: &Pod, node: NodeState) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut reasons = conditions.filter_map(|condition| condition.reason.as_deref());
    matches!(node, NodeState::NotReady | NodeState::Gone)
        || reasons.any(|reason| matches!(reason, "DeletionByTaintManager" | "DeletionByPodGC"))
        || pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("NodeLost")
}

fn end_of(pod: &Pod, report: &ReadReport, fault: Option<&PodFault>) -> PodEnd {
    let is_reported = matches!(report, ReadReport::Probe(_) | ReadReport::Collector(_));
    match fault.map(|fault| fault.reason) {
        Some(PodFaultReason::StartedTooLate) => PodEnd::PreflightRefused,
        Some(_) => PodEnd::Faulted,
        None if is_reported => PodEnd::Reported,
        None if pod.metadata.deletion_timestamp.is_some() => PodEnd::Deleted,
        None => PodEnd::Unreported,
    }
}

fn not_scheduled(pod: &Pod, scheduled: Option<&PodCondition>) -> TestPodPhase {
    let refused = scheduled.filter(|condition| condition.status == "False");
    let since = refused.and_then(|condition| condition.last_transition_time.as_ref());
    TestPodPhase::NotScheduled {
        since: since.or(pod.metadata.creation_timestamp.as_ref()).map(|time| time.0),
        reason: refused.and_then(|condition| condition.reason.clone()).unwrap_or_default(),
        message: refused.and_then(|condition| condition.message.clone()).unwrap_or_default(),
    }
}
