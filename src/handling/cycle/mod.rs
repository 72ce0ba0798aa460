//! `phaseloop cycle`: one PhaseRun and all that follows from it under one cycle id, begun or awaited.
//!
//! **What lives here**: what a cycle consists of as objects (`view`), where it stands by them alone (`decide`, pure), how a
//! run is found or begun (`begin`), and following it to its end (`follow`).
//!
//! **What must not**: a memory of its own: whoever is interrupted asks again, and is told the same.

mod begin;
mod decide;
mod follow;
mod view;

pub use begin::{BeginError, Subject};
pub use decide::{CycleEnd, CycleEndReason, CycleStep, SETTLE, decide};
pub use follow::{CycleError, CycleOutcome, CycleTerms, follow_cycle};
pub use view::{CycleView, Seen, view_of};
