//! The clock of a program in a test pod: the wall clock is read once, at the start, and time passes by the monotonic one.
//! A clock that somebody sets meanwhile moves neither an end nor a figure.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::schedule::later_by;

use super::load::Micros;

/// What time it is, and how much of it has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodClock {
    origin: Instant,
    origin_at: Timestamp,
}

impl PodClock {
    /// A clock that starts now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock module: everything else is handed the time")]
    pub(super) fn start() -> Self {
        Self { origin: Instant::now(), origin_at: Timestamp::now() }
    }

    /// The instant that it is now.
    pub(super) fn now(&self) -> Timestamp {
        self.at(self.elapsed())
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Micros {
        Micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The instant that lies so long after the start.
    pub(super) fn at(&self, elapsed: Micros) -> Timestamp {
        later_by(self.origin_at, SignedDuration::from(elapsed))
    }

    /// How long after the start an instant lies; nothing where it lies before it.
    pub(super) fn micros_of(&self, at: Timestamp) -> Micros {
        Micros::from(at.duration_since(self.origin_at))
    }

    /// How long it is until a point of this clock; nothing where it has passed.
    pub(super) fn time_until(&self, point: Micros) -> Duration {
        Duration::from_micros(point.since(self.elapsed()).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_points_of_the_clock_go_both_ways() {
        let clock = PodClock::start();
        let later = clock.at(Micros(90_000_000));
        assert_eq!(clock.micros_of(later), Micros(90_000_000));
        assert_eq!(clock.micros_of(clock.origin_at), Micros::ZERO);
        assert_eq!(clock.micros_of("2000-01-01T00:00:00Z".parse().unwrap()), Micros::ZERO, "long past");
        assert_eq!(clock.time_until(Micros::ZERO), Duration::ZERO);
        let left = clock.time_until(Micros(3_600_000_000));
        assert!(Duration::from_secs(3_500) < left && left <= Duration::from_hours(1), "{left:?}");
    }
}
