//! One kube-runtime controller per kind: it turns watch events into looks of the driver, and the driver's answer into
//! when to look again.

use std::{
    fmt::Debug,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::{
        controller::{Action, Config, Controller, Error as ControllerError},
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use phaseloop_core::plan::Wake;
use serde::de::DeserializeOwned;

use crate::{
    administrator::CONFIG_MAP_NAME,
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary},
    controllers::{
        Backoff, Context, Kind, ObjectKey, ReconcileError, Woken, reconcile,
        wake::{ChangedObject, Waker, wakers_of, woken_by},
    },
};

/// Metadata of an object: all that a watch needs, since the driver reads live. An object whose spec is malformed still
/// has metadata, so it stalls no watch.
type Meta<T> = PartialObjectMeta<T>;

/// Whose turn it is: at any time one reconcile per replica, whichever kind it is of, so that no two plans of one replica
/// rest on the same reading.
pub type Turn = Arc<tokio::sync::Mutex<()>>;

/// What a controller hands to each of its reconciles.
struct Reconciling {
    context: Context,
    turn: Turn,
    backoff: Mutex<Backoff<ObjectKey>>,
}

/// Runs the controller of one kind until `shutdown` comes, then lets the reconcile that is going end.
///
/// Watches are those of one namespace, or of all where there is none.
pub async fn run_controller<K>(
    context: Context,
    client: Client,
    namespace: Option<&str>,
    turn: Turn,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) where
    K: Kind,
    K::Object: Debug + 'static,
{
    let primary: Api<Meta<K::Object>> = metadata_of(&client, namespace);
    let mut controller =
        Controller::new(primary, watcher::Config::default()).with_config(Config::default().concurrency(1));
    let store = controller.store();
    for waker in wakers_of(K::KIND) {
        controller = match waker {
            Waker::PhaseSchedule => watch::<K, PhaseSchedule>(controller, &store, &client, namespace),
            Waker::PhaseRun => watch::<K, PhaseRun>(controller, &store, &client, namespace),
            Waker::Escalation => watch::<K, Escalation>(controller, &store, &client, namespace),
            Waker::TuningCanary => watch::<K, TuningCanary>(controller, &store, &client, namespace),
            Waker::Promotion => watch::<K, Promotion>(controller, &store, &client, namespace),
            Waker::TestPod => watch::<K, Pod>(controller, &store, &client, namespace),
            Waker::Deployment => watch::<K, Deployment>(controller, &store, &client, namespace),
            Waker::StatefulSet => watch::<K, StatefulSet>(controller, &store, &client, namespace),
            Waker::AdministratorPolicy => watch::<K, ConfigMap>(controller, &store, &client, namespace),
        };
    }
    let reconciling = Arc::new(Reconciling { context, turn, backoff: Mutex::default() });
    controller
        .graceful_shutdown_on(shutdown)
        .run(look::<K>, look_again_after::<K>, reconciling)
        .for_each(|looked| async move {
            match looked {
                // Its error policy has told of a failed look; an object that is gone is no failure.
                Ok(_) | Err(ControllerError::ReconcilerFailed(..) | ControllerError::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(kind = %K::KIND, error = %error, "a watch failed; it is begun again"),
            }
        })
        .await;
}

fn metadata_of<T>(client: &Client, namespace: Option<&str>) -> Api<Meta<T>>
where
    T: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// Lets changes of one type wake objects of the controller's kind.
fn watch<K, T>(
    controller: Controller<Meta<K::Object>>,
    store: &Store<Meta<K::Object>>,
    client: &Client,
    namespace: Option<&str>,
) -> Controller<Meta<K::Object>>
where
    K: Kind,
    K::Object: 'static,
    T: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let store = store.clone();
    let mut settings = watcher::Config::default();
    if T::kind(&()) == "ConfigMap" {
        settings = settings.fields(&format!("metadata.name={CONFIG_MAP_NAME}"));
    }
    if T::kind(&()) == "Pod" {
        settings = settings.labels(&format!(
            "{}={}",
            phaseloop_core::plan::label::LABEL_MANAGED_BY,
            phaseloop_core::plan::label::FIELD_MANAGER
        ));
    }
    controller.watches(metadata_of::<T>(client, namespace), settings, move |changed: Meta<T>| {
        let namespace = changed.namespace().unwrap_or_default();
        let name = changed.name_any();
        let kind = T::kind(&());
        let label = |key: &str| changed.labels().get(key).cloned();
        let changed = ChangedObject { kind: &kind, namespace: &namespace, name: &name, label: &label };
        let woken = woken_by(&changed).into_iter().flat_map(|woken| references::<K>(woken, &store));
        woken.collect::<Vec<_>>()
    })
}

/// The objects of the controller's kind among those that are woken.
fn references<K: Kind>(woken: Woken, store: &Store<Meta<K::Object>>) -> Vec<ObjectRef<Meta<K::Object>>>
where
    K::Object: 'static,
{
    let reference = |key: &ObjectKey| ObjectRef::new(&key.name).within(&key.namespace);
    match woken {
        Woken::One(kind, key) if kind == K::KIND => vec![reference(&key)],
        Woken::All(kind, namespace) if kind == K::KIND => {
            let there = store.state();
            let of_namespace = there.iter().filter(|object| object.namespace().as_deref() == Some(namespace.as_str()));
            of_namespace.map(|object| reference(&ObjectKey::new(namespace.clone(), object.name_any()))).collect()
        }
        Woken::One(..) | Woken::All(..) => Vec::new(),
    }
}

async fn look<K: Kind>(object: Arc<Meta<K::Object>>, with: Arc<Reconciling>) -> Result<Action, ReconcileError> {
    let key = key_of::<K>(&object);
    let _turn = with.turn.lock().await;
    let wake = reconcile::<K>(&with.context, &key).await?;
    backoff(&with).succeeded(&key);
    let now = with.context.clock.now();
    Ok(action(wake.capped(now), now))
}

#[allow(clippy::needless_pass_by_value, reason = "the controller hands its error policy what it owns")]
fn look_again_after<K: Kind>(object: Arc<Meta<K::Object>>, error: &ReconcileError, with: Arc<Reconciling>) -> Action {
    let key = key_of::<K>(&object);
    let cause = error.call().map_or_else(String::new, crate::cluster::ClusterError::chain);
    if !error.is_retryable() {
        tracing::error!(kind = %K::KIND, object = %key, error = %error, cause, "waits for a change of the object");
        return Action::await_change();
    }
    let delay = backoff(&with).failed(key.clone());
    tracing::warn!(kind = %K::KIND, object = %key, error = %error, cause, again_in = %delay, "is looked at again");
    Action::requeue(delay.unsigned_abs())
}

fn backoff(with: &Reconciling) -> std::sync::MutexGuard<'_, Backoff<ObjectKey>> {
    // Counts of failures are sound at every moment, also where somebody panicked while holding them.
    with.backoff.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key_of<K: Kind>(object: &Meta<K::Object>) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// When the controller is to look again.
fn action(wake: Wake, now: Timestamp) -> Action {
    match wake {
        Wake::OnChange => Action::await_change(),
        Wake::At(instant) => {
            let delay = instant.duration_since(now);
            Action::requeue(if delay.is_negative() { Duration::ZERO } else { delay.unsigned_abs() })
        }
    }
}
