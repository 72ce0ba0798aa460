//! A simulated world that lives on while a command waits.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use phaseloop::{
    cluster::{CallTimeouts, Clock as _, Cluster, execute::AuditExport},
    handling::pace::{Pace, Pause},
    simulation::{
        answer::{Story, begin_story},
        scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE, prepare, read_scenario},
        world::{Action, OPERATOR_NAMESPACE},
    },
};
use phaseloop_core::audit::AuditRecord;
use serde_json::{Value, json};

/// The namespace of the scenario.
pub(crate) const NAMESPACE: &str = "chat";
/// Whoever uses the commands.
pub(crate) const PERSON: &str = "jane";
/// The name of the target, its schedule and its Escalation.
pub(crate) const TARGET: &str = "llama-13b";

/// The four nights: an upgrade before the first one over-commits the card, the third one tunes and promotes, the fourth
/// confirms.
pub(crate) struct Living {
    story: Story,
    /// Pauses after which somebody interrupts the command.
    pub(crate) interrupt_after: Option<u32>,
}

impl Living {
    /// The world at its beginning.
    pub(crate) fn begin() -> Self {
        Self::begin_scenario(DEFAULT_SCENARIO_FILE, DEFAULT_SCENARIO)
    }

    /// The world of a scenario at its beginning.
    pub(crate) fn begin_scenario(file: &str, text: &str) -> Self {
        let file = read_scenario(file, text).unwrap();
        let prepared = prepare(&file).unwrap();
        Self { story: begin_story(&file, prepared).unwrap(), interrupt_after: None }
    }

    /// The world at noon after a night.
    pub(crate) async fn at_noon_after(night: i64) -> Self {
        Self::begin().until_noon_after(night).await
    }

    /// The same world at noon after a night.
    pub(crate) async fn until_noon_after(mut self, night: i64) -> Self {
        let noon = self.story.calendar.noon(night);
        self.run_until(noon).await;
        self
    }

    pub(crate) async fn run_until(&mut self, at: Timestamp) {
        self.story.world.run_until(at).await.unwrap();
    }

    pub(crate) async fn run_for(&mut self, duration: SignedDuration) {
        self.run_until(self.now() + duration).await;
    }

    /// Runs on until a canary has its pod.
    pub(crate) async fn run_until_a_canary_runs(&mut self) {
        let runs = |living: &Self| !living.own("TuningCanary").is_empty() && !living.test_pods().is_empty();
        self.run_until_it_holds("a canary's pod runs", runs).await;
    }

    /// Lets the world go on until something holds of it, a second at a time.
    pub(crate) async fn run_until_it_holds(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let latest = self.now() + SignedDuration::from_hours(30);
        while !holds(self) {
            assert!(self.now() < latest, "it never came: {what}");
            self.run_for(SignedDuration::from_secs(1)).await;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.story.world.clock.now()
    }

    /// The API server as a person reaches it.
    pub(crate) fn cluster(&self) -> Cluster {
        let client = Client::new(self.story.world.server.service_for(PERSON), NAMESPACE);
        Cluster::new(client, CallTimeouts::default())
    }

    /// The objects of a kind.
    pub(crate) fn objects(&self, kind: (&str, &str)) -> Vec<Value> {
        let objects = self.story.world.server.actor(PERSON).list(kind, Some(NAMESPACE));
        objects.iter().map(|object| object.value.clone()).collect()
    }

    pub(crate) fn own(&self, kind: &str) -> Vec<Value> {
        self.objects(("phaseloop.dev/v1alpha1", kind))
    }

    /// Test pods that are there.
    pub(crate) fn test_pods(&self) -> Vec<Value> {
        let pods = self.objects(("v1", "Pod")).into_iter();
        pods.filter(|pod| pod.pointer("/metadata/labels/phaseloop.dev~1role").is_some()).collect()
    }

    /// The target's value of the promoted flag.
    pub(crate) fn value(&self) -> String {
        let target = self.objects(("apps/v1", "Deployment")).remove(0);
        target.pointer("/spec/template/spec/containers/0/args/1").and_then(Value::as_str).unwrap().to_owned()
    }

    /// Every object of ours that carries our finalizer.
    pub(crate) fn finalizers(&self) -> Vec<String> {
        let kinds = ["PhaseSchedule", "PhaseRun", "Escalation", "TuningCanary", "Promotion"];
        let held = kinds.into_iter().flat_map(|kind| self.own(kind));
        let held = held.filter(|object| object.pointer("/metadata/finalizers").is_some_and(|list| *list != json!([])));
        held.map(|object| text(&object, "/metadata/name").to_owned()).collect()
    }

    /// Merges fields into an object, as a person.
    pub(crate) fn merge(&self, kind: (&str, &str), name: &str, fields: Value) {
        let actor = self.story.world.server.actor(PERSON);
        actor.merge(kind, NAMESPACE, name, "", fields).unwrap();
    }

    /// Something happens now.
    pub(crate) async fn do_now(&mut self, action: Action) {
        let now = self.now();
        self.story.world.add_action(now, action);
        self.run_for(SignedDuration::from_secs(1)).await;
    }

    /// From now on there is no process of the operator.
    pub(crate) async fn kill_operator(&mut self) {
        self.do_now(Action::KillOperator { replica: 0, lasting: SignedDuration::from_hours(1000) }).await;
    }

    /// The operator's Deployment, as far as it matters: how many replicas it has and wants.
    pub(crate) fn create_operator_deployment(&self, ready: i64) {
        let actor = self.story.world.server.actor(PERSON);
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "phaseloop", "namespace": OPERATOR_NAMESPACE },
            "spec": {
                "replicas": ready, "selector": { "matchLabels": { "app": "phaseloop" } },
                "template": { "metadata": { "labels": { "app": "phaseloop" } }, "spec": { "containers": [{
                    "name": "operator", "image": "localhost/phaseloop:1",
                }] } },
            },
        });
        actor.create(&object).unwrap();
    }

    /// Namespace and name of the operator's Deployment.
    pub(crate) fn operator_deployment() -> (String, String) {
        (OPERATOR_NAMESPACE.to_owned(), "phaseloop".to_owned())
    }

    pub(crate) fn operator_replicas(&self) -> i64 {
        let actor = self.story.world.server.actor(PERSON);
        let object = actor.get(("apps/v1", "Deployment"), OPERATOR_NAMESPACE, "phaseloop").unwrap();
        object.value["spec"]["replicas"].as_i64().unwrap()
    }
}

impl Pace for Living {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn pause(&mut self, duration: Duration) -> Pause {
        if let Some(left) = &mut self.interrupt_after {
            if *left == 0 {
                return Pause::Interrupted;
            }
            *left -= 1;
        }
        self.run_for(SignedDuration::try_from(duration).unwrap()).await;
        Pause::Passed
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

pub(crate) fn export() -> Arc<dyn AuditExport> {
    Arc::new(Kept::default())
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Runs a test on one thread whose time stands still.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}
