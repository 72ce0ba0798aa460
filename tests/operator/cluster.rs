//! A cluster in memory for whole replicas: the API server, and a time that stands still until nothing else can be done.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use phaseloop::{
    cluster::{Clock, ProcessClock, execute::AuditExport, lease::LeasePlace, lease::LeaseTerms},
    controllers::OperatorSettings,
    operator::{Operator, OperatorParts, Scope},
    simulation::api_server::{ApiServer, RequestDescription, RequestInterceptor, Settings, StatusError, Verdict},
    telemetry::{CountedService, Metrics},
};
use phaseloop_core::audit::AuditRecord;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The namespace of everything that is watched.
pub(crate) const NAMESPACE: &str = "chat";
/// The namespace of the lease.
pub(crate) const OPERATORS: &str = "ops";
/// How long a condition is waited for: hours of a time that costs nothing.
const PATIENCE: Duration = Duration::from_hours(2);

/// The time of the test's runtime, as a machine tells it whose clock is wrong by so much.
pub(crate) struct TestClock {
    origin: Instant,
    wrong_by: SignedDuration,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let base: Timestamp = "2026-03-04T02:30:00Z".parse().unwrap();
        base + SignedDuration::try_from(self.origin.elapsed()).unwrap() + self.wrong_by
    }
}

struct NoExport;

impl AuditExport for NoExport {
    fn export(&self, _records: &[AuditRecord]) -> std::io::Result<()> {
        Ok(())
    }
}

/// An API server with two Deployments to test.
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    origin: Instant,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// The same, without the definitions whose names are given.
    pub(crate) fn without(definitions: &[&str]) -> Self {
        let mut settings = Settings::default();
        settings.definitions.retain(|definition| !definitions.contains(&name_of(definition)));
        Self::with(settings)
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let origin = Instant::now();
        let clock = Arc::new(TestClock { origin, wrong_by: SignedDuration::ZERO });
        let namespaces = [NAMESPACE, OPERATORS].map(str::to_owned).into_iter().chain(settings.namespaces.clone());
        let server = ApiServer::new(clock, Settings { namespaces: namespaces.collect(), ..settings });
        let cluster = Self { server, origin };
        cluster.create(&json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "phaseloop-test" },
            "value": -100, "preemptionPolicy": "Never",
        }));
        for name in ["llama", "qwen"] {
            cluster.create(&deployment(name));
        }
        cluster
    }

    pub(crate) fn create(&self, object: &Value) {
        self.server.actor("jane").create(object).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// A run of a target's one domain: a leader makes its pod at once.
    pub(crate) fn create_run(&self, name: &str, target: &str) {
        self.create(&run(name, target));
    }

    /// What a replica of that name is made of; its machine's clock is wrong by `wrong_by`.
    pub(crate) fn parts(&self, identity: &str, wrong_by: SignedDuration) -> OperatorParts {
        let metrics = Metrics::default();
        let service = CountedService::new(self.server.service_for(identity), metrics.clone());
        OperatorParts {
            client: Client::new(service, OPERATORS),
            server: "https://memory".to_owned(),
            scopes: vec![Scope::Namespace(NAMESPACE.to_owned())],
            place: place(identity),
            terms: LeaseTerms::default(),
            settings: OperatorSettings::for_image("phaseloop:1"),
            clock: Arc::new(TestClock { origin: self.origin, wrong_by }),
            monotonic: Arc::new(ProcessClock::start()),
            export: Arc::new(NoExport),
            metrics,
            log: None,
        }
    }

    /// A replica at work.
    pub(crate) fn start(&self, identity: &str) -> Operator {
        Operator::start(&self.parts(identity, SignedDuration::ZERO), None)
    }

    /// Who made which pods, in order: the user is the replica's name.
    pub(crate) fn pods_made(&self) -> Vec<(String, String)> {
        let writes = self.server.writes().into_iter();
        let made = writes.filter(|write| write.resource == "pods" && write.code == 201);
        made.map(|write| (write.user, write.name)).collect()
    }

    /// Lets a rule decide about every request.
    pub(crate) fn intercept(&self, rule: impl Fn(&RequestDescription) -> Verdict + Send + Sync + 'static) {
        self.server.set_interceptor(Some(Arc::new(Rule(rule))));
    }
}

struct Rule<F>(F);

impl<F: Fn(&RequestDescription) -> Verdict + Send + Sync> RequestInterceptor for Rule<F> {
    fn before(&self, request: &RequestDescription) -> Verdict {
        (self.0)(request)
    }
}

/// The answer of an authorizer that says no.
pub(crate) fn forbidden() -> Verdict {
    Verdict::Answer(Box::new(StatusError::unauthorized_verb("a", "list", "apps", "statefulsets", NAMESPACE, "")))
}

pub(crate) fn place(identity: &str) -> LeasePlace {
    LeasePlace { namespace: OPERATORS.to_owned(), name: "phaseloop".to_owned(), identity: identity.to_owned() }
}

pub(crate) fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap()
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{
                "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
                "args": ["m", "--max-num-seqs=32"], "resources": { "limits": { "nvidia.com/gpu": "1" } },
            }] } },
        },
    })
}

pub(crate) fn run(name: &str, target: &str) -> Value {
    let workload = json!({
        "arrival": { "rate": 4 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 },
    });
    json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseRun",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "targetRef": { "kind": "Deployment", "name": target },
            "domains": [{ "name": "chat", "serving": { "workload": workload } }],
        },
    })
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
