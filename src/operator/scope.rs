//! Everything that works in one scope: nine watches, five bells, five queues.
//!
//! Memory of a scope, beside what each of these files says: five stores of about 2 KiB per object of ours, metadata of
//! foreign objects is dropped as soon as it was told. 1,000 objects: 2 MiB, and while they are listed one page of text.

use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Client, Resource as _,
    core::PartialObjectMeta,
    runtime::{
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use phaseloop_core::plan::{
    OwnKind,
    label::{FIELD_MANAGER, LABEL_MANAGED_BY},
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    bell::{Bells, BellsBuilder},
    configuration::Scope,
    controller::{ControllerParts, key_of, run_controller},
    readiness::{Gate, Readiness},
    stop::StopSignal,
    vitals::FactsSource,
    watch::{Hearing, WatchParts, api_of, settings, watch},
    watched::Watched,
};
use crate::{
    administrator::CONFIG_MAP_NAME,
    cluster::Readable,
    controllers::{
        Concern, Kind, ObjectKey,
        escalation::Escalations,
        phase_run::PhaseRuns,
        phase_schedule::PhaseSchedules,
        promotion::Promotions,
        tuning_canary::TuningCanaries,
        wake::{Waker, wakers_of},
    },
    telemetry::Metrics,
};

/// What a watch waits for before its first list was answered.
const FIRST_LIST: &str = "the first list";

/// What scopes are opened with.
#[allow(missing_debug_implementations, reason = "a client has nothing to show")]
pub struct ScopeParts<'a> {
    /// The API server, for watches.
    pub client: Client,
    /// Gates of this replica.
    pub readiness: &'a Readiness,
    /// What queues work with.
    pub controller: ControllerParts,
    /// Opened once the API server answers: nothing is watched before.
    pub server: tokio::sync::watch::Receiver<bool>,
    /// Ends watches and queues.
    pub stop: StopSignal,
}

/// What is at work in a scope.
#[derive(Default)]
#[allow(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct OpenScope {
    /// Its watches.
    pub watches: JoinSet<()>,
    /// Its queues.
    pub queues: JoinSet<()>,
    /// Tell metrics of its objects.
    pub facts: Vec<FactsSource>,
    /// Its bells.
    pub bells: Bells,
}

/// The store of a kind, its writer, and what is rung for it.
struct Desk<K: Kind> {
    store: Store<Watched<K>>,
    writer: Writer<Watched<K>>,
    names: mpsc::Receiver<ObjectKey>,
    gate: Gate,
}

impl<K: Kind> Desk<K> {
    fn new(bells: &mut BellsBuilder, readiness: &Readiness, scope: &Scope) -> Self {
        let (store, writer) = reflector::store::store();
        let known = known_in(store.clone());
        let gate = readiness.gate(K::KIND.name(), &scope.to_string(), FIRST_LIST);
        Self { store, writer, names: bells.hang(K::KIND, known), gate }
    }
}

/// Sorted: the store's own order differs from process to process.
fn known_in<K: Kind>(store: Store<Watched<K>>) -> impl Fn(Option<&Concern>) -> Vec<ObjectKey> + Send + Sync {
    move |concern| {
        let objects = store.state();
        let is_concerned = |object: &Watched<K>| {
            concern.is_none_or(|concern| {
                concern.includes(object.meta().namespace.as_deref().unwrap_or_default(), object.subject())
            })
        };
        let concerned = objects.iter().filter(|object| is_concerned(object));
        let mut keys: Vec<ObjectKey> = concerned.map(|object| key_of(object)).collect();
        keys.sort();
        keys
    }
}

/// Gates of our kinds, as queues wait for them.
type OwnGates = Vec<(OwnKind, tokio::sync::watch::Receiver<bool>)>;

/// Opens a scope: spawns its watches and queues.
pub fn open_scope(scope: &Scope, parts: &ScopeParts<'_>) -> OpenScope {
    let mut hung = BellsBuilder::default();
    let schedules = Desk::<PhaseSchedules>::new(&mut hung, parts.readiness, scope);
    let runs = Desk::<PhaseRuns>::new(&mut hung, parts.readiness, scope);
    let escalations = Desk::<Escalations>::new(&mut hung, parts.readiness, scope);
    let canaries = Desk::<TuningCanaries>::new(&mut hung, parts.readiness, scope);
    let promotions = Desk::<Promotions>::new(&mut hung, parts.readiness, scope);
    let gates: OwnGates = vec![
        (OwnKind::PhaseSchedule, schedules.gate.opened()),
        (OwnKind::PhaseRun, runs.gate.opened()),
        (OwnKind::Escalation, escalations.gate.opened()),
        (OwnKind::TuningCanary, canaries.gate.opened()),
        (OwnKind::Promotion, promotions.gate.opened()),
    ];
    let opening = Opening { scope, parts, gates, open: OpenScope { bells: hung.build(), ..OpenScope::default() } };
    opening
        .own(schedules, Waker::PhaseSchedule)
        .own(runs, Waker::PhaseRun)
        .own(escalations, Waker::Escalation)
        .own(canaries, Waker::TuningCanary)
        .own(promotions, Waker::Promotion)
        .test_pods()
        .foreign::<Deployment>(Waker::Deployment)
        .foreign::<StatefulSet>(Waker::StatefulSet)
        .foreign::<ConfigMap>(Waker::AdministratorPolicy)
        .open
}

struct Opening<'a> {
    scope: &'a Scope,
    parts: &'a ScopeParts<'a>,
    gates: OwnGates,
    open: OpenScope,
}

impl Opening<'_> {
    /// Watch and queue of a kind of ours.
    fn own<K: Kind>(mut self, desk: Desk<K>, waker: Waker) -> Self {
        let Desk { store, mut writer, names, gate } = desk;
        let (seen, metrics) = (store.clone(), self.parts.controller.metrics.clone());
        let keep = move |event: &Event<Watched<K>>| {
            count_restore(&seen, event, &metrics);
            writer.apply_watcher_event(event);
        };
        let mut rung = woken_of(waker);
        rung.retain(|kind| *kind != K::KIND);
        rung.push(K::KIND);
        let hearing = Hearing { keep, target: |object: &Watched<K>| object.subject().target.clone() };
        self.watch::<Watched<K>>(settings(), gate, rung, hearing);
        let facts = store.clone();
        self.open
            .facts
            .push(Box::new(move || facts.state().iter().map(|object| (K::KIND, object.facts().clone())).collect()));
        let rests_on = rests_on(K::KIND, &self.gates);
        let (controller, stop) = (self.parts.controller.clone(), self.parts.stop.clone());
        self.open.queues.spawn(async move {
            run_controller::<K>(controller, store, names, rests_on, stop.came()).await;
        });
        self
    }

    /// The watch of test pods. How one ends that is being deleted can be read nowhere else in the next moment.
    fn test_pods(mut self) -> Self {
        let gate = self.parts.readiness.gate(&Pod::kind(&()), &self.scope.to_string(), FIRST_LIST);
        let last_words = self.parts.controller.context.cluster.last_words().clone();
        last_words.begin();
        let keep = move |event: &Event<Pod>| {
            if let Event::Apply(pod) | Event::Delete(pod) = event {
                last_words.hear(pod);
            }
        };
        let hearing = Hearing { keep, target: |_: &Pod| None };
        self.watch::<Pod>(narrowed(Waker::TestPod), gate, woken_of(Waker::TestPod), hearing);
        self
    }

    /// The watch of a type that is not ours: its objects are told and forgotten.
    fn foreign<T>(mut self, waker: Waker) -> Self
    where
        PartialObjectMeta<T>: Readable,
        T: kube::Resource<DynamicType = ()>,
    {
        let gate = self.parts.readiness.gate(&T::kind(&()), &self.scope.to_string(), FIRST_LIST);
        let hearing = Hearing { keep: |_: &Event<_>| {}, target: |_: &PartialObjectMeta<T>| None };
        self.watch::<PartialObjectMeta<T>>(narrowed(waker), gate, woken_of(waker), hearing);
        self
    }

    fn watch<W: Readable>(
        &mut self,
        settings: watcher::Config,
        gate: Gate,
        wakes: Vec<OwnKind>,
        hearing: Hearing<W, impl FnMut(&Event<W>) + Send + 'static>,
    ) {
        let api = api_of::<W>(self.parts.client.clone(), self.scope);
        let metrics = self.parts.controller.metrics.clone();
        let parts = WatchParts { scope: self.scope.clone(), gate, bells: self.open.bells.clone(), wakes, metrics };
        let (stop, mut server) = (self.parts.stop.clone(), self.parts.server.clone());
        self.open.watches.spawn(async move {
            tokio::select! {
                () = stop.clone().came() => return,
                _answers = server.wait_for(|answers| *answers) => {}
            }
            watch(api, settings, parts, hearing, stop.came()).await;
        });
    }
}

/// Kinds that a waker's changes can wake.
fn woken_of(waker: Waker) -> Vec<OwnKind> {
    OwnKind::ALL.into_iter().filter(|kind| wakers_of(*kind).contains(&waker)).collect()
}

/// Watches ask for no more than what can wake anybody.
fn narrowed(waker: Waker) -> watcher::Config {
    match waker {
        Waker::TestPod => settings().labels(&format!("{LABEL_MANAGED_BY}={FIELD_MANAGER}")),
        Waker::AdministratorPolicy => settings().fields(&format!("metadata.name={CONFIG_MAP_NAME}")),
        _ => settings(),
    }
}

/// A kind's looks read objects of its own kind and of those of ours that wake it: without their definitions none of them
/// would come to its end. Foreign types have no gate here: a target that can't be watched is still read.
fn rests_on(kind: OwnKind, gates: &OwnGates) -> Vec<tokio::sync::watch::Receiver<bool>> {
    let own = |waker: &Waker| match waker {
        Waker::PhaseSchedule => Some(OwnKind::PhaseSchedule),
        Waker::PhaseRun => Some(OwnKind::PhaseRun),
        Waker::Escalation => Some(OwnKind::Escalation),
        Waker::TuningCanary => Some(OwnKind::TuningCanary),
        Waker::Promotion => Some(OwnKind::Promotion),
        Waker::TestPod | Waker::Deployment | Waker::StatefulSet | Waker::AdministratorPolicy => None,
    };
    let wakers: Vec<OwnKind> = wakers_of(kind).iter().filter_map(own).collect();
    gates.iter().filter(|(of, _)| *of == kind || wakers.contains(of)).map(|(_, gate)| gate.clone()).collect()
}

/// A canary whose containers are seen to be gone for the first time.
fn count_restore<K: Kind>(seen: &Store<Watched<K>>, event: &Event<Watched<K>>, metrics: &Metrics) {
    let Event::Apply(object) = event else { return };
    let Some(after) = object.facts().restored_after else { return };
    let before: Option<Arc<Watched<K>>> = seen.get(&ObjectRef::from_obj(object));
    if before.is_some_and(|before| before.facts().restored_after.is_none()) {
        metrics.restored(after.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_wakes_whoever_it_wakes_and_a_queue_waits_for_our_own_kinds_only() {
        assert_eq!(woken_of(Waker::TestPod), [OwnKind::PhaseRun, OwnKind::TuningCanary]);
        assert_eq!(woken_of(Waker::Deployment), [OwnKind::Escalation, OwnKind::Promotion]);
        let gates: OwnGates =
            OwnKind::ALL.into_iter().map(|kind| (kind, tokio::sync::watch::channel(false).1)).collect();
        let counts: Vec<usize> = OwnKind::ALL.into_iter().map(|kind| rests_on(kind, &gates).len()).collect();
        let expected = OwnKind::ALL.map(|kind| match kind {
            OwnKind::PhaseSchedule | OwnKind::TuningCanary | OwnKind::Promotion => 2,
            OwnKind::PhaseRun => 1,
            OwnKind::Escalation => 5,
        });
        assert_eq!(counts, expected);
    }
}
