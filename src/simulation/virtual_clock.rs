//! The clock of the simulation: it stands still until it is moved.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::cluster::clock::Clock;

/// A clock that moves only when it is told to, and never back.
#[derive(Debug)]
pub struct VirtualClock(Mutex<Timestamp>);

impl VirtualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock to `instant`, unless it is past it.
    pub fn move_to(&self, instant: Timestamp) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = instant.max(*now);
    }

    /// Moves the clock on. A duration beyond the end of time moves it there.
    pub fn advance(&self, by: SignedDuration) {
        let target = self.now().saturating_add(by).unwrap_or(Timestamp::MAX);
        self.move_to(target);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_when_told_to_and_never_back() {
        let start: Timestamp = "2026-03-04T01:00:00Z".parse().unwrap();
        let clock = VirtualClock::new(start);
        assert_eq!(clock.now(), start);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-03-04T01:01:30Z");
        clock.move_to(start);
        assert_eq!(clock.now().to_string(), "2026-03-04T01:01:30Z");
    }
}
