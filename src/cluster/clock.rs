//! The clock: the one place at which the operator learns what time it is.

use jiff::Timestamp;

/// Tells the time. In a cluster the machine's clock, in a simulation a virtual one.
pub trait Clock: Send + Sync {
    /// The instant that it is now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock module: everything else is handed the time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
