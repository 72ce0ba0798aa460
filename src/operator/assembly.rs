//! A replica put together: its server, its lease, its scopes; and how it ends, in order.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kube::Client;
use phaseloop_core::plan::OwnKind;
use tokio::{sync::watch, task::JoinSet};

use super::{
    bell::Bells,
    configuration::Scope,
    connection::chain,
    controller::ControllerParts,
    pulse::Pulse,
    readiness::{Gate, Readiness},
    scope::{OpenScope, ScopeParts, open_scope},
    stop::Stop,
    vitals::Vitals,
};
use crate::{
    cluster::{
        CallTimeouts, Clock, Cluster, MonotonicClock,
        execute::AuditExport,
        lease::{HeldLease, KeeperParts, LEASE_CALL_TIMEOUT, LeaseKeeper, LeasePlace, LeaseTerms},
    },
    controllers::{Context, OperatorSettings},
    telemetry::{AdminServer, LogControl, Metrics, admin::AdminPages},
};

/// Longest look. It reads a few lists of up to 30 s each and writes a few objects of up to 3 s each; on an API server that
/// is at its end each of them takes its whole time, and what takes longer than ten minutes hangs.
const LOOK_MAX: Duration = Duration::from_mins(10);
/// What a round of the lease may take beyond its two calls and its pause.
const LEASE_SLACK: Duration = Duration::from_secs(30);
/// Pause after the API server did not answer for the first time; it doubles.
const SERVER_PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause.
const SERVER_PAUSE_MAX: Duration = Duration::from_secs(15);

/// What a replica is made of.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "clients and clocks have nothing to show")]
pub struct OperatorParts {
    /// The API server.
    pub client: Client,
    /// Its address, for messages.
    pub server: String,
    /// Where the replica works.
    pub scopes: Vec<Scope>,
    /// The lease, and its name in it.
    pub place: LeasePlace,
    /// The lease's times.
    pub terms: LeaseTerms,
    /// What the operator was told, and its objects do not say.
    pub settings: OperatorSettings,
    /// The machine's time.
    pub clock: Arc<dyn Clock>,
    /// The time that has passed.
    pub monotonic: Arc<dyn MonotonicClock>,
    /// Where audit records go.
    pub export: Arc<dyn AuditExport>,
    /// What is counted.
    pub metrics: Metrics,
    /// The log, whose filter may be changed.
    pub log: Option<LogControl>,
}

/// A replica at work.
#[allow(missing_debug_implementations, reason = "tasks have nothing to show")]
pub struct Operator {
    beginnings: Stop,
    keeping: Stop,
    serving: Stop,
    scopes: Vec<OpenScope>,
    /// The lease, the server, and what they need: none of them ends before it is told to.
    keeper: JoinSet<()>,
    server: JoinSet<()>,
    helpers: JoinSet<()>,
    held: Arc<HeldLease>,
    vitals: Arc<Vitals>,
}

impl Operator {
    /// Starts a replica. It serves its pages at once, and works as soon as the API server answers.
    pub fn start(parts: &OperatorParts, listening: Option<AdminServer>) -> Self {
        let (beginnings, keeping, serving) = (Stop::default(), Stop::default(), Stop::default());
        let cluster = Cluster::new(parts.client.clone(), CallTimeouts::default());
        let lease = LeaseKeeper::new(KeeperParts {
            cluster: cluster.clone(),
            clock: parts.clock.clone(),
            monotonic: parts.monotonic.clone(),
            place: parts.place.clone(),
            terms: parts.terms,
        });
        let held = lease.held();
        let looks = Pulse::new(parts.monotonic.clone(), LOOK_MAX);
        let lease_round = parts.terms.retry_period.saturating_add(LEASE_CALL_TIMEOUT.saturating_mul(2));
        let renewals = Pulse::new(parts.monotonic.clone(), lease_round.saturating_add(LEASE_SLACK));
        let readiness = Readiness::default();
        let gate = readiness.gate("APIServer", "", &format!("an answer of {}", parts.server));
        let answers = gate.opened();
        let controller = controller_parts(parts, cluster, &held, &looks);
        let of_scopes = ScopeParts {
            client: parts.client.clone(),
            readiness: &readiness,
            controller,
            server: answers.clone(),
            stop: beginnings.signal(),
        };
        let mut scopes: Vec<OpenScope> = parts.scopes.iter().map(|scope| open_scope(scope, &of_scopes)).collect();
        let mut helpers = JoinSet::new();
        let (client, address) = (parts.client.clone(), parts.server.clone());
        helpers.spawn(until(beginnings.signal().came(), async move {
            await_server(client, address, gate).await;
            // It has nothing more to do, and must not seem to have failed.
            std::future::pending::<()>().await;
        }));
        let bells = scopes.iter().map(|scope| scope.bells.clone()).collect();
        helpers.spawn(until(beginnings.signal().came(), look_at_all_when_leading(held.changes(), bells)));
        let stores = scopes.iter_mut().flat_map(|scope| scope.facts.drain(..)).collect();
        let pulses = vec![("reconcile", looks), ("lease", renewals.clone())];
        let vitals = Arc::new(Vitals { readiness, held: held.clone(), pulses, stores, ending: false.into() });
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(lease, answers, keeping.signal(), renewals));
        let mut server = JoinSet::new();
        if let Some(listening) = listening {
            let metrics = parts.metrics.page(vitals.clone());
            let pages = AdminPages { health: vitals.clone(), metrics, log: parts.log.clone() };
            server.spawn(listening.serve(pages, serving.signal().came()));
        }
        Self { beginnings, keeping, serving, scopes, keeper, server, helpers, held, vitals }
    }

    /// What it knows of itself.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.vitals.clone()
    }

    /// Its leadership.
    pub fn held(&self) -> Arc<HeldLease> {
        self.held.clone()
    }

    /// Waits until a part of it ends by itself, which none does as long as it works. Says which.
    pub async fn failed(&mut self) -> String {
        let Self { scopes, keeper, server, helpers, .. } = self;
        let mut parts: Vec<_> =
            vec![("the lease", keeper), ("the server of probes", server), ("what wakes a new leader", helpers)];
        for scope in scopes {
            parts.push(("a watch", &mut scope.watches));
            parts.push(("a queue", &mut scope.queues));
        }
        let ended = parts.into_iter().filter(|(_, tasks)| !tasks.is_empty()).map(|(name, tasks)| {
            Box::pin(async move {
                let how = match tasks.join_next().await {
                    Some(Err(error)) => error.to_string(),
                    _ => "it ended by itself".to_owned(),
                };
                format!("{name}: {how}")
            })
        });
        futures::future::select_all(ended).await.0
    }

    /// Ends it in order: nothing is begun any more, what is going on comes to its end, the lease is given back, the server
    /// closes. It leads until its last look has ended.
    pub async fn stop(mut self) {
        self.vitals.ending.store(true, Ordering::Relaxed);
        self.beginnings.send();
        for scope in &mut self.scopes {
            while scope.queues.join_next().await.is_some() {}
            scope.watches.shutdown().await;
        }
        self.helpers.shutdown().await;
        tracing::info!("nothing is begun any more, and nothing is going on");
        self.keeping.send();
        while self.keeper.join_next().await.is_some() {}
        self.serving.send();
        while self.server.join_next().await.is_some() {}
    }
}

fn controller_parts(parts: &OperatorParts, cluster: Cluster, held: &Arc<HeldLease>, looks: &Pulse) -> ControllerParts {
    ControllerParts {
        context: Context {
            cluster,
            clock: parts.clock.clone(),
            leadership: held.clone(),
            export: parts.export.clone(),
            settings: Arc::new(parts.settings.clone()),
        },
        turn: Arc::default(),
        pulse: looks.clone(),
        monotonic: parts.monotonic.clone(),
        metrics: parts.metrics.clone(),
        looks: Arc::default(),
    }
}

async fn until(stop: impl Future<Output = ()>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop => {}
        () = work => {}
    }
}

/// Asks the API server for its version until it answers. Why it does not is told once, and again where it changes.
async fn await_server(client: Client, server: String, gate: Gate) {
    let (mut pause, mut told) = (SERVER_PAUSE_FIRST, None);
    loop {
        let answer = tokio::time::timeout(LEASE_CALL_TIMEOUT, client.apiserver_version()).await;
        let problem = match answer {
            Ok(Ok(version)) => {
                tracing::info!(server, version = version.git_version, "the API server answers");
                gate.open();
                return;
            }
            Ok(Err(kube::Error::Api(status))) => {
                format!("{} {}; remedy: check the user's credentials", status.code, status.message)
            }
            Ok(Err(error)) => {
                format!("{}; remedy: check the address, and that the network lets it through", chain(&error))
            }
            Err(_elapsed) => format!(
                "no answer within {} s; remedy: check the address, and that the network lets it through",
                LEASE_CALL_TIMEOUT.as_secs()
            ),
        };
        gate.explain(&format!("{server} can't be used: {problem}"));
        if told.as_ref() != Some(&problem) {
            tracing::error!(server, "the API server can't be used: {problem}; it is tried until it answers");
            told = Some(problem);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(SERVER_PAUSE_MAX);
    }
}

/// Whoever begins to lead looks at everything: what it left alone as a follower has no event of its own.
async fn look_at_all_when_leading(mut changes: watch::Receiver<bool>, bells: Vec<Bells>) {
    while changes.changed().await.is_ok() {
        if !*changes.borrow_and_update() {
            continue;
        }
        for of_scope in &bells {
            for kind in OwnKind::ALL {
                of_scope.ring_all(kind).await;
            }
        }
    }
}

async fn keep(lease: LeaseKeeper, mut answers: watch::Receiver<bool>, stop: super::stop::StopSignal, pulse: Pulse) {
    tokio::select! {
        () = stop.clone().came() => return,
        _answers = answers.wait_for(|answers| *answers) => {}
    }
    lease.run(stop.came(), || pulse.beat()).await;
    pulse.rest();
}
