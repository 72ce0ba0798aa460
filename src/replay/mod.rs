//! Replay: recorded nights taken through the whole decision, as the operator would have taken it.
//!
//! **What lives here**: the mapping of recordings to the nights of a schedule, the loop over them, and the answer as a
//! value that can be printed or serialised.
//!
//! **What must not**: a decision. Judging, counting, flags, gates and candidates are the core's.

mod night;
mod run;
mod settings;

pub use night::{CandidateView, FlagView, GateView, ReplayedNight};
pub use run::{Replay, replay};
pub use settings::ReplaySettings;
