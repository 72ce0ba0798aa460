//! `phaseloop init`: a PhaseSchedule and an Escalation for a target, as YAML that applies as it is and says of each line why
//! it is there.
//!
//! **What lives here**: what is read of the target (`observe`, `reading`), what is chosen (`choice`, `parameter`), how it is
//! written (`render`, `lines`), and the check of what was written by the same functions that the operator uses (`check`).
//!
//! **What must not**: writing to the cluster, and rules of its own: whether a test pod can be made, who manages a target and
//! what may be tuned is asked where the operator asks it.

mod check;
mod choice;
mod draft;
mod lines;
mod observe;
mod parameter;
mod reading;
mod render;

pub use draft::{Draft, InitOptions, InitRefusal, draft};
pub use observe::{InitFacts, Neighbours, observe_target};
