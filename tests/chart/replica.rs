//! A whole replica on an API server in memory: its watches, its lease, the pod of a run.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use phaseloop::{
    cluster::{
        Clock, ProcessClock,
        execute::AuditExport,
        lease::{LeasePlace, LeaseTerms},
    },
    controllers::{Leadership as _, OperatorSettings},
    operator::{Operator, OperatorParts, Scope},
    simulation::api_server::{ApiServer, Settings},
    telemetry::{Health as _, Metrics},
};
use phaseloop_core::audit::AuditRecord;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::story::{Asked, listen};

const NAMESPACE: &str = "chat";
/// The namespace of the lease.
pub(crate) const OPERATORS: &str = "phaseloop-system";
/// The lease.
pub(crate) const LEASE: &str = "phaseloop";
const USER: &str = "system:serviceaccount:phaseloop-system:phaseloop";
/// Hours of a time that costs nothing.
const PATIENCE: Duration = Duration::from_hours(2);

struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let base: Timestamp = "2026-03-04T02:30:00Z".parse().unwrap();
        base + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

/// An export that keeps nothing.
pub(crate) struct NoExport;

impl AuditExport for NoExport {
    fn export(&self, _records: &[AuditRecord]) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a replica is made of that works in these namespaces.
pub(crate) fn parts(client: Client, namespaces: &[&str], clock: Arc<dyn Clock>) -> OperatorParts {
    OperatorParts {
        client,
        server: "https://test".to_owned(),
        scopes: namespaces.iter().map(|namespace| Scope::Namespace((*namespace).to_owned())).collect(),
        place: LeasePlace { namespace: OPERATORS.to_owned(), name: LEASE.to_owned(), identity: "a".to_owned() },
        terms: LeaseTerms::default(),
        settings: OperatorSettings::for_image("phaseloop:1"),
        clock,
        monotonic: Arc::new(ProcessClock::start()),
        export: Arc::new(NoExport),
        metrics: Metrics::default(),
        log: None,
    }
}

/// What a replica asks for from its start until it leads, is ready, has renewed its lease, and ended in order.
pub(crate) fn asked_by_a_replica() -> Asked {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(Instant::now()));
        let settings = Settings::default();
        let namespaces = [NAMESPACE, OPERATORS].map(str::to_owned).into_iter().chain(settings.namespaces.clone());
        let server = ApiServer::new(clock.clone(), Settings { namespaces: namespaces.collect(), ..settings });
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "phaseloop-test" },
            "value": -100, "preemptionPolicy": "Never",
        });
        server.actor("jane").create(&class).unwrap();
        let heard = listen(&server, USER);
        let operator =
            Operator::start(&parts(Client::new(server.service_for(USER), OPERATORS), &[NAMESPACE], clock), None);
        let began = Instant::now();
        while !(operator.vitals().ready().is_ok() && operator.held().is_leader()) {
            assert!(began.elapsed() < PATIENCE, "{:?}", operator.vitals().ready());
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_mins(1)).await;
        operator.stop().await;
        heard()
    })
}
