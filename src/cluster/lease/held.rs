//! Whether this replica leads: a promise that ends by the clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{cluster::MonotonicClock, controllers::Leadership};

/// Leadership until an instant of the replica's own clock. Nobody has to end it: a process that was stopped, or whose
/// renewals are late, finds it ended when it looks.
pub struct HeldLease {
    clock: Arc<dyn MonotonicClock>,
    /// Milliseconds of the clock; 0 where it does not lead.
    until_ms: AtomicU64,
    /// Beginnings and ends, as far as the keeper has noticed them.
    changes: watch::Sender<bool>,
    /// Who holds the lease, as it was read last.
    holder: watch::Sender<String>,
}

impl HeldLease {
    /// Nobody's lease.
    pub fn new(clock: Arc<dyn MonotonicClock>) -> Self {
        let (changes, holder) = (watch::Sender::new(false), watch::Sender::new(String::new()));
        Self { clock, until_ms: AtomicU64::new(0), changes, holder }
    }

    /// Tells of beginnings and ends. An end is told when the keeper notices it, which is no later than its next request.
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.changes.subscribe()
    }

    /// Who holds the lease, as it was read last; empty where nobody is known to.
    pub fn holder(&self) -> String {
        self.holder.borrow().clone()
    }

    /// Until when it leads, by its clock; absent where it does not.
    pub fn until(&self) -> Option<Duration> {
        let until = Duration::from_millis(self.until_ms.load(Ordering::Acquire));
        (self.clock.elapsed() < until).then_some(until)
    }

    pub(super) fn hold_until(&self, until: Duration) {
        self.until_ms.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
        self.tell();
    }

    pub(super) fn let_go(&self) {
        self.until_ms.store(0, Ordering::Release);
        self.tell();
    }

    pub(super) fn held_by(&self, holder: &str) {
        self.holder.send_if_modified(|known| {
            let changed = known != holder;
            if changed {
                holder.clone_into(known);
            }
            changed
        });
    }

    /// Tells whoever listens what holds now.
    pub(super) fn tell(&self) {
        let leads = self.is_leader();
        let changed = self.changes.send_if_modified(|told| std::mem::replace(told, leads) != leads);
        if changed {
            let holder = self.holder();
            tracing::info!(leads, holder, "{}", if leads { "leads from here on" } else { "does not lead any more" });
        }
    }
}

impl Leadership for HeldLease {
    fn is_leader(&self) -> bool {
        self.until().is_some()
    }
}

impl std::fmt::Debug for HeldLease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldLease").field("until", &self.until()).field("holder", &self.holder()).finish()
    }
}
