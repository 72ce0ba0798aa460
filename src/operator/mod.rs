//! The operator as it runs in a cluster: watches and queues as callers of the one driver, and everything around them that
//! a simulation does without.
//!
//! **What lives here**: the configuration, the way to the API server, watches, queues, what is waited for at the start,
//! the assembly of a replica and its ordered end, the audit log.
//!
//! **What must not**: decisions, and any other way to the driver than [`crate::controllers`].

pub mod assembly;
pub mod audit;
pub mod bell;
pub mod configuration;
pub mod connection;
pub mod controller;
mod program;
pub mod pulse;
pub mod readiness;
pub mod scope;
pub mod stop;
pub mod vitals;
pub mod watch;
pub mod watched;

pub use assembly::{Operator, OperatorParts};
pub use configuration::{OperatorConfiguration, Scope};
pub use program::run;
