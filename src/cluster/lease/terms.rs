//! How long a lease lasts, and the arithmetic that makes one leader of many replicas.

use std::time::Duration;

/// Longest wait for one request about the lease.
pub const LEASE_CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Shortest time between two requests for the lease.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// Longest lease: for so long nobody leads after a leader died.
const DURATION_MAX: Duration = Duration::from_mins(5);

/// Where the lease is, and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePlace {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The name of this replica in it.
    pub identity: String,
}

/// The times of a lease, in which everybody who asks for it must agree.
///
/// A leader stops leading `renew_deadline` after it *sent* its last renewal that was confirmed; a write that it began
/// until then is answered, or given up, one call's time later. Another replica takes over when it has seen the lease
/// unchanged for `duration` by its own clock, which began at that renewal or later. So nothing of the old leader is under
/// way when the new one begins, as long as `renew_deadline + LEASE_CALL_TIMEOUT <= duration`, whatever the clocks of the
/// machines say; only their pace must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// How long the lease is the holder's after a renewal.
    pub duration: Duration,
    /// How long a leader leads after its last renewal.
    pub renew_deadline: Duration,
    /// How often it is asked for.
    pub retry_period: Duration,
}

impl Default for LeaseTerms {
    /// Those of client-go: 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// Times that do not make one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseTermsError {
    /// The API server counts whole seconds.
    #[error("a lease lasts whole seconds, from 1s to {}s", DURATION_MAX.as_secs())]
    Duration,
    /// Two leaders could be at work at once.
    #[error(
        "a leader must stop leading at least {}s before its lease ends: no later than {}s after a renewal",
        LEASE_CALL_TIMEOUT.as_secs(), .latest.as_secs()
    )]
    RenewDeadline {
        /// The latest that would do.
        latest: Duration,
    },
    /// One slow answer would end the leadership.
    #[error(
        "the lease must be asked for at least twice within the renew deadline, and not more often than every 500ms"
    )]
    RetryPeriod,
}

impl LeaseTerms {
    /// Checks that the times make one leader.
    ///
    /// # Errors
    /// The first [`LeaseTermsError`].
    pub const fn check(&self) -> Result<(), LeaseTermsError> {
        let whole = self.duration.subsec_nanos() == 0 && self.duration.as_secs() >= 1;
        if !whole || self.duration.as_nanos() > DURATION_MAX.as_nanos() {
            return Err(LeaseTermsError::Duration);
        }
        let latest = self.duration.saturating_sub(LEASE_CALL_TIMEOUT);
        if self.renew_deadline.is_zero() || self.renew_deadline.as_nanos() > latest.as_nanos() {
            return Err(LeaseTermsError::RenewDeadline { latest });
        }
        let too_rare = self.retry_period.as_nanos() * 2 > self.renew_deadline.as_nanos();
        if too_rare || self.retry_period.as_nanos() < RETRY_MIN.as_nanos() {
            return Err(LeaseTermsError::RetryPeriod);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(duration_ms: u64, renew_ms: u64, retry_ms: u64) -> Result<(), LeaseTermsError> {
        let [duration, renew_deadline, retry_period] = [duration_ms, renew_ms, retry_ms].map(Duration::from_millis);
        LeaseTerms { duration, renew_deadline, retry_period }.check()
    }

    #[test]
    fn times_that_could_make_two_leaders_are_refused() {
        assert_eq!(LeaseTerms::default().check(), Ok(()));
        let too_late = LeaseTermsError::RenewDeadline { latest: Duration::from_secs(12) };
        for (times, expected) in [
            ((15_000, 12_000, 2_000), Ok(())),
            ((15_000, 12_001, 2_000), Err(too_late)),
            ((15_000, 0, 2_000), Err(too_late)),
            ((15_500, 10_000, 2_000), Err(LeaseTermsError::Duration)),
            ((0, 10_000, 2_000), Err(LeaseTermsError::Duration)),
            ((300_000, 10_000, 2_000), Ok(())),
            ((301_000, 10_000, 2_000), Err(LeaseTermsError::Duration)),
            ((15_000, 10_000, 5_000), Ok(())),
            ((15_000, 10_000, 5_001), Err(LeaseTermsError::RetryPeriod)),
            ((15_000, 10_000, 500), Ok(())),
            ((15_000, 10_000, 499), Err(LeaseTermsError::RetryPeriod)),
            ((2_000, 1_000, 500), Err(LeaseTermsError::RenewDeadline { latest: Duration::ZERO })),
        ] {
            assert_eq!(check(times.0, times.1, times.2), expected, "{times:?}");
        }
    }
}
