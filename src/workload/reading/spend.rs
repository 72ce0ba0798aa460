//! What a pod held, and for how long, as far as the kubelet's times prove it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use phaseloop_core::schedule::later_by;

use super::{
    ContainerTimes, NodeState,
    container::{Statuses, began_at, finished_at, has_started, is_running, started_at, terminated, terminated_before},
    report::ReadReport,
};

/// The kubelet cuts times to seconds: what ended at a second may have ended just before the next.
const RESOLUTION: SignedDuration = SignedDuration::from_secs(1);

/// Whether what a pod held is given back. A pod that is gone from the API is no proof of a free GPU; an ended container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// A container runs, or may yet start.
    Held,
    /// The pod has ended, or can't start any more, and no container of it ever ran.
    NothingStarted,
    /// Every container has ended, the last at this instant.
    At(Timestamp),
    /// The kubelet lost sight of a container, or does not report: whether it runs is not known.
    Unprovable,
}

impl Release {
    /// When the last container ended.
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Held | Self::NothingStarted | Self::Unprovable => None,
        }
    }
}

/// What a pod used of the budgets. `None` where it is not proven: then the whole reservation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProvenSpend {
    /// From the engine's being ready to the measurement's end.
    pub measure: Option<SignedDuration>,
    /// What `measure` can't exceed where it is not known: nobody measures while the probe does not run. An engine that refuses
    /// to start takes its pod down before the probe has reported.
    pub measure_at_most: Option<SignedDuration>,
    /// From the engine's start to the last container's end, times GPUs.
    pub hold: Option<SignedDuration>,
}

pub(super) fn release_of(pod: &Pod, statuses: &Statuses<'_>, node: NodeState) -> Release {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let is_final = matches!(phase, Some("Succeeded" | "Failed"));
    let is_deleted = pod.metadata.deletion_timestamp.is_some();
    let has_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let mut last: Option<Timestamp> = None;
    for status in statuses.all() {
        if is_running(status) {
            let is_silent = matches!(node, NodeState::NotReady | NodeState::Gone);
            return if is_silent { Release::Unprovable } else { Release::Held };
        }
        match terminated(status).or_else(|| terminated_before(status)) {
            Some(end) if end.started_at.is_none() && end.finished_at.is_none() && end.exit_code != 0 => {
                return Release::Unprovable;
            }
            Some(end) => last = last.max(finished_at(end)),
            None => {}
        }
    }
    let may_start = !is_final && (statuses.all().any(|status| terminated(status).is_none()) || last.is_none());
    match last {
        // Being deleted, nothing starts any more: the kubelet has ended what ran.
        Some(time) if !may_start || is_deleted => Release::At(time),
        None if is_final || (is_deleted && !has_node) => Release::NothingStarted,
        _ => Release::Held,
    }
}

pub(super) fn times_of(pod: &Pod, statuses: &Statuses<'_>, release: Release) -> ContainerTimes {
    let start = |status: &ContainerStatus| terminated_before(status).and_then(began_at).or_else(|| started_at(status));
    ContainerTimes {
        pod_started_at: pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| time.0),
        first_started_at: statuses.all().filter_map(start).min(),
        engine_started_at: engine_started_at(statuses),
        probe_started_at: statuses.probe().and_then(started_at),
        probe_finished_at: statuses.probe().and_then(terminated).and_then(finished_at),
        released_at: release.at(),
    }
}

/// When the engine first started. The kubelet keeps its present and its last run; after more restarts than one it can't
/// have started before the containers ended that run before it, which makes what it held no shorter than it was.
fn engine_started_at(statuses: &Statuses<'_>) -> Option<Timestamp> {
    let status = statuses.engine().filter(|status| has_started(status))?;
    let before = terminated_before(status).and_then(began_at);
    match status.restart_count {
        0 => before.or_else(|| started_at(status)),
        1 if before.is_some() && (is_running(status) || terminated(status).is_some()) => before,
        _ => statuses.init().chain(statuses.preflight()).filter_map(terminated).filter_map(finished_at).max(),
    }
}

pub(super) fn proven_spend(
    times: &ContainerTimes,
    release: Release,
    statuses: &Statuses<'_>,
    report: &ReadReport,
    gpus: u32,
) -> ProvenSpend {
    let zero = Some(SignedDuration::ZERO);
    let nothing = ProvenSpend { measure: zero, measure_at_most: zero, hold: zero };
    let released_at = match release {
        Release::NothingStarted => return nothing,
        Release::At(time) => time,
        Release::Held | Release::Unprovable => return ProvenSpend::default(),
    };
    let gpus = i32::try_from(gpus).unwrap_or(i32::MAX);
    let held_since = |start: Timestamp| between(start, released_at).saturating_mul(gpus);
    if !statuses.tests_an_engine() {
        return ProvenSpend { hold: times.first_started_at.map(held_since), ..ProvenSpend::default() };
    }
    match statuses.engine() {
        Some(status) if has_started(status) => {
            let measure = measured(times, released_at, report);
            ProvenSpend {
                measure,
                measure_at_most: measure.or_else(|| probe_lived(times, statuses)),
                hold: times.engine_started_at.map(held_since),
            }
        }
        Some(_) => nothing,
        None => ProvenSpend::default(),
    }
}

/// The probe's own times, never beyond those of the kubelet. A measurement that was broken off lasted at most until the
/// probe ended.
fn measured(times: &ContainerTimes, released_at: Timestamp, report: &ReadReport) -> Option<SignedDuration> {
    let report = report.probe()?;
    let Some(ready_at) = report.times.ready_at else { return Some(SignedDuration::ZERO) };
    let start = times.engine_started_at.map_or(ready_at, |started| ready_at.max(started));
    let latest = later_by(times.probe_finished_at.unwrap_or(released_at), RESOLUTION);
    Some(between(start, report.times.measure_ended_at.map_or(latest, |end| end.min(latest))))
}

/// How long the probe ran at most, of a pod whose containers have all ended.
fn probe_lived(times: &ContainerTimes, statuses: &Statuses<'_>) -> Option<SignedDuration> {
    let probe = statuses.probe()?;
    if !has_started(probe) {
        return Some(SignedDuration::ZERO);
    }
    Some(between(times.probe_started_at?, later_by(times.probe_finished_at?, RESOLUTION)))
}

fn between(start: Timestamp, end: Timestamp) -> SignedDuration {
    end.duration_since(start).max(SignedDuration::ZERO)
}
