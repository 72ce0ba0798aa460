//! Whether the loops of this replica are at work: what a liveness probe is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::cluster::MonotonicClock;

/// No instant: milliseconds since the clock's origin never get there.
const NEVER: u64 = u64::MAX;

/// A loop that beats, or work that must not last. Clones are the same.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "a clock has nothing to show")]
pub struct Pulse {
    clock: Arc<dyn MonotonicClock>,
    since_ms: Arc<AtomicU64>,
    longest: Duration,
}

impl Pulse {
    /// A pulse at rest. After its last [`beat`](Self::beat), `longest` may pass until the next one, or until it rests.
    pub fn new(clock: Arc<dyn MonotonicClock>, longest: Duration) -> Self {
        Self { clock, since_ms: Arc::new(AtomicU64::new(NEVER)), longest }
    }

    /// It is at work from here on.
    pub fn beat(&self) {
        let now = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.since_ms.store(now, Ordering::Relaxed);
    }

    /// It has nothing to do.
    pub fn rest(&self) {
        self.since_ms.store(NEVER, Ordering::Relaxed);
    }

    /// How long it has hung, if it does.
    pub fn hangs(&self) -> Option<Duration> {
        let since = self.since_ms.load(Ordering::Relaxed);
        if since == NEVER {
            return None;
        }
        let silent = self.clock.elapsed().saturating_sub(Duration::from_millis(since));
        (silent > self.longest).then_some(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ProcessClock;

    #[tokio::test(start_paused = true)]
    async fn a_pulse_hangs_once_its_longest_time_has_passed_and_not_while_it_rests() {
        let pulse = Pulse::new(Arc::new(ProcessClock::start()), Duration::from_secs(10));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(pulse.hangs(), None, "it has nothing to do yet");
        pulse.beat();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(pulse.hangs(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(pulse.hangs(), Some(Duration::from_millis(10_001)));
        pulse.rest();
        assert_eq!(pulse.hangs(), None);
    }
}
