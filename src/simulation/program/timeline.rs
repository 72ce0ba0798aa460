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

/// The last bytes of a text, whole characters.
pub(super) fn tail(text: &str, bytes_max: usize) -> String {
    let start = (0..=text.len()).find(|start| text.len() - start <= bytes_max && text.is_char_boundary(*start));
    start.and_then(|start| text.get(start..)).unwrap_or_default().to_owned()
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

    #[test]
    fn a_tail_has_whole_characters() {
        assert_eq!(tail("abc", 9), "abc");
        assert_eq!(tail("abc", 2), "bc");
        assert_eq!(tail("aé", 1), "");
        assert_eq!(tail("aé", 2), "é");
    }
}
