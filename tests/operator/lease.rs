//! The lease between replicas, on an API server and in a time that is the test's own.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use jiff::SignedDuration;
use kube::Client;
use phaseloop::{
    cluster::{
        CallTimeouts, Cluster as Connection,
        lease::{HeldLease, KeeperParts, LeaseKeeper},
    },
    controllers::{Context, Leadership, ObjectKey, OperatorSettings, phase_run::PhaseRuns, reconcile},
    simulation::api_server::Verdict,
};
use serde_json::Value;
use tokio::{task::JoinHandle, time::Instant};

use crate::cluster::{Cluster, NAMESPACE, OPERATORS, until};

const SECOND: Duration = Duration::from_secs(1);

/// A replica that does nothing but ask for the lease.
struct Asker {
    held: Arc<HeldLease>,
    stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
    end: tokio::sync::oneshot::Sender<()>,
}

/// A future that is not polled while its process is stopped.
struct Stoppable<F> {
    inner: Pin<Box<F>>,
    stopped: Arc<AtomicBool>,
}

impl<F: Future> Future for Stoppable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<F::Output> {
        if self.stopped.load(Ordering::Relaxed) {
            // Looked at again soon, so that it goes on where it was.
            let waker = context.waker().clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                waker.wake();
            });
            return Poll::Pending;
        }
        self.inner.as_mut().poll(context)
    }
}

fn ask(cluster: &Cluster, identity: &str, wrong_by_hours: i64) -> Asker {
    let parts = cluster.parts(identity, SignedDuration::from_hours(wrong_by_hours));
    let keeper = LeaseKeeper::new(KeeperParts {
        cluster: connection(cluster, identity),
        clock: parts.clock,
        monotonic: parts.monotonic,
        place: parts.place,
        terms: parts.terms,
    });
    let (held, stopped) = (keeper.held(), Arc::new(AtomicBool::new(false)));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let run = keeper.run(async move { drop(ended.await) }, || {});
    let task = tokio::spawn(Stoppable { inner: Box::pin(run), stopped: stopped.clone() });
    Asker { held, stopped, task, end }
}

fn connection(cluster: &Cluster, user: &str) -> Connection {
    Connection::new(Client::new(cluster.server.service_for(user), OPERATORS), CallTimeouts::default())
}

fn holder(cluster: &Cluster) -> String {
    let lease = cluster.server.actor("jane").get(("coordination.k8s.io/v1", "Lease"), OPERATORS, "phaseloop");
    let lease = lease.map(|lease| lease.value.clone()).unwrap_or_default();
    lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Lets time pass, and makes sure that never two lead.
async fn pass(askers: &[&Asker], time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        let leaders = askers.iter().filter(|asker| asker.held.is_leader()).count();
        assert!(leaders <= 1, "{leaders} lead at {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long it takes until somebody leads; never two meanwhile.
async fn until_leads(who: &Asker, askers: &[&Asker]) -> Duration {
    let began = Instant::now();
    while !who.held.is_leader() {
        pass(askers, Duration::from_millis(50)).await;
        assert!(began.elapsed() < 600 * SECOND, "it never leads");
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_for_as_long_as_it_asks() {
    let cluster = Cluster::new();
    let one = ask(&cluster, "a", 0);
    until_leads(&one, &[&one]).await;
    let two = ask(&cluster, "b", 0);
    pass(&[&one, &two], 600 * SECOND).await;
    assert!(one.held.is_leader() && !two.held.is_leader());
    assert_eq!((holder(&cluster).as_str(), two.held.holder().as_str()), ("a", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_holder_was_killed_is_taken_when_its_time_is_over_and_not_before() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "b", 0));
    until_leads(&one, &[&one, &two]).await;
    pass(&[&one, &two], 100 * SECOND).await;
    one.task.abort();
    let took = until_leads(&two, &[&two]).await;
    // The last renewal was up to a retry period ago when it was seen, and the next look is one later.
    assert!((11 * SECOND..=19 * SECOND).contains(&took), "{took:?}");
    assert!(!one.held.is_leader(), "what is left of the first one knows that its time is over");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_back_is_taken_at_the_next_look() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "b", 0));
    until_leads(&one, &[&one, &two]).await;
    one.end.send(()).unwrap();
    one.task.await.unwrap();
    assert_eq!((holder(&cluster).as_str(), one.held.is_leader()), ("", false));
    assert!(until_leads(&two, &[&two]).await <= 2 * SECOND + Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_hours_apart_neither_hasten_a_take_over_nor_hinder_it() {
    for (wrong_one, wrong_two) in [(-3, 3), (3, -3)] {
        let cluster = Cluster::new();
        let (one, two) = (ask(&cluster, "a", wrong_one), ask(&cluster, "b", wrong_two));
        until_leads(&one, &[&one, &two]).await;
        pass(&[&one, &two], 200 * SECOND).await;
        assert!(one.held.is_leader(), "{wrong_one} and {wrong_two}");
        one.task.abort();
        let took = until_leads(&two, &[&two]).await;
        assert!((11 * SECOND..=19 * SECOND).contains(&took), "{wrong_one} and {wrong_two}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_nobody_answers_stops_leading_before_another_one_can_begin() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "b", 0));
    until_leads(&one, &[&one, &two]).await;
    // The network between the first one and the API server swallows everything.
    cluster.intercept(|request| {
        if request.user == "a" {
            Verdict::Hold(phaseloop::simulation::api_server::Gate::new())
        } else {
            Verdict::Proceed
        }
    });
    let began = Instant::now();
    while one.held.is_leader() {
        pass(&[&one, &two], Duration::from_millis(50)).await;
    }
    let led = began.elapsed();
    assert!((8 * SECOND..=10 * SECOND).contains(&led), "{led:?} after the network went");
    let took = until_leads(&two, &[&one, &two]).await;
    assert!(began.elapsed() >= 13 * SECOND, "{took:?}: the lease could not be free earlier");
    cluster.server.set_interceptor(None);
    pass(&[&one, &two], 60 * SECOND).await;
    assert!(two.held.is_leader(), "whoever comes back finds the lease taken");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_stopped_past_its_time_wakes_up_and_begins_nothing() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "b", 0));
    until_leads(&one, &[&one, &two]).await;
    cluster.create_run("first", "llama");
    let look = |asker: &Asker, user: &str| {
        let parts = cluster.parts(user, SignedDuration::ZERO);
        let context = Context {
            cluster: connection(&cluster, user),
            clock: parts.clock,
            leadership: asker.held.clone(),
            export: parts.export,
            settings: Arc::new(OperatorSettings::for_image("phaseloop:1")),
        };
        async move { reconcile::<PhaseRuns>(&context, &ObjectKey::new(NAMESPACE, "first")).await.unwrap() }
    };
    one.stopped.store(true, Ordering::Relaxed);
    tokio::time::sleep(60 * SECOND).await;
    assert!(two.held.is_leader());
    // It wakes up: before it has asked anybody, its own clock tells it that its time is over.
    let before = cluster.server.write_count();
    look(&one, "a").await;
    assert_eq!(cluster.server.write_count(), before, "{:?}", cluster.server.writes());
    look(&two, "b").await;
    assert_eq!(cluster.pods_made().len(), 1, "who leads begins it");
    one.stopped.store(false, Ordering::Relaxed);
    pass(&[&one, &two], 60 * SECOND).await;
    assert!(two.held.is_leader() && one.held.holder() == "b");
}

#[tokio::test(start_paused = true)]
async fn a_plan_whose_leader_is_replaced_in_the_middle_is_not_carried_on() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "b", 0));
    until_leads(&one, &[&one, &two]).await;
    cluster.create_run("first", "llama");
    // The first write of the look, which remembers, arrives; its answer takes as long as the API server likes.
    let stopped = one.stopped.clone();
    cluster.intercept(move |request| {
        if request.user == "a" && request.resource == "phaseruns" && request.subresource == "status" {
            stopped.store(true, Ordering::Relaxed);
        }
        Verdict::Proceed
    });
    let parts = cluster.parts("a", SignedDuration::ZERO);
    let context = Context {
        cluster: connection(&cluster, "a"),
        clock: parts.clock,
        leadership: Arc::new(EndsWith { held: one.held.clone(), stopped: one.stopped.clone() }),
        export: parts.export,
        settings: Arc::new(OperatorSettings::for_image("phaseloop:1")),
    };
    reconcile::<PhaseRuns>(&context, &ObjectKey::new(NAMESPACE, "first")).await.unwrap();
    let of_a = cluster.server.writes().into_iter().filter(|write| write.user == "a" && write.resource != "leases");
    let told: Vec<String> = of_a.map(|write| format!("{} {}", write.resource, write.subresource)).collect();
    assert_eq!(told, ["phaseruns status"], "it remembered, and began nothing");
    assert!(cluster.pods_made().is_empty());
    drop(two);
}

/// Leads until its process was stopped for once.
struct EndsWith {
    held: Arc<HeldLease>,
    stopped: Arc<AtomicBool>,
}

impl Leadership for EndsWith {
    fn is_leader(&self) -> bool {
        self.held.is_leader() && !self.stopped.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_whose_answer_was_lost_costs_a_round_and_not_a_lease() {
    let cluster = Cluster::new();
    let lost = Arc::new(AtomicBool::new(false));
    let first = lost.clone();
    cluster.intercept(move |request| {
        let writes = request.resource == "leases" && !request.verb.reads();
        if writes && !first.swap(true, Ordering::Relaxed) { Verdict::LoseReply } else { Verdict::Proceed }
    });
    let one = ask(&cluster, "a", 0);
    assert!(until_leads(&one, &[&one]).await <= 3 * SECOND);
    assert!(lost.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn two_processes_of_one_name_never_lead_together() {
    let cluster = Cluster::new();
    let (one, two) = (ask(&cluster, "a", 0), ask(&cluster, "a", 0));
    pass(&[&one, &two], 120 * SECOND).await;
    assert!(one.held.is_leader() || two.held.is_leader());
    until("the lease is theirs", || holder(&cluster) == "a").await;
}
