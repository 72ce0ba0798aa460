//! The load of a test: which requests, when each is due, how long it is, and what the answers add up to.
//!
//! **What lives here**: what follows from a workload and its seed alone, so that the probe in a pod and the simulation's model
//! of it offer the same requests; the chance by seed behind it, and the microseconds in which it is told.
//!
//! **What must not**: clocks, sockets, what an engine makes of the load.

mod answered;
mod micros;
mod noise;
mod schedule;

pub(crate) use answered::{AnsweredRequests, client_pace};
pub use micros::Micros;
pub(crate) use micros::whole;
pub use noise::{Noise, derive_seed};
pub use schedule::{ArrivalMode, RequestSchedule, ScheduledRequest};

#[cfg(test)]
pub(crate) mod fixture;
