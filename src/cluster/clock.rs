//! The present instant, as an argument.

use jiff::Timestamp;

/// Tells the present instant. In a cluster it is the wall clock, in the simulation a virtual one.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}
