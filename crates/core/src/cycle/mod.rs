//! One cycle's decision: what follows, at an instant, from the runs that were judged and from what an Escalation allows.
//!
//! **What lives here**: the composition of counting, flags, gates and candidates into one answer, and the policy it is
//! asked under. The operator, the simulation and `phaseloop replay` all ask here, so they can't differ.
//!
//! **What must not**: rules of its own. Each part of the answer comes from `policy` or `tuning`.

mod decide;
mod policy;
mod reason;
mod run;

pub use decide::{CycleDecision, CycleFacts, decide_cycle};
pub use policy::{CanaryLoad, CyclePolicy};
pub use reason::TuningReason;
pub use run::{CurrentRun, Permission};
