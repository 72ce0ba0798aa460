//! When a plan's object is looked at again.

use jiff::{SignedDuration, Timestamp};

use crate::policy::bound::WAKE_MAX;

/// When the driver looks at an object again, unless the object or something it watches changes before.
///
/// What a decision promises by it: as long as nothing that it rests on changes, deciding again before that instant
/// changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wake {
    /// At an instant; an instant that has passed means at once.
    At(Timestamp),
    /// Only when something changes: time alone can't alter the decision (a finished object, a spec that can't run).
    OnChange,
}

impl Wake {
    /// After a delay.
    pub fn after(now: Timestamp, delay: SignedDuration) -> Self {
        Self::At(instant_after(now, delay))
    }

    /// Time alone changes nothing, but the change that is waited for may come without a notice: as late as a caller that
    /// caps what it waits ([`capped`](Self::capped)) lets it be.
    pub const fn poll() -> Self {
        Self::At(Timestamp::MAX)
    }

    /// Never later than [`WAKE_MAX`] from `now`, in case a notice was lost. What waits for a change only keeps waiting.
    /// Whoever waits applies this, not whoever decides: so that it stays known when something is really due.
    #[must_use]
    pub fn capped(self, now: Timestamp) -> Self {
        match self {
            Self::At(instant) => Self::At(instant.min(instant_after(now, WAKE_MAX))),
            Self::OnChange => Self::OnChange,
        }
    }

    /// The earlier of two; an instant comes before any wait for a change.
    #[must_use]
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(first), Self::At(second)) => Self::At(first.min(second)),
            (Self::At(instant), Self::OnChange) | (Self::OnChange, Self::At(instant)) => Self::At(instant),
            (Self::OnChange, Self::OnChange) => Self::OnChange,
        }
    }
}

/// `delay` after `instant`, or the end of time where the calendar ends.
pub fn instant_after(instant: Timestamp, delay: SignedDuration) -> Timestamp {
    instant.checked_add(delay).unwrap_or(if delay.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: SignedDuration = SignedDuration::from_secs(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_wake_is_never_later_than_five_minutes() {
        for (asked, given) in [(299, 299), (300, 300), (301, 300), (86_400, 300), (-5, -5)] {
            assert_eq!(Wake::At(at(asked)).capped(at(0)), Wake::At(at(given)), "{asked}");
        }
        assert_eq!(Wake::OnChange.capped(at(0)), Wake::OnChange);
        assert_eq!(Wake::poll().capped(at(0)), Wake::At(at(300)));
    }

    #[test]
    fn the_sooner_of_two_wakes_is_kept() {
        assert_eq!(Wake::At(at(5)).sooner(Wake::At(at(4))), Wake::At(at(4)));
        assert_eq!(Wake::At(at(4)).sooner(Wake::At(at(5))), Wake::At(at(4)));
        assert_eq!(Wake::OnChange.sooner(Wake::At(at(5))), Wake::At(at(5)));
        assert_eq!(Wake::At(at(5)).sooner(Wake::OnChange), Wake::At(at(5)));
        assert_eq!(Wake::OnChange.sooner(Wake::OnChange), Wake::OnChange);
    }

    #[test]
    fn instants_end_where_the_calendar_ends() {
        assert_eq!(instant_after(at(1), SECOND), at(2));
        assert_eq!(Wake::after(at(1), SECOND), Wake::At(at(2)));
        assert_eq!(instant_after(Timestamp::MAX, SECOND), Timestamp::MAX);
        assert_eq!(instant_after(Timestamp::MIN, -SECOND), Timestamp::MIN);
        assert_eq!(instant_after(at(1), -SECOND), at(0));
    }
}
