//! What the engine prints, in the form of a real one.
//!
//! **What lives here**: lines as data with their virtual times, and the texts of a start, a refusal, a death and an end.
//! Forms and places are those of recorded logs of vLLM 0.32 and of the sources of 0.33; a test holds them against the
//! core's classifier.
//!
//! **What must not**: the decision what happens.

mod death;
mod dictionary;
mod line;
mod refusal;
mod start;
mod stop;

pub(super) use death::{FailedAllocation, death_log};
pub use line::{EngineLog, LogLine, Process, Severity};
pub(super) use refusal::{RefusedStart, flags_log, refusal_log};
pub(super) use start::{StartStory, StartTimes, start_log};
pub(super) use stop::stop_log;
