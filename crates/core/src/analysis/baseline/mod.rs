//! The baseline: which earlier runs a run is compared with.
//!
//! **What lives here**: what makes two runs comparable, which runs may serve, how far back, and which of them fall out
//! when each is held against the others.
//!
//! **What must not**: judging the run itself (`judge`), or remembering anything: every analysis chooses anew.

pub mod admission;
pub mod inference;
pub mod key;
pub mod outlier;
pub mod selection;

pub use admission::LeftOutReason;
pub use key::BaselineKey;
pub use selection::{Baseline, BaselineRun, select_baseline};
