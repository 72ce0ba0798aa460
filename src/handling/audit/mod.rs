//! `phaseloop audit`: the records of transitions, taken out of the cluster and checked, in a file, in the cluster, or the one
//! against the other.
//!
//! **What lives here**: reading chains of objects (`read`), merging what an export holds with what the objects hold (`merge`),
//! and the checks (`verify`), which only call the core's.
//!
//! **What must not**: what a sound chain is: the core knows.

mod merge;
mod read;
mod verify;

pub use merge::merged;
pub use read::{LiveChain, read_chains};
pub use verify::{AuditFinding, AuditReport, verify_cluster, verify_file};
