//! The cluster as the operator sees it: the only holder of a `kube::Client`.
//!
//! **What lives here**: reading with a deadline per call, the closed list of effects with their one interpreter, status
//! writes that test the resourceVersion they were decided on, the few writes of people's commands, the lease of the leader,
//! the clocks, and what a failed call means.
//!
//! **What must not**: decisions, and retries: a failed call ends the reconcile, and the driver's caller asks again.

mod answer;
pub mod clock;
pub mod command;
pub mod connection;
pub mod effect;
pub mod error;
pub mod execute;
pub mod last_words;
pub mod lease;
mod pages;
mod parsed;
pub mod read;
pub mod status;

pub use clock::{Clock, MonotonicClock, ProcessClock, SystemClock};
pub use command::merge_into;
pub use connection::{CallTimeouts, Cluster};
pub use effect::Effect;
pub use error::{ClusterError, ClusterErrorKind};
pub use execute::{Outcome, execute};
pub use last_words::LastWords;
pub use read::{Listed, Readable, Reader};
pub use status::write_status;
