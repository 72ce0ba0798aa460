//! The time line of one pod: the engine model counts from the pod's beginning.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::schedule::later_by;

use crate::simulation::engine::Micros;

/// The time line of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLine {
    pub(super) beginning: Timestamp,
}

impl TimeLine {
    /// The place of an instant.
    pub(super) fn micros(self, at: Timestamp) -> Micros {
        Micros::from(at.duration_since(self.beginning))
    }

    /// The instant of a place.
    pub(super) fn instant(self, at: Micros) -> Timestamp {
        later_by(self.beginning, SignedDuration::from(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_instants_go_both_ways() {
        let line = TimeLine { beginning: "2026-03-04T02:00:00Z".parse().unwrap() };
        let at: Timestamp = "2026-03-04T02:00:01.5Z".parse().unwrap();
        assert_eq!(line.micros(at), Micros(1_500_000));
        assert_eq!(line.instant(Micros(1_500_000)), at);
    }
}
