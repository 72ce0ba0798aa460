//! The clocks: the one place at which the operator learns what time it is, and how much of it has passed.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

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
        to_the_millisecond(Timestamp::now())
    }
}

/// Rounded down to what people read: deadlines and statuses show it, and none of them needs nine digits.
fn to_the_millisecond(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Tells how much time has passed, by a clock that nobody sets: what a promise of so many seconds is measured with.
pub trait MonotonicClock: Send + Sync {
    /// Time since an origin of the clock's own.
    fn elapsed(&self) -> Duration;
}

/// The machine's monotonic clock, from when this value was made. It goes on while the process is stopped.
#[derive(Debug, Clone, Copy)]
pub struct ProcessClock {
    origin: Instant,
}

impl ProcessClock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl MonotonicClock for ProcessClock {
    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_no_more_digits_than_milliseconds() {
        let read: Timestamp = "2026-12-02T12:18:03.008205112Z".parse().unwrap();
        assert_eq!(to_the_millisecond(read).to_string(), "2026-12-02T12:18:03.008Z");
    }
}
