//! Arithmetic with instants that can't fail: it stops at the ends of the calendar, millennia from any run.

use jiff::{SignedDuration, Timestamp};

/// The instant `duration` after `instant` (before it, for a negative duration), held at the ends of the calendar.
pub fn later_by(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    let end = if duration.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    instant.checked_add(duration).unwrap_or(end)
}

/// The instant `duration` before `instant`, held at the ends of the calendar.
pub fn earlier_by(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    later_by(instant, SignedDuration::ZERO.saturating_sub(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_held_at_the_ends_of_the_calendar() {
        let noon: Timestamp = "2026-03-04T12:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        assert_eq!(later_by(noon, hour).to_string(), "2026-03-04T13:00:00Z");
        assert_eq!(earlier_by(noon, hour).to_string(), "2026-03-04T11:00:00Z");
        assert_eq!(later_by(noon, SignedDuration::MAX), Timestamp::MAX);
        assert_eq!(earlier_by(noon, SignedDuration::MAX), Timestamp::MIN);
        assert_eq!(later_by(noon, SignedDuration::MIN), Timestamp::MIN);
        assert_eq!(earlier_by(noon, SignedDuration::MIN), Timestamp::MAX);
    }
}
