//! One queue per kind: names that are rung become looks of the driver, and the driver's answer becomes when to look again.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::{
    ResourceExt as _,
    runtime::{
        applier,
        controller::{Action, Config, Error as ControllerError, ReconcileRequest},
        reflector::{ObjectRef, Store},
    },
};
use phaseloop_core::plan::Wake;
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;

use super::{pulse::Pulse, watched::Watched};
use crate::{
    cluster::MonotonicClock,
    controllers::{Backoff, Context, Kind, ObjectKey, ReconcileError, reconcile},
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

/// What a queue hands to each of its looks.
///
/// Its size has a bound: an entry of the backoff per object that fails, and in kube's queue one per object that waits,
/// each about 200 bytes: with 1,000 objects less than half a MiB.
struct Looking {
    parts: ControllerParts,
    backoff: Mutex<Backoff<ObjectKey>>,
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
    let looking = Arc::new(Looking { parts, backoff: Mutex::default() });
    let of_deleted = looking.clone();
    let queue = rung::<K>(names).take_until(stop).map(Ok::<_, std::convert::Infallible>);
    applier(look::<K>, look_again_after::<K>, looking, store, queue, Config::default().concurrency(1))
        .for_each(|looked| {
            match looked {
                // Its failures in a row go with it.
                Err(ControllerError::ObjectNotFound(object)) => {
                    let key = ObjectKey::new(object.namespace.clone().unwrap_or_default(), object.name.clone());
                    backoff(&of_deleted).succeeded(&key);
                }
                // The error policy has told of a failed look.
                Ok(_) | Err(ControllerError::ReconcilerFailed(..)) => {}
                Err(error) => tracing::error!(kind = %K::KIND, error = %error, "the queue met with trouble"),
            }
            std::future::ready(())
        })
        .await;
}

fn rung<K: Kind>(mut names: mpsc::Receiver<ObjectKey>) -> impl futures::Stream<Item = ReconcileRequest<Watched<K>>> {
    stream::poll_fn(move |context| names.poll_recv(context))
        .map(|key| ObjectRef::<Watched<K>>::new(&key.name).within(&key.namespace).into())
}

type Looked = Pin<Box<dyn Future<Output = Result<Action, ReconcileError>> + Send>>;

#[allow(clippy::needless_pass_by_value, reason = "the queue hands a look what it owns")]
fn look<K: Kind>(object: Arc<Watched<K>>, with: Arc<Looking>) -> Looked {
    let key = key_of(&object);
    let id = with.parts.looks.fetch_add(1, Ordering::Relaxed) + 1;
    let span = tracing::info_span!(
        "reconcile", kind = %K::KIND, namespace = key.namespace, object = key.name, reconcile_id = id,
        cycle = tracing::field::Empty
    );
    Box::pin(async move { one_look::<K>(&with, &key).await }.instrument(span))
}

async fn one_look<K: Kind>(with: &Looking, key: &ObjectKey) -> Result<Action, ReconcileError> {
    let ControllerParts { context, turn, pulse, monotonic, metrics, .. } = &with.parts;
    let _turn = turn.lock().await;
    let began = monotonic.elapsed();
    pulse.beat();
    let looked = reconcile::<K>(context, key).await;
    pulse.rest();
    let took = monotonic.elapsed().saturating_sub(began);
    metrics.reconciled(K::KIND.name(), took, looked.as_ref().err().map(ReconcileError::reason));
    let wake = looked?;
    backoff(with).succeeded(key);
    let now = context.clock.now();
    tracing::debug!(took_ms = took.as_millis(), ?wake, "looked at");
    Ok(action(wake.capped(now), now))
}

#[allow(clippy::needless_pass_by_value, reason = "the queue hands its error policy what it owns")]
fn look_again_after<K: Kind>(object: Arc<Watched<K>>, error: &ReconcileError, with: Arc<Looking>) -> Action {
    let key = key_of(&object);
    let cause = error.call().map_or_else(String::new, crate::cluster::ClusterError::chain);
    if !error.is_retryable() {
        tracing::error!(kind = %K::KIND, object = %key, error = %error, cause, "waits for a change of the object");
        return Action::await_change();
    }
    let delay = backoff(&with).failed(key.clone());
    tracing::warn!(kind = %K::KIND, object = %key, error = %error, cause, again_in = %delay, "is looked at again");
    Action::requeue(delay.unsigned_abs())
}

fn backoff(with: &Looking) -> std::sync::MutexGuard<'_, Backoff<ObjectKey>> {
    // Counts of failures are sound at every moment, also where somebody panicked while holding them.
    with.backoff.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn key_of<K: Kind>(object: &Watched<K>) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// When the queue is to look again.
fn action(wake: Wake, now: Timestamp) -> Action {
    match wake {
        Wake::OnChange => Action::await_change(),
        Wake::At(instant) => {
            let delay = instant.duration_since(now);
            Action::requeue(if delay.is_negative() { Duration::ZERO } else { delay.unsigned_abs() })
        }
    }
}
