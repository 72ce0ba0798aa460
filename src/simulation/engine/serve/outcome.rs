//! What came of a load and of the engine that served it.

use super::super::{log::EngineLog, units::Micros, view::EngineCounters};

/// What became of one request, in the client's time but for `admitted_at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOutcome {
    /// Its place in the schedule.
    pub index: usize,
    /// When it was sent.
    pub sent_at: Micros,
    /// How far behind the schedule that was.
    pub delay: Micros,
    /// When the scheduler first worked on it.
    pub admitted_at: Option<Micros>,
    /// When each of its tokens reached the client.
    pub token_times: Vec<Micros>,
    /// How it ended.
    pub end: RequestEnd,
    /// When it ended.
    pub ended_at: Micros,
    /// How often its blocks were taken from it.
    pub preemptions: u64,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnd {
    /// Answered in full.
    Finished,
    /// Answered with an error, or broken off by the engine.
    Failed(RequestFailure),
    /// Still in flight when the container was stopped.
    CutOff,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFailure {
    /// The engine died, or was dead already (HTTP 500).
    EngineDied,
    /// Longer than the engine permits (HTTP 400).
    TooLong,
    /// Too many were waiting (HTTP 503).
    QueueFull,
}

/// What came of serving.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeOutcome {
    /// Every request that reached the engine, in the order of sending.
    pub requests: Vec<RequestOutcome>,
    /// Its death, if it died.
    pub death: Option<EngineDeath>,
    /// When it had nothing left to do, or died, or was stopped.
    pub ended_at: Micros,
    /// What it counted of itself.
    pub counters: EngineCounters,
}

/// The death of an engine while it served.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineDeath {
    /// When the engine's process died: from here on requests fail.
    pub at: Micros,
    /// When the server noticed and ended: the end of the container.
    pub exited_at: Micros,
    /// Exit code of the container: 0, as of a real server whose engine died.
    pub exit_code: i32,
    /// What it printed from its death on.
    pub log: EngineLog,
}

/// An end on request.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineStop {
    /// When the process is gone.
    pub exited_at: Micros,
    /// Exit code.
    pub exit_code: i32,
    /// What it printed.
    pub log: EngineLog,
}
