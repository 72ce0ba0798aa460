//! The loop that asks for the lease, keeps it, and gives it back.

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::PostParams};
use phaseloop_core::plan::label::FIELD_MANAGER;

use super::{
    HeldLease, LeasePlace, LeaseStep, LeaseTerms, LeaseView,
    decide::{decide, is_own, released},
    terms::LEASE_CALL_TIMEOUT,
};
use crate::cluster::{Clock, Cluster, ClusterError, ClusterErrorKind, MonotonicClock, read::describe};

/// What a keeper is made of.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "clocks and a client have nothing to show")]
pub struct KeeperParts {
    /// The API server.
    pub cluster: Cluster,
    /// The machine's time, which is written into the lease for people.
    pub clock: Arc<dyn Clock>,
    /// The time that is decided by.
    pub monotonic: Arc<dyn MonotonicClock>,
    /// Which lease, and under which name.
    pub place: LeasePlace,
    /// Its times.
    pub terms: LeaseTerms,
}

/// Asks for the lease again and again.
pub struct LeaseKeeper {
    parts: KeeperParts,
    held: Arc<HeldLease>,
    view: LeaseView,
    /// What the last request met with, so that the same trouble is told once.
    trouble: Option<ClusterErrorKind>,
}

impl LeaseKeeper {
    /// A keeper that has asked for nothing.
    pub fn new(parts: KeeperParts) -> Self {
        let held = Arc::new(HeldLease::new(parts.monotonic.clone()));
        Self { parts, held, view: LeaseView::default(), trouble: None }
    }

    /// What this replica knows of its leadership.
    pub fn held(&self) -> Arc<HeldLease> {
        self.held.clone()
    }

    /// Asks every retry period until `stop` comes, then gives the lease back. `alive` is told after each round.
    pub async fn run(mut self, stop: impl Future<Output = ()>, alive: impl Fn()) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let began = self.parts.monotonic.elapsed();
            self.ask_once().await;
            alive();
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.rest(began) => {}
            }
        }
        self.release().await;
    }

    /// Waits for the next round; where the leadership ends before that, it is told at its end.
    async fn rest(&self, began: Duration) {
        let next = began.saturating_add(self.parts.terms.retry_period);
        let left = |until: Duration| until.saturating_sub(self.parts.monotonic.elapsed());
        if let Some(until) = self.held.until().filter(|until| *until < next) {
            tokio::time::sleep(left(until)).await;
            self.held.tell();
        }
        tokio::time::sleep(left(next)).await;
    }

    /// One round: reads the lease, and writes what follows. Trouble is told, and tried again in the next one.
    pub async fn ask_once(&mut self) {
        match self.try_once().await {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    tracing::info!(lease = %self.name(), "the lease is answered for again");
                }
            }
            // Somebody wrote in between: the next round sees what.
            Err(error) if matches!(error.kind, ClusterErrorKind::Conflict | ClusterErrorKind::NameTaken) => {}
            Err(error) => {
                if self.trouble.replace(error.kind) != Some(error.kind) {
                    tracing::warn!(
                        lease = %self.name(), error = %error.chain(), leads = self.held.until().is_some(),
                        "the lease could not be asked for; it is tried every {:?}", self.parts.terms.retry_period
                    );
                }
            }
        }
        self.held.tell();
    }

    async fn try_once(&mut self) -> Result<(), ClusterError> {
        // What is promised counts from before the request: the API server may have stamped it at any instant after.
        let began = self.parts.monotonic.elapsed();
        let lease = self.read().await?;
        let (now, stamp) = (self.parts.monotonic.elapsed(), self.parts.clock.now());
        let terms = (&self.parts.place, &self.parts.terms);
        let step = decide(&mut self.view, lease.as_ref(), now, stamp, terms);
        match step {
            LeaseStep::Wait { holder, .. } => {
                self.held.held_by(&holder);
                self.held.let_go();
                return Ok(());
            }
            LeaseStep::Create(lease) => self.create(&lease).await?,
            LeaseStep::Replace(lease) => self.replace(&lease).await?,
        }
        self.held.held_by(&self.parts.place.identity);
        self.held.hold_until(began.saturating_add(self.parts.terms.renew_deadline));
        Ok(())
    }

    /// Ends the leadership, and then says so to the others: who is next need not wait for the end of the lease.
    pub async fn release(&mut self) {
        self.held.let_go();
        let outcome = async {
            let Some(lease) = self.read().await? else { return Ok(()) };
            match released(&self.view, &lease, self.parts.clock.now(), &self.parts.place) {
                Some(free) => self.replace(&free).await.map(|()| tracing::info!(lease = %self.name(), "given back")),
                None => Ok(()),
            }
        };
        if let Err(error) = outcome.await {
            tracing::warn!(error = %error.chain(), "the lease was not given back; it ends by itself");
        }
    }

    /// Whether the lease, as it stands now, is this process's own.
    ///
    /// # Errors
    /// [`ClusterError`] where it could not be read.
    pub async fn holds(&self) -> Result<bool, ClusterError> {
        Ok(self.read().await?.is_some_and(|lease| is_own(&self.view, &lease, &self.parts.place)))
    }

    fn name(&self) -> String {
        describe::<Lease>(&self.parts.place.namespace, &self.parts.place.name)
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.parts.cluster.client.clone(), &self.parts.place.namespace)
    }

    async fn read(&self) -> Result<Option<Lease>, ClusterError> {
        let api = self.api();
        let call = api.get_opt(&self.parts.place.name);
        self.parts.cluster.call("read", &self.name(), LEASE_CALL_TIMEOUT, call).await
    }

    async fn create(&self, lease: &Lease) -> Result<(), ClusterError> {
        let (api, parameters) = (self.api(), written());
        let call = api.create(&parameters, lease);
        self.parts.cluster.call("create", &self.name(), LEASE_CALL_TIMEOUT, call).await.map(drop)
    }

    async fn replace(&self, lease: &Lease) -> Result<(), ClusterError> {
        let (api, parameters) = (self.api(), written());
        let call = api.replace(&self.parts.place.name, &parameters, lease);
        self.parts.cluster.call("write", &self.name(), LEASE_CALL_TIMEOUT, call).await.map(drop)
    }
}

fn written() -> PostParams {
    PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) }
}

impl std::fmt::Debug for LeaseKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseKeeper").field("held", &self.held).field("view", &self.view).finish_non_exhaustive()
    }
}
