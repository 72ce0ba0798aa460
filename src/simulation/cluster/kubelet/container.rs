//! One container of a pod: waiting, running or ended.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;
use phaseloop_core::schedule::later_by;

use super::life::{Ending, Life};

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It runs to its end before anything else starts.
    Init,
    /// It runs beside the main containers, and is started again whenever it ends.
    Sidecar,
    /// The pod is there for it.
    Main,
}

/// Where a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Not started yet, or waiting to be started again.
    Waiting(Wait),
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended.
    Ended(Ended),
}

/// Why a container does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its turn has not come, or it is just being made.
    Turn,
    /// Its image is pulled again later.
    Image {
        /// What the registry said.
        message: String,
        /// Whether the kubelet holds back by now.
        backing_off: bool,
    },
    /// It is started again later.
    Restart {
        /// How long it is held back.
        delay: SignedDuration,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) started_at: Timestamp,
    pub(super) finished_at: Timestamp,
    pub(super) exit_code: i32,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct ContainerMachine {
    pub(super) spec: Container,
    pub(super) role: Role,
    pub(super) state: State,
    /// The end before the present state.
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    /// When it is started, or its image asked for again.
    pub(super) start_at: Option<Timestamp>,
    pub(super) life: Life,
    /// When it is killed if it has not ended by then; it was asked to end.
    pub(super) kill_at: Option<Timestamp>,
    /// Its run in the log of what ran.
    pub(super) record: Option<usize>,
    /// Failures in a row: of pulling, or of running.
    pub(super) failures: u32,
}

/// Exit code of a container that is killed.
const KILLED: i32 = 137;
/// From the first end of a container to its second start.
const RESTART_FIRST: SignedDuration = SignedDuration::from_secs(1);
/// The delay after the second end; it doubles with each further one.
const RESTART_SECOND_SECONDS: i64 = 10;
/// The longest delay.
const RESTART_SECONDS_MAX: i64 = 300;
/// A run as long as this makes a kubelet forget the ends before it.
const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl ContainerMachine {
    pub(super) fn new(spec: Container, role: Role) -> Self {
        Self {
            spec,
            role,
            state: State::Waiting(Wait::Turn),
            last: None,
            restarts: 0,
            start_at: None,
            life: Life::default(),
            kill_at: None,
            record: None,
            failures: 0,
        }
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// How its last run ended, if it does not run.
    pub(super) const fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) => Some(ended),
            State::Waiting(_) | State::Running { .. } => None,
        }
    }

    /// Whether it ever ran.
    pub(super) const fn has_run(&self) -> bool {
        self.is_running() || self.ended().is_some() || self.last.is_some()
    }

    /// When it ends, if nothing else happens: by itself, or killed.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        if !self.is_running() {
            return None;
        }
        let own = self.life.ends.as_ref().map(|ending| ending.at);
        own.into_iter().chain(self.kill_at).min()
    }

    /// How it ends at that instant.
    pub(super) fn ending(&self, at: Timestamp) -> Ending {
        let own = self.life.ends.as_ref().filter(|ending| ending.at <= at);
        own.cloned().unwrap_or(Ending { at, exit_code: KILLED, message: None, reason: None })
    }

    /// How long it is held back before it is started again.
    pub(super) fn restart_delay(&mut self, ended: &Ended) -> SignedDuration {
        if ended.finished_at.duration_since(ended.started_at) >= FORGIVEN_AFTER {
            self.failures = 0;
        }
        let doublings = self.failures.checked_sub(1);
        self.failures = self.failures.saturating_add(1);
        doublings.map_or(RESTART_FIRST, backed_off)
    }

    /// The pull of its image failed: when it is tried again.
    pub(super) fn pull_failed(&mut self, message: String, now: Timestamp) {
        let backing_off = self.failures > 0;
        self.state = State::Waiting(Wait::Image { message, backing_off });
        self.start_at = Some(later_by(now, backed_off(self.failures)));
        self.failures = self.failures.saturating_add(1);
    }
}

fn backed_off(doublings: u32) -> SignedDuration {
    let seconds = RESTART_SECOND_SECONDS.saturating_mul(1 << doublings.min(16));
    SignedDuration::from_secs(seconds.min(RESTART_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(seconds: i64) -> Ended {
        Ended {
            started_at: Timestamp::from_second(0).unwrap(),
            finished_at: Timestamp::from_second(seconds).unwrap(),
            exit_code: 0,
            reason: "Completed",
            message: None,
        }
    }

    #[test]
    fn a_container_that_keeps_ending_is_held_back_longer_each_time_and_forgiven_after_a_long_run() {
        let mut container = ContainerMachine::new(Container::default(), Role::Sidecar);
        let mut delays = |seconds| container.restart_delay(&run_of(seconds)).as_secs();
        let seen: Vec<i64> = (0..8).map(|_| delays(60)).collect();
        assert_eq!(seen, [1, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(delays(599), 300);
        assert_eq!(delays(600), 1);
    }
}
