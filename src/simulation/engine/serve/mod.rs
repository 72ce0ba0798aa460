//! Serving: continuous batching, step by step, until the load ends, the caller's time ends, or memory does.
//!
//! **What lives here**: the step loop, the scheduler's choice of what a step works on, and what becomes of each request.
//!
//! **What must not**: how long a step takes (`cost`), what it needs of memory (`memory`), and what is made of it all.

mod arrivals;
mod engine;
mod outcome;
mod sequence;

use engine::Serving;
pub use outcome::{EngineDeath, EngineStop, RequestEnd, RequestFailure, RequestOutcome, ServeOutcome};

use super::{client::SentRequest, log, spec::EngineSpec, start::StartFacts, units::Micros};

/// Requests on their way to an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<'a> {
    /// The requests, in the order of sending.
    pub requests: &'a [SentRequest],
    /// In a closed loop: how many are in flight at a time.
    pub concurrency: Option<usize>,
    /// Tokens that all prompts begin with.
    pub prefix_tokens: u64,
}

/// What becomes of an engine that serves this load from an instant until another, at which its container is stopped.
///
/// In an open loop it gets the requests that are sent in that time; in a closed loop all of them, each as soon as its turn
/// comes, so that the caller hands over what is left. A dead engine keeps its port for some seconds and answers with an
/// error; what is sent after that is refused by nobody, and is not in the outcome.
pub fn serve(
    spec: &EngineSpec,
    facts: &StartFacts,
    load: &Load<'_>,
    from: Micros,
    until: Micros,
    seed: u64,
) -> ServeOutcome {
    Serving::new(spec, facts, load, from, until, seed).run()
}

/// How an engine ends that is asked to (SIGTERM): within a second, with exit code 0; requests in flight are cut off.
pub fn stop(facts: &StartFacts, at: Micros) -> EngineStop {
    /// What the recorded server took, rounded up.
    const STOP: Micros = Micros(400_000);
    let log = log::stop_log(at);
    EngineStop { exited_at: at.max(facts.ready_at).plus(STOP), exit_code: 0, log }
}
