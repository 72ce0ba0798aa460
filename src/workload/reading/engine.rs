//! How the engine fared: its deaths by the kubelet's word and by the probe's, put together.
//!
//! The kubelet restarts a native sidecar, and keeps what its last two runs left; the probe, with a guard's records, has
//! seen every one. What neither explains stays unclassified, and enters no figure of memory.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};
use phaseloop_core::analysis::{
    engine_log::classify_engine_end,
    measurement::{EngineFailure, EngineFailureClass},
    probe::{ProbeReport, ReportedDeath},
};

use super::{
    container::{Statuses, finished_at, has_started, is_running, terminated, terminated_before},
    report::ReadReport,
};
use crate::probe::GUARD_STOP_MARK;

/// The kubelet's reason where the kernel killed one of a container's processes.
const KILLED_FOR_MEMORY: &str = "OOMKilled";

/// How the engine fared in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReading {
    /// Whether its container ever started.
    pub started: bool,
    /// Whether it runs.
    pub running: bool,
    /// How often the kubelet restarted it; absent where the kubelet says nothing of it.
    pub restarts: Option<u64>,
    /// Its deaths, in the order in which they came. That the kubelet or a guard ended it with its pod is none.
    pub deaths: Vec<EngineDeath>,
    /// When its last run ended, whoever ended it.
    pub finished_at: Option<Timestamp>,
}

/// One death of the engine, or one refusal to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineDeath {
    /// When; absent for one that nobody saw.
    pub at: Option<Timestamp>,
    /// Why. `Unclassified` for one that nobody saw.
    pub failure: EngineFailure,
}

/// `was_ended` says whether somebody or something ended the whole pod.
pub(super) fn read_engine(statuses: &Statuses<'_>, report: &ReadReport, was_ended: bool) -> Option<EngineReading> {
    if !statuses.tests_an_engine() {
        return None;
    }
    let report = report.probe();
    let reported = report.map_or(&[][..], |report| &report.deaths);
    let Some(status) = statuses.engine() else {
        let deaths = reported.iter().map(|death| merged(None, Some(death), report)).collect();
        return Some(EngineReading { started: false, running: false, restarts: None, deaths, finished_at: None });
    };
    let ends = ends_of(status, statuses, reported, was_ended);
    let count = ends.len().max(reported.len());
    let deaths = (0..count).map(|place| merged(ends.get(place).copied().flatten(), reported.get(place), report));
    Some(EngineReading {
        started: has_started(status),
        running: is_running(status),
        restarts: u64::try_from(status.restart_count).ok(),
        deaths: deaths.collect(),
        finished_at: terminated(status).or_else(|| terminated_before(status)).and_then(finished_at),
    })
}

/// The engine's deaths as the kubelet counts them. Of each but the last two it has forgotten everything.
fn ends_of<'a>(
    status: &'a ContainerStatus,
    statuses: &Statuses<'_>,
    reported: &[ReportedDeath],
    was_ended: bool,
) -> Vec<Option<&'a ContainerStateTerminated>> {
    let restarts = usize::try_from(status.restart_count).unwrap_or_default();
    let mut ends = vec![None; restarts];
    let before = terminated_before(status);
    match (terminated(status), is_running(status)) {
        (Some(end), _) => {
            put_last(&mut ends, before);
            if is_own_end(end, restarts, statuses, reported, was_ended) {
                ends.push(Some(end));
            }
        }
        (None, true) => put_last(&mut ends, before),
        // It waits to be started again: its last end has not been followed by a restart.
        (None, false) => {
            if let Some(end) = before {
                ends.push(Some(end));
            }
        }
    }
    ends
}

fn put_last<'a>(ends: &mut [Option<&'a ContainerStateTerminated>], end: Option<&'a ContainerStateTerminated>) {
    if let Some(last) = ends.last_mut() {
        *last = end;
    }
}

/// Whether the engine ended by itself: killed for memory, before the probe did, or seen by the probe. The kubelet ends a
/// sidecar only after the main container, also when the whole pod is to end; a guard that ends it at its latest instant says
/// so.
fn is_own_end(
    end: &ContainerStateTerminated,
    restarts: usize,
    statuses: &Statuses<'_>,
    reported: &[ReportedDeath],
    was_ended: bool,
) -> bool {
    // Nobody asks for that, whatever ended meanwhile: an engine of several processes outlives the one that was killed, and
    // may well outlive the probe, whose last requests it answers with an error at once.
    if end.reason.as_deref() == Some(KILLED_FOR_MEMORY) {
        return true;
    }
    if end.message.as_deref().is_some_and(|message| message.contains(GUARD_STOP_MARK)) {
        return false;
    }
    if reported.len() > restarts {
        return true;
    }
    let probe = statuses.probe();
    if probe.is_some_and(is_running) {
        return true;
    }
    match probe.and_then(terminated) {
        Some(probe) => finished_at(end).zip(finished_at(probe)).is_some_and(|(engine, probe)| engine < probe),
        // The probe has not started yet, so that nothing but the pod's own end can have ended the engine.
        None => !was_ended,
    }
}

/// One death from what the kubelet and the probe know of it. A cause that the kubelet names goes first; then what the
/// probe found in the output that the guard kept; then what the kubelet kept of the output.
fn merged(
    end: Option<&ContainerStateTerminated>,
    reported: Option<&ReportedDeath>,
    report: Option<&ProbeReport>,
) -> EngineDeath {
    let seen = |death: &ReportedDeath| EngineDeath { at: Some(death.at), failure: death.failure.clone() };
    let Some(end) = end else {
        return reported.map_or_else(unseen, seen);
    };
    let at = finished_at(end);
    let ready_at = report.map(|report| report.times.ready_at);
    let became_ready = ready_at.map(|ready_at| ready_at.zip(at).is_some_and(|(ready, end)| ready <= second_after(end)));
    let reason = end.reason.as_deref();
    let by_reason = classify_engine_end(Some(end.exit_code), reason, became_ready, "");
    let kubelet_names_it = by_reason.message.starts_with("kubelet: ");
    let explained = reported.filter(|death| death.failure.class != EngineFailureClass::Unclassified);
    let failure = match explained {
        Some(death) if !kubelet_names_it => {
            let exit_code = death.failure.exit_code.or(Some(end.exit_code));
            EngineFailure { exit_code, ..death.failure.clone() }
        }
        _ => classify_engine_end(Some(end.exit_code), reason, became_ready, end.message.as_deref().unwrap_or_default()),
    };
    EngineDeath { at: reported.map(|death| death.at).or(at), failure }
}

/// The kubelet cuts times to seconds.
fn second_after(time: Timestamp) -> Timestamp {
    phaseloop_core::schedule::later_by(time, jiff::SignedDuration::from_secs(1))
}

fn unseen() -> EngineDeath {
    let class = EngineFailureClass::Unclassified;
    EngineDeath { at: None, failure: EngineFailure { class, memory: None, exit_code: None, message: String::new() } }
}
