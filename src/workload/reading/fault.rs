//! Faults of node and cluster: they say nothing of the configuration that was to be tested.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};
use phaseloop_core::{analysis::probe::ProbeEnding, reasons};

use super::{
    NodeState,
    container::{Statuses, has_started, is_running, terminated, waiting},
    report::{ReadReport, read_report},
};
use crate::probe::REFUSED_EXIT_CODE;

reasons! {
    /// What of node or cluster kept a test pod from its test, or ended it.
    pub enum PodFaultReason {
        /// The node ran out of something and evicted the pod, or somebody drained the node.
        Evicted,
        /// The scheduler or the kubelet gave the pod's place to one of higher priority.
        Preempted,
        /// The node does not report any more, or is gone; whether its containers run is not known.
        NodeLost,
        /// The node was shut down.
        NodeShutdown,
        /// The node's kubelet refused the pod that the scheduler gave it: no GPU, CPU or memory was free after all.
        RefusedByNode,
        /// The pod ran into the outer bound of its time.
        DeadlineExceeded,
        /// An image can't be pulled.
        ImageNotPulled,
        /// A container can't be created: a Secret or ConfigMap is missing, or the runtime refuses it.
        ContainerNotCreated,
        /// The preflight refused to begin, because the pod was started too late.
        StartedTooLate,
        /// An init container of the target's template failed.
        InitContainerFailed,
        /// The probe or the collector failed by itself, or was ended for using too much memory.
        ProbeFailed,
        /// The namespace's quota has no room for the pod.
        QuotaExceeded,
        /// The namespace's pod security level does not admit the pod. It is made of the target's template: raise neither, mend the template.
        PodSecurityRefused,
        /// Another rule of the cluster does not admit the pod.
        AdmissionRefused,
    }
}

/// A fault with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodFault {
    /// Which one.
    pub reason: PodFaultReason,
    /// What kubelet or API server says, in one line.
    pub message: String,
}

impl PodFault {
    fn new(reason: PodFaultReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Whether it can only get worse: a pod whose image can't be pulled waits, and may yet start.
    pub const fn may_pass(&self) -> bool {
        matches!(self.reason, PodFaultReason::ImageNotPulled | PodFaultReason::ContainerNotCreated)
    }
}

/// Reasons of a waiting container.
const IMAGE_REASONS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
const CREATION_REASONS: [&str; 5] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
    "PreStartHookError",
];
/// Reasons of an ended container that never really ran.
const START_REASONS: [&str; 2] = ["StartError", "ContainerCannotRun"];

/// The fault of a pod, the one that explains the others first.
pub(super) fn fault_of(pod: &Pod, statuses: &Statuses<'_>, node: NodeState) -> Option<PodFault> {
    let status = pod.status.as_ref();
    status
        .and_then(fault_of_pod)
        .or_else(|| status.and_then(|status| fault_of_disruption(pod, status)))
        .or_else(|| fault_of_node(statuses, node))
        .or_else(|| fault_of_preflight(statuses))
        .or_else(|| statuses.init().find_map(fault_of_init))
        .or_else(|| statuses.all().find_map(fault_of_container))
        .or_else(|| fault_of_probe(pod, statuses))
}

/// The kubelet's reason for the pod as a whole.
fn fault_of_pod(status: &PodStatus) -> Option<PodFault> {
    let reason = status.reason.as_deref()?;
    let fault = match reason {
        "Evicted" => PodFaultReason::Evicted,
        "Preempting" | "Preempted" => PodFaultReason::Preempted,
        "NodeLost" => PodFaultReason::NodeLost,
        "Terminated" | "Shutdown" | "NodeShutdown" => PodFaultReason::NodeShutdown,
        "DeadlineExceeded" => PodFaultReason::DeadlineExceeded,
        "UnexpectedAdmissionError" | "NodeAffinity" | "NodePorts" | "TopologyAffinityError" => {
            PodFaultReason::RefusedByNode
        }
        _ if reason.starts_with("OutOf") => PodFaultReason::RefusedByNode,
        _ => return None,
    };
    Some(PodFault::new(fault, sentence(reason, status.message.as_deref())))
}

/// Who disrupts the pod, as its condition says.
fn fault_of_disruption(pod: &Pod, status: &PodStatus) -> Option<PodFault> {
    let conditions = status.conditions.iter().flatten();
    let disruption =
        conditions.into_iter().find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
    let reason = disruption.reason.as_deref().unwrap_or_default();
    let fault = match reason {
        "PreemptionByScheduler" => PodFaultReason::Preempted,
        "EvictionByEvictionAPI" => PodFaultReason::Evicted,
        "DeletionByTaintManager" | "DeletionByPodGC" => PodFaultReason::NodeLost,
        "TerminationByKubelet" => PodFaultReason::NodeShutdown,
        // What is not known is a fault only once it ends the pod.
        _ if pod.metadata.deletion_timestamp.is_some() => PodFaultReason::Evicted,
        _ => return None,
    };
    Some(PodFault::new(fault, sentence(reason, disruption.message.as_deref())))
}

/// A node that says nothing any more, while containers may run on it; or one that lost sight of a container.
fn fault_of_node(statuses: &Statuses<'_>, node: NodeState) -> Option<PodFault> {
    let unknown = statuses
        .all()
        .find(|status| terminated(status).is_some_and(|end| end.reason.as_deref() == Some("ContainerStatusUnknown")));
    if let Some(status) = unknown {
        let message = format!("the kubelet lost sight of the container {}", status.name);
        return Some(PodFault::new(PodFaultReason::NodeLost, message));
    }
    let running: Vec<&str> =
        statuses.all().filter(|status| is_running(status)).map(|status| status.name.as_str()).collect();
    let silent = match node {
        NodeState::NotReady => "does not report",
        NodeState::Gone => "is gone",
        NodeState::Unknown | NodeState::Ready => return None,
    };
    (!running.is_empty()).then(|| {
        PodFault::new(PodFaultReason::NodeLost, format!("the node {silent}; last seen running: {}", running.join(", ")))
    })
}

fn fault_of_preflight(statuses: &Statuses<'_>) -> Option<PodFault> {
    let end = terminated(statuses.preflight()?).filter(|end| end.exit_code != 0)?;
    let reason =
        if end.exit_code == REFUSED_EXIT_CODE { PodFaultReason::StartedTooLate } else { PodFaultReason::ProbeFailed };
    let message = format!("the preflight ended with {}", end.exit_code);
    Some(PodFault::new(reason, sentence(&message, end.message.as_deref())))
}

fn fault_of_init(status: &ContainerStatus) -> Option<PodFault> {
    let end = terminated(status).filter(|end| end.exit_code != 0)?;
    let message = format!("{} ended with {} ({})", status.name, end.exit_code, end.reason.as_deref().unwrap_or("-"));
    Some(PodFault::new(PodFaultReason::InitContainerFailed, sentence(&message, end.message.as_deref())))
}

fn fault_of_container(status: &ContainerStatus) -> Option<PodFault> {
    let (reason, message) = match (waiting(status), terminated(status)) {
        (Some(waiting), _) => (waiting.reason.as_deref()?, waiting.message.as_deref()),
        (None, Some(end)) => (end.reason.as_deref()?, end.message.as_deref()),
        (None, None) => return None,
    };
    let fault = if IMAGE_REASONS.contains(&reason) {
        PodFaultReason::ImageNotPulled
    } else if CREATION_REASONS.contains(&reason) || START_REASONS.contains(&reason) {
        PodFaultReason::ContainerNotCreated
    } else {
        return None;
    };
    Some(PodFault::new(fault, sentence(&format!("{}: {reason}", status.name), message)))
}

/// The probe or collector that ended by itself and left no report, or says itself that it could not work. One that was
/// ended with its pod is not at fault.
fn fault_of_probe(pod: &Pod, statuses: &Statuses<'_>) -> Option<PodFault> {
    let status = statuses.result().filter(|status| has_started(status))?;
    let end = terminated(status)?;
    let text = match read_report(statuses) {
        ReadReport::Probe(report) if report.ending == ProbeEnding::Refused => report.detail,
        ReadReport::Missing(super::ReportMissing::Unreadable(text)) => text,
        ReadReport::Probe(_) | ReadReport::Collector(_) | ReadReport::Missing(_) => return None,
    };
    let is_out_of_memory = end.reason.as_deref() == Some("OOMKilled");
    let was_ended = pod.metadata.deletion_timestamp.is_some() && !is_out_of_memory;
    (!was_ended).then(|| PodFault::new(PodFaultReason::ProbeFailed, sentence(&status.name, Some(&text))))
}

/// The fault for which the API server refused to create a pod, from its answer's code and message; `None` where the answer
/// says nothing of the pod: the operator's own rights, an overload, a name that is taken.
pub fn fault_of_create(code: u16, message: &str) -> Option<PodFault> {
    let reason = match code {
        403 if message.contains("exceeded quota") || message.contains("failed quota") => PodFaultReason::QuotaExceeded,
        403 if message.contains("violates PodSecurity") => PodFaultReason::PodSecurityRefused,
        // The authorizer's own refusal reads `User "x" cannot create resource ...`.
        403 if message.contains("cannot create resource") => return None,
        403 | 422 => PodFaultReason::AdmissionRefused,
        400 if message.contains("admission webhook") => PodFaultReason::AdmissionRefused,
        _ => return None,
    };
    Some(PodFault::new(reason, message))
}

fn sentence(what: &str, message: Option<&str>) -> String {
    match message.map(str::trim).filter(|message| !message.is_empty()) {
        Some(message) => format!("{what}: {message}"),
        None => what.to_owned(),
    }
}
