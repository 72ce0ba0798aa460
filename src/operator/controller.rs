//! One queue per kind: names that are rung become looks of the driver, and the driver's answer becomes when to look again.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};
use phaseloop_core::plan::Wake;
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::{pulse::Pulse, watched::Watched};
use crate::{
    cluster::MonotonicClock,
    controllers::{Backoff, Context, Kind, ObjectKey, ReconcileError, WorkQueue, reconcile},
    telemetry::Metrics,
};

/// Whose turn it is: at any time one reconcile per replica, whichever kind it is of, so that no two plans of one replica
/// rest on the same reading.
pub type Turn = Arc<tokio::sync::Mutex<()>>;

/// What every queue of a replica works with.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "clocks have nothing to show")]
pub struct ControllerParts {
    /// What a reconcile is given.
    pub context: Context,
    /// Whose turn it is.
    pub turn: Turn,
    /// Beats while a look goes on.
    pub pulse: Pulse,
    /// What the length of a look is measured with.
    pub monotonic: Arc<dyn MonotonicClock>,
    /// Where looks are counted.
    pub metrics: Metrics,
    /// Numbers of looks, which logs show.
    pub looks: Arc<AtomicU64>,
}

/// One kind's queue, and who works through it.
///
/// Its size has a bound: beside the queue, an entry of the backoff per object that fails, of about 200 bytes: with 1,000
/// objects less than half a MiB together.
struct Looking<K: Kind> {
    parts: ControllerParts,
    store: Store<Watched<K>>,
    queue: WorkQueue<ObjectKey, Duration>,
    backoff: Backoff<ObjectKey>,
}

/// Looks at objects of one kind in one scope until `stop` comes, then lets the look that is going on end.
///
/// `rests_on` are the gates of what must be watched before the first look.
pub async fn run_controller<K: Kind>(
    parts: ControllerParts,
    store: Store<Watched<K>>,
    names: mpsc::Receiver<ObjectKey>,
    rests_on: Vec<watch::Receiver<bool>>,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    for mut gate in rests_on {
        tokio::select! {
            () = &mut stop => return,
            _opened = gate.wait_for(|open| *open) => {}
        }
    }
    Looking { parts, store, queue: WorkQueue::default(), backoff: Backoff::default() }.work(names, stop).await;
}

impl<K: Kind> Looking<K> {
    async fn work(mut self, mut names: mpsc::Receiver<ObjectKey>, mut stop: Pin<&mut impl Future<Output = ()>>) {
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = std::future::ready(()) => {}
            }
            while let Ok(rung) = names.try_recv() {
                self.queue.add(rung, self.now());
            }
            if let Some(key) = self.queue.take_due(self.now()) {
                self.look(key, &mut names).await;
                continue;
            }
            tokio::select! {
                () = &mut stop => return,
                rung = names.recv() => match rung {
                    Some(key) => self.queue.add(key, self.now()),
                    // Nobody is left who could ring: the scope is closed.
                    None => return,
                },
                () = until_due(self.queue.next_at().map(|at| at.saturating_sub(self.now()))) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.parts.monotonic.elapsed()
    }

    /// Looks at an object; takes meanwhile what is rung, so that no watch waits for a look.
    async fn look(&mut self, key: ObjectKey, names: &mut mpsc::Receiver<ObjectKey>) {
        if self.store.get(&ObjectRef::<Watched<K>>::new(&key.name).within(&key.namespace)).is_none() {
            // Its failures in a row go with it.
            self.backoff.succeeded(&key);
            return;
        }
        let (parts, looked_at) = (self.parts.clone(), key.clone());
        let mut look = std::pin::pin!(look::<K>(&parts, &looked_at));
        let looked = loop {
            tokio::select! {
                looked = &mut look => break looked,
                Some(rung) = names.recv() => self.queue.add(rung, self.now()),
            }
        };
        if let Some(delay) = self.again_after(&key, looked) {
            self.queue.add(key, self.now().saturating_add(delay));
        }
    }

    /// In how long the queue is to look again, if it is to do so without a change.
    fn again_after(&mut self, key: &ObjectKey, looked: Result<Option<Duration>, ReconcileError>) -> Option<Duration> {
        let error = match looked {
            Ok(again) => {
                self.backoff.succeeded(key);
                return again;
            }
            Err(error) => error,
        };
        let cause = error.call().map_or_else(String::new, crate::cluster::ClusterError::chain);
        if !error.is_retryable() {
            tracing::error!(kind = %K::KIND, object = %key, error = %error, cause, "waits for a change of the object");
            return None;
        }
        let delay = self.backoff.failed(key.clone());
        tracing::warn!(kind = %K::KIND, object = %key, error = %error, cause, again_in = %delay, "is looked at again");
        Some(delay.unsigned_abs())
    }
}

/// For ever where nothing is due.
async fn until_due(delay: Option<Duration>) {
    match delay {
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
}

/// One look, when it is this replica's turn. Says in how long it wants another one.
async fn look<K: Kind>(parts: &ControllerParts, key: &ObjectKey) -> Result<Option<Duration>, ReconcileError> {
    let id = parts.looks.fetch_add(1, Ordering::Relaxed) + 1;
    let span = tracing::info_span!(
        "reconcile", kind = %K::KIND, namespace = key.namespace, object = key.name, reconcile_id = id,
        cycle = tracing::field::Empty
    );
    async {
        let ControllerParts { context, turn, pulse, monotonic, metrics, .. } = parts;
        let _turn = turn.lock().await;
        let began = monotonic.elapsed();
        pulse.beat();
        let looked = reconcile::<K>(context, key).await;
        pulse.rest();
        let took = monotonic.elapsed().saturating_sub(began);
        metrics.reconciled(K::KIND.name(), took, looked.as_ref().err().map(ReconcileError::reason));
        let wake = looked?;
        let now = context.clock.now();
        tracing::debug!(took_ms = took.as_millis(), ?wake, "looked at");
        Ok(delay_until(wake.capped(now), now))
    }
    .instrument(span)
    .await
}

pub(super) fn key_of<K: Kind>(object: &Watched<K>) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// How long a wake lies ahead; `None`: only a change wakes.
fn delay_until(wake: Wake, now: Timestamp) -> Option<Duration> {
    match wake {
        Wake::OnChange => None,
        Wake::At(instant) => {
            let delay = instant.duration_since(now);
            Some(if delay.is_negative() { Duration::ZERO } else { delay.unsigned_abs() })
        }
    }
}
