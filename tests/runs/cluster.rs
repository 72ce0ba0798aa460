//! A cluster in memory with one operator: what changes is looked at, and a kubelet of few words does what tests say.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use phaseloop::{
    api::{PhaseRun, PhaseSchedule},
    cluster::{CallTimeouts, Cluster, execute::AuditExport},
    controllers::{
        Context, Leadership, ObjectKey, OperatorSettings, ReconcileError, phase_run::PhaseRuns,
        phase_schedule::PhaseSchedules, reconcile,
    },
    simulation::{
        api_server::{Actor, ApiServer, Settings},
        virtual_clock::VirtualClock,
    },
};
use phaseloop_core::{analysis::probe::ProbeReport, audit::AuditRecord, plan::Wake};
use serde_json::{Value, json};

use crate::measured_pod::{ended_status, measured};

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "chat";
/// The user that the operator is.
pub(crate) const OPERATOR: &str = "phaseloop";
/// Looks at everything after which a world that still changes never comes to rest.
const ROUNDS_MAX: usize = 40;

struct Leads(bool);

impl Leadership for Leads {
    fn is_leader(&self) -> bool {
        self.0
    }
}

/// An export that keeps what it is handed.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<AuditRecord>>);

impl AuditExport for Kept {
    fn export(&self, records: &[AuditRecord]) -> std::io::Result<()> {
        self.0.lock().unwrap().extend(records.iter().cloned());
        Ok(())
    }
}

/// The cluster.
pub(crate) struct World {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) server: ApiServer,
    pub(crate) export: Arc<Kept>,
}

impl World {
    /// A cluster with a Deployment `llama`, at half past two.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same on a server that is set up like this.
    pub(crate) fn with(settings: Settings) -> Self {
        let clock = Arc::new(VirtualClock::new(at("2026-03-04T02:30:00Z")));
        let namespaces = [settings.namespaces.clone(), vec![NAMESPACE.to_owned()]].concat();
        let server = ApiServer::new(clock.clone(), Settings { namespaces, ..settings });
        let world = Self { clock, server, export: Arc::default() };
        world.create(&json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "phaseloop-test" },
            "value": -100, "preemptionPolicy": "Never",
        }));
        world.create(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "llama", "namespace": NAMESPACE },
            "spec": {
                "selector": { "matchLabels": { "app": "llama" } },
                "template": { "metadata": { "labels": { "app": "llama" } }, "spec": { "containers": [{
                    "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
                    "args": ["m", "--max-num-seqs=32"], "resources": { "limits": { "nvidia.com/gpu": "1" } },
                }] } },
            },
        }));
        world
    }

    /// A person.
    pub(crate) fn person(&self) -> Actor {
        self.server.actor("jane")
    }

    pub(crate) fn create(&self, object: &Value) {
        self.person().create(object).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A nightly schedule of one serving domain.
    pub(crate) fn create_schedule(&self) {
        self.create(&json!({
            "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseSchedule",
            "metadata": { "name": "nightly", "namespace": NAMESPACE },
            "spec": { "run": run_spec(&["chat"]) },
        }));
    }

    /// From now on the quota of the namespace has no room for a GPU.
    pub(crate) fn forbid_gpus(&self) {
        self.create(&json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "gpus", "namespace": NAMESPACE },
            "spec": { "hard": { "requests.nvidia.com/gpu": "0" } },
        }));
    }

    pub(crate) fn create_run(&self, name: &str, domains: &[&str]) {
        self.create(&json!({
            "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun",
            "metadata": { "name": name, "namespace": NAMESPACE }, "spec": run_spec(domains),
        }));
    }

    pub(crate) fn context(&self, leads: bool) -> Context {
        let client = Client::new(self.server.service_for(OPERATOR), NAMESPACE);
        Context {
            cluster: Cluster::new(client, CallTimeouts::default()),
            clock: self.clock.clone(),
            leadership: Arc::new(Leads(leads)),
            export: self.export.clone(),
            settings: Arc::new(OperatorSettings::for_image("phaseloop:1")),
        }
    }

    /// Looks at everything once, as the leader; answers what each look said.
    pub(crate) async fn look(&self) -> Vec<Result<Wake, ReconcileError>> {
        self.look_as(true).await
    }

    /// Looks at everything once.
    pub(crate) async fn look_as(&self, leads: bool) -> Vec<Result<Wake, ReconcileError>> {
        let context = self.context(leads);
        let mut answers = Vec::new();
        for schedule in self.schedules() {
            answers.push(reconcile::<PhaseSchedules>(&context, &key(&schedule)).await);
        }
        for run in self.runs() {
            answers.push(reconcile::<PhaseRuns>(&context, &key(&run)).await);
        }
        answers
    }

    /// Looks at everything until nothing is written any more. Errors are tried again, as the driver's caller does.
    pub(crate) async fn settle(&self) {
        for _ in 0..ROUNDS_MAX {
            let before = self.server.revision();
            let answers = self.look().await;
            while self.server.collect_garbage() > 0 {}
            if self.server.revision() == before && answers.iter().all(Result::is_ok) {
                return;
            }
        }
        panic!("the cluster never comes to rest: {:?}", self.look().await);
    }

    pub(crate) fn schedules(&self) -> Vec<PhaseSchedule> {
        self.list(("phaseloop.dev/v1alpha1", "PhaseSchedule"))
    }

    pub(crate) fn runs(&self) -> Vec<PhaseRun> {
        self.list(("phaseloop.dev/v1alpha1", "PhaseRun"))
    }

    pub(crate) fn pods(&self) -> Vec<Pod> {
        self.list(("v1", "Pod"))
    }

    pub(crate) fn list<K: serde::de::DeserializeOwned>(&self, kind: (&str, &str)) -> Vec<K> {
        let objects = self.person().list(kind, Some(NAMESPACE));
        objects.iter().map(|object| object.typed().unwrap()).collect()
    }

    pub(crate) fn run(&self, name: &str) -> PhaseRun {
        self.runs().into_iter().find(|run| run.name_any() == name).unwrap_or_else(|| panic!("no run {name}"))
    }

    /// Names of the objects that the operator made, in order, with their resource.
    pub(crate) fn created(&self) -> Vec<String> {
        let writes = self.server.writes();
        let own = writes.iter().filter(|write| write.user == OPERATOR && write.code == 201);
        own.filter(|write| write.resource != "events")
            .map(|write| format!("{} {}", write.resource, write.name))
            .collect()
    }

    pub(crate) fn pass(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) fn now(&self) -> Timestamp {
        use phaseloop::cluster::Clock;
        self.clock.now()
    }

    /// The only pod measures for five minutes, and ends with a latency of so many milliseconds.
    pub(crate) fn measure(&self, latency: f64) {
        self.pass(SignedDuration::from_mins(5));
        self.end_pod(&measured(self.now(), latency));
    }

    /// The kubelet: the only pod ends now, after five minutes, with this report of its probe.
    pub(crate) fn end_pod(&self, report: &ProbeReport) {
        let pods = self.pods();
        let [pod] = pods.as_slice() else { panic!("{} pods", pods.len()) };
        let status = ended_status(self.now(), report);
        let kubelet = self.server.actor("kubelet");
        let name = pod.name_any();
        kubelet
            .create(&json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name, "namespace": NAMESPACE },
                "target": { "apiVersion": "v1", "kind": "Node", "name": "n1" },
            }))
            .ok();
        kubelet.merge(("v1", "Pod"), NAMESPACE, &name, "status", status).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The kubelet: what is being deleted and has ended goes.
    pub(crate) fn sweep(&self) {
        for pod in self.pods().iter().filter(|pod| pod.metadata.deletion_timestamp.is_some()) {
            drop(self.server.actor("kubelet").delete(("v1", "Pod"), NAMESPACE, &pod.name_any(), Some(0)));
        }
    }
}

fn run_spec(domains: &[&str]) -> Value {
    let domains: Vec<Value> = domains
        .iter()
        .map(|name| {
            json!({ "name": name, "serving": { "workload": {
            "arrival": { "rate": 4 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 },
        } } })
        })
        .collect();
    json!({ "targetRef": { "kind": "Deployment", "name": "llama" }, "domains": domains })
}

pub(crate) fn key<K: ResourceExt>(object: &K) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// An instant.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Runs a test on one thread.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}
