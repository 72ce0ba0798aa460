//! Time as it is counted in a load: whole microseconds.

use jiff::SignedDuration;

/// Time in whole microseconds: a point on the caller's time line, or a length of time.
///
/// Whole numbers, so that a simulated history is equal on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// The beginning of the time line, or no time at all.
    pub const ZERO: Self = Self(0);
    /// Later than anything.
    pub const MAX: Self = Self(u64::MAX);

    /// A length in seconds; what is negative or no number counts as none.
    pub fn from_seconds(seconds: f64) -> Self {
        Self(whole(seconds * 1e6))
    }

    /// A length in milliseconds; what is negative or no number counts as none.
    pub fn from_ms(milliseconds: f64) -> Self {
        Self(whole(milliseconds * 1e3))
    }

    /// In seconds.
    pub const fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// In milliseconds.
    pub const fn ms(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// This much later.
    #[must_use]
    pub const fn plus(self, length: Self) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// The length from an earlier point to this one; nothing where it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl From<SignedDuration> for Micros {
    /// A negative duration counts as none.
    fn from(duration: SignedDuration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(0))
    }
}

impl From<Micros> for SignedDuration {
    fn from(length: Micros) -> Self {
        Self::from_micros(i64::try_from(length.0).unwrap_or(i64::MAX))
    }
}

/// The nearest whole number; what is negative or no number counts as 0.
pub(crate) fn whole(figure: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
    let number = (figure + 0.5) as u64;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_whole_and_never_negative() {
        assert_eq!(Micros::from_seconds(1.5), Micros(1_500_000));
        assert_eq!(Micros::from_ms(0.0016), Micros(2));
        assert_eq!(Micros::from_ms(-3.0), Micros::ZERO);
        assert_eq!(Micros::from_ms(f64::NAN), Micros::ZERO);
        assert_eq!(Micros(3).since(Micros(5)), Micros::ZERO);
        assert_eq!(Micros(5).since(Micros(3)), Micros(2));
        assert_eq!(Micros::MAX.plus(Micros(1)), Micros::MAX);
        assert_eq!((Micros(2_500).ms(), Micros(2_500_000).seconds()), (2.5, 2.5));
    }

    #[test]
    fn durations_go_both_ways() {
        assert_eq!(Micros::from(SignedDuration::from_secs(8)), Micros(8_000_000));
        assert_eq!(Micros::from(SignedDuration::from_secs(-8)), Micros::ZERO);
        assert_eq!(SignedDuration::from(Micros(1_234_567)), SignedDuration::from_micros(1_234_567));
        assert_eq!(SignedDuration::from(Micros::MAX), SignedDuration::from_micros(i64::MAX));
    }
}
