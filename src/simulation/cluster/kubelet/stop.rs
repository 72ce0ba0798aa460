//! Why and how a pod is ended.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::schedule::later_by;

/// Why a pod is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopCause {
    /// Its main containers have ended.
    Completed,
    /// An init container failed, and is not started again.
    InitFailed,
    /// Somebody deletes it.
    Deleted,
    /// It was active for longer than `activeDeadlineSeconds`.
    DeadlineExceeded,
    /// The node is short of something.
    Evicted(String),
}

/// The shortest time that a container gets between SIGTERM and SIGKILL, whatever is asked for
/// (`minimumGracePeriodInSeconds` of the kubelet).
pub(super) const GRACE_MIN: SignedDuration = SignedDuration::from_secs(2);

/// A pod's end that is going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) cause: StopCause,
    /// When it began.
    pub(super) since: Timestamp,
    /// Time from SIGTERM to SIGKILL of the whole pod; what waits its turn gets what is left, and at least [`GRACE_MIN`].
    pub(super) grace: SignedDuration,
}

impl Stop {
    /// When a container is killed that is asked to end at `at`.
    pub(super) fn kill_at(&self, at: Timestamp) -> Timestamp {
        // The kubelet counts what has passed in whole seconds.
        let passed = SignedDuration::from_secs(at.duration_since(self.since).as_secs());
        later_by(at, self.grace.saturating_sub(passed).max(GRACE_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_container_that_waits_its_turn_gets_what_is_left_and_never_less_than_two_seconds() {
        let stop = |grace| Stop { cause: StopCause::Deleted, since: at(100), grace: SignedDuration::from_secs(grace) };
        assert_eq!(stop(5).kill_at(at(100)), at(105));
        assert_eq!(stop(5).kill_at(at(101)), at(105));
        assert_eq!(stop(5).kill_at(at(105)), at(107));
        assert_eq!(stop(1).kill_at(at(100)), at(102), "1 s is raised to 2 s");
        assert_eq!(stop(0).kill_at(at(100)), at(102));
    }
}
