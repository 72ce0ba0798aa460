//! From an engine's end to the class of its failure.

use super::{
    cue::Cue,
    evidence::Hearing,
    line::LogLine,
    start::{has_started_serving, is_cpu_engine},
};
use crate::{
    analysis::measurement::{EngineFailure, EngineFailureClass, MemoryFault},
    prelude::*,
};

/// Shells and kubelets report a death by signal n as exit code 128 + n.
const SIGNAL_BASE: i32 = 128;
/// Signals by which a process ends itself on a fault: ILL, ABRT, BUS, FPE, SEGV.
const FAULT_SIGNALS: [i32; 5] = [4, 6, 7, 8, 11];
/// Signals by which somebody else ends a process: KILL, TERM.
const STOP_SIGNALS: [i32; 2] = [9, 15];

/// What the server prints first when it is asked to end. The engine's death that it reports afterwards is its own work.
const STOP_MARK: &str = "[shutdown] API server: shutdown triggered";

/// Reasons of the kubelet for which the node or the cluster ended the container, or never began it.
const CLUSTER_REASONS: &[&str] = &[
    "ContainerCannotRun",
    "ContainerStatusUnknown",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "Evicted",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "NodeAffinity",
    "NodeLost",
    "NodeShutdown",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
    "Preempting",
    "RunContainerError",
    "Shutdown",
    "StartError",
    "Terminated",
    "UnexpectedAdmissionError",
];

/// Why an engine ended. Evidence decides in this order:
///
/// 1. The kubelet's reason, where it names a cause (`OOMKilled`, `DeadlineExceeded`, an eviction ...).
/// 2. The exit code, where it names one: a fault signal is a crash, a stop signal before the engine was ready is a start
///    that took too long. Exit code 0 is evidence of nothing: vLLM ends with it after its engine process died.
/// 3. The output. It goes before the exit code where it tells more than that something died: faulty hardware, memory,
///    the cluster. Lines that report nothing wrong (INFO, DEBUG) are not read, since they may quote requests. A death that
///    follows an orderly request to end is none.
///
/// A faulty card or link (Xid, ECC, NVLink) makes every other line doubtful and is `Infrastructure` whatever else the
/// output says: it must never count against a configuration. `became_ready` is what the observer saw; where nobody
/// looked, the output's own mark of serving stands for it. `message` is the deciding line, without process, time and
/// place.
pub fn classify_engine_end(
    exit_code: Option<i32>,
    kubelet_reason: Option<&str>,
    became_ready: Option<bool>,
    output: &str,
) -> EngineFailure {
    let decided = |class, memory, message| EngineFailure { class, memory, exit_code, message };
    if let Some((class, memory)) = kubelet_reason.and_then(|reason| class_of_reason(reason, output)) {
        return decided(class, memory, format!("kubelet: {}", kubelet_reason.unwrap_or_default()));
    }
    let ready = became_ready.or_else(|| has_started_serving(output).then_some(true));
    let cue = strongest_cue(output);
    if let Some((class, memory, line)) =
        cue.and_then(|(cue, line)| class_of_cause(cue, output).map(|found| (found.0, found.1, line)))
    {
        return decided(class, memory, line.shortened());
    }
    let message = cue.map(|(cue, line)| explaining_line(cue, line, output).shortened());
    if let Some(class) = exit_code.and_then(|code| class_of_signal(code, ready)) {
        return decided(class, None, message.unwrap_or_default());
    }
    if let Some((cue, _)) = cue {
        return decided(class_of_consequence(cue, ready), None, message.unwrap_or_default());
    }
    let exception = first_exception(output);
    let class = match (exception, ready, exit_code) {
        (Some(_), Some(true), Some(1..)) => EngineFailureClass::Crash,
        (Some(_), Some(false), Some(1..)) => EngineFailureClass::StartRefused,
        _ => EngineFailureClass::Unclassified,
    };
    decided(class, None, exception.map(|line| line.shortened()).unwrap_or_default())
}

/// The class that a kubelet's reason names by itself; `None` for reasons that say only that it ended.
fn class_of_reason(reason: &str, output: &str) -> Option<(EngineFailureClass, Option<MemoryFault>)> {
    match reason {
        "OOMKilled" => Some((EngineFailureClass::OutOfMemory, host_fault(output))),
        "DeadlineExceeded" => Some((EngineFailureClass::Timeout, None)),
        other if CLUSTER_REASONS.contains(&other) => Some((EngineFailureClass::Infrastructure, None)),
        _ => None,
    }
}

/// Main memory is what the CPU engine serves from; on a card it says nothing about the card's memory.
fn host_fault(output: &str) -> Option<MemoryFault> {
    is_cpu_engine(output).then_some(MemoryFault::Overcommitted)
}

/// The class of a line that names a cause.
fn class_of_cause(cue: Cue, output: &str) -> Option<(EngineFailureClass, Option<MemoryFault>)> {
    match cue {
        Cue::HardwareFault | Cue::ClusterFault => Some((EngineFailureClass::Infrastructure, None)),
        Cue::MemoryRefusal(fault) => Some((EngineFailureClass::StartRefusedForMemory, fault)),
        Cue::CardOutOfMemory => Some((EngineFailureClass::OutOfMemory, Some(MemoryFault::Overcommitted))),
        Cue::HostOutOfMemory => Some((EngineFailureClass::OutOfMemory, host_fault(output))),
        Cue::StartTimeout => Some((EngineFailureClass::Timeout, None)),
        Cue::BadFlag => Some((EngineFailureClass::StartRefused, None)),
        Cue::StartFailed | Cue::EngineDeath => None,
    }
}

/// The class of a line that says only that something failed.
fn class_of_consequence(cue: Cue, ready: Option<bool>) -> EngineFailureClass {
    match (cue, ready) {
        (Cue::StartFailed, None | Some(false)) => EngineFailureClass::StartRefused,
        _ => EngineFailureClass::Crash,
    }
}

fn class_of_signal(exit_code: i32, ready: Option<bool>) -> Option<EngineFailureClass> {
    let signal = exit_code.checked_sub(SIGNAL_BASE)?;
    if FAULT_SIGNALS.contains(&signal) {
        return Some(EngineFailureClass::Crash);
    }
    (STOP_SIGNALS.contains(&signal) && ready == Some(false)).then_some(EngineFailureClass::Timeout)
}

/// The strongest evidence of the output, and the first line that holds it.
fn strongest_cue(output: &str) -> Option<(Cue, LogLine<'_>)> {
    let mut hearing = Hearing::default();
    let evidence = output.lines().map(LogLine::parse).filter_map(|line| Some((hearing.cue(&line)?, line)));
    evidence.min_by_key(|(cue, _)| *cue)
}

/// Whether the server was asked to end.
pub(super) fn is_stop(line: &LogLine<'_>) -> bool {
    line.message.starts_with(STOP_MARK)
}

/// For a start that failed, the exception that came first: the line itself only says that there was one.
fn explaining_line<'a>(cue: Cue, line: LogLine<'a>, output: &'a str) -> LogLine<'a> {
    if cue == Cue::StartFailed { first_exception(output).unwrap_or(line) } else { line }
}

/// The first exception before the server was asked to end.
fn first_exception(output: &str) -> Option<LogLine<'_>> {
    output.lines().map(LogLine::parse).take_while(|line| !is_stop(line)).find(LogLine::is_exception)
}

#[cfg(test)]
mod tests;
