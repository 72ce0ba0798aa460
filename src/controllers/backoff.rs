//! Backing off after failures, per object. Retries happen here and nowhere else.

use std::collections::BTreeMap;

use jiff::SignedDuration;

/// Delay after the first failure.
pub const BACKOFF_FIRST: SignedDuration = SignedDuration::from_secs(1);
/// Longest delay: the time after which the driver looks at everything anyway.
pub const BACKOFF_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Failures in a row by object. Bounded: an entry goes at the first success, and with its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff<Key> {
    failures: BTreeMap<Key, u32>,
}

impl<Key> Default for Backoff<Key> {
    fn default() -> Self {
        Self { failures: BTreeMap::new() }
    }
}

impl<Key: Ord> Backoff<Key> {
    /// The object's reconcile failed: how long to wait. 1 s, 2 s, 4 s, and so on to [`BACKOFF_MAX`].
    pub fn failed(&mut self, key: Key) -> SignedDuration {
        let failures = self.failures.entry(key).or_default();
        let doublings = (*failures).min(16);
        *failures = failures.saturating_add(1);
        BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX)
    }

    /// The object's reconcile succeeded, or the object is gone.
    pub fn succeeded(&mut self, key: &Key) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_five_minutes_and_starts_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let delays: Vec<i64> = (0..10).map(|_| backoff.failed("a").as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff.failed("b").as_secs(), 1, "each object by itself");
        backoff.succeeded(&"a");
        assert_eq!(backoff.failed("a").as_secs(), 1);
    }

    #[test]
    fn no_number_of_failures_goes_beyond_the_longest_delay() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            assert!(backoff.failed("a") <= BACKOFF_MAX);
        }
    }
}
