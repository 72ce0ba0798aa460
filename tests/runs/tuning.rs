//! A cluster in memory whose target had three bad nights, with an Escalation. Canaries come to what tests say, and a
//! rollout is finished when they say so.

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop::{
    api::{Escalation, Promotion, TuningCanary, condition::ConditionType},
    controllers::{ObjectKey, ReconcileError, escalation::Escalations, promotion::Promotions, reconcile},
    simulation::api_server::Settings,
    workload::template_hash,
};
use phaseloop_core::{
    audit::{AuditedObject, verify_chain},
    plan::Wake,
    value::Uid,
};
use serde_json::{Value, json};

use crate::cluster::{NAMESPACE, OPERATOR, World, at, key};

pub(crate) const ESCALATION: (&str, &str) = ("phaseloop.dev/v1alpha1", "Escalation");
pub(crate) const CANARY: (&str, &str) = ("phaseloop.dev/v1alpha1", "TuningCanary");
pub(crate) const PROMOTION: (&str, &str) = ("phaseloop.dev/v1alpha1", "Promotion");
pub(crate) const RUN: (&str, &str) = ("phaseloop.dev/v1alpha1", "PhaseRun");
pub(crate) const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

/// Looks after which a world that still changes never comes to rest.
const ROUNDS_MAX: usize = 40;

/// The cluster.
pub(crate) struct Tuning {
    pub(crate) world: World,
}

impl Tuning {
    /// At 03:21 of the third bad night; nobody has looked yet.
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), 3)
    }

    /// The same after so many bad nights, on a server that is set up like this.
    pub(crate) fn with(settings: Settings, nights: i8) -> Self {
        let tuning = Self { world: World::with(settings) };
        let strategy = json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } });
        tuning.change_target(&json!({ "spec": { "replicas": 2, "strategy": strategy } }));
        tuning.roll_out();
        tuning.world.create_schedule();
        tuning.create_escalation("llama", &json!({}));
        for day in (5 - nights)..=4 {
            tuning.night(&format!("n{day}"), &format!("2026-03-{day:02}"), "Degraded");
        }
        tuning.world.clock.move_to(at("2026-03-04T03:21:00Z"));
        tuning
    }

    /// An Escalation of the target with two values to try; `extra` fields of its spec beside them.
    pub(crate) fn create_escalation(&self, name: &str, extra: &Value) {
        let mut spec = json!({
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "parameters": [{ "name": "gpu-memory-utilization", "values": [0.70, 0.72] }],
            "canary": { "workload": workload(), "slo": { "e2e": "2s" } },
        });
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.world.create(&json!({
            "apiVersion": ESCALATION.0, "kind": ESCALATION.1, "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": spec,
        }));
    }

    /// A run of a night, from 03:00 to 03:20, with a verdict; on the template as it is.
    pub(crate) fn night(&self, name: &str, date: &str, verdict: &str) {
        let symptom = json!({
            "kind": "vllm_oom", "domain": "chat", "severity": "critical", "metric": "oomEvents", "current": 2.0,
            "baseline": 0.0, "diagnosis": "MemoryOvercommitted",
        });
        let hash = self.template_hash();
        self.world.create_run(name, &["chat"]);
        let status = json!({
            "phase": "Completed", "verdict": verdict,
            "startedAt": format!("{date}T03:00:00Z"), "completedAt": format!("{date}T03:20:00Z"),
            "environment": {
                "image": "vllm/vllm-openai:v0.33.0", "engineVersion": "vllm 0.33.0", "model": "m",
                "templateHash": hash, "templateHashAtEnd": hash,
            },
            "domains": [{ "name": "chat", "valid": true, "workloadHash": "load", "measured": {
                "source": "Serving", "weight": 1.0, "requests": { "offered": 200, "completed": 190, "failed": 10 },
            } }],
            "symptoms": if verdict == "Degraded" { json!([symptom]) } else { json!([]) },
        });
        self.set_status(RUN, name, &status);
    }

    /// Writes a status, as the kind's own controller would.
    pub(crate) fn set_status(&self, kind: (&str, &str), name: &str, status: &Value) {
        let controller = self.world.server.actor("controller");
        let patch = json!({ "status": status });
        controller.merge(kind, NAMESPACE, name, "status", patch).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Somebody changes the target.
    pub(crate) fn change_target(&self, patch: &Value) {
        self.world.person().merge(DEPLOYMENT, NAMESPACE, "llama", "", patch.clone()).unwrap();
    }

    pub(crate) fn target(&self) -> Value {
        self.world.person().get(DEPLOYMENT, NAMESPACE, "llama").unwrap().value.clone()
    }

    fn template_hash(&self) -> String {
        template_hash(&serde_json::from_value(self.target()["spec"]["template"].clone()).unwrap())
    }

    /// The arguments of the target's engine.
    pub(crate) fn arguments(&self) -> Vec<String> {
        serde_json::from_value(self.target()["spec"]["template"]["spec"]["containers"][0]["args"].clone()).unwrap()
    }

    /// The Deployment's controller has replaced every pod.
    pub(crate) fn roll_out(&self) {
        let generation = self.target()["metadata"]["generation"].clone();
        let status =
            json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2 });
        self.set_status(DEPLOYMENT, "llama", &status);
    }

    /// Looks at every Escalation and every promotion once; answers what each look said, by name.
    pub(crate) async fn look(&self) -> Vec<(String, Result<Wake, ReconcileError>)> {
        self.look_as(true).await
    }

    pub(crate) async fn look_as(&self, leads: bool) -> Vec<(String, Result<Wake, ReconcileError>)> {
        let context = self.world.context(leads);
        let mut answers = Vec::new();
        for name in self.names(ESCALATION) {
            let key = ObjectKey::new(NAMESPACE, &name);
            answers.push((name, reconcile::<Escalations>(&context, &key).await));
        }
        for name in self.names(PROMOTION) {
            let key = ObjectKey::new(NAMESPACE, &name);
            answers.push((name, reconcile::<Promotions>(&context, &key).await));
        }
        answers
    }

    /// Looks until nothing is written any more. Errors are tried again, as the driver's caller does.
    pub(crate) async fn settle(&self) {
        for _ in 0..ROUNDS_MAX {
            let before = self.world.server.revision();
            let answers = self.look().await;
            while self.world.server.collect_garbage() > 0 {}
            if self.world.server.revision() == before && answers.iter().all(|(_, answer)| answer.is_ok()) {
                return;
            }
        }
        panic!("the cluster never comes to rest: {:?}", self.look().await);
    }

    /// One look at the Escalation alone.
    pub(crate) async fn look_at_escalation(&self) -> Result<Wake, ReconcileError> {
        reconcile::<Escalations>(&self.world.context(true), &key(&self.escalation())).await
    }

    /// One look at the promotion alone.
    pub(crate) async fn look_at_promotion(&self) -> Result<Wake, ReconcileError> {
        reconcile::<Promotions>(&self.world.context(true), &key(&self.promotion())).await
    }

    fn names(&self, kind: (&str, &str)) -> Vec<String> {
        self.world.person().list(kind, Some(NAMESPACE)).iter().map(|object| object.name().to_owned()).collect()
    }

    pub(crate) fn escalation(&self) -> Escalation {
        self.world.person().get(ESCALATION, NAMESPACE, "llama").unwrap().typed().unwrap()
    }

    pub(crate) fn canaries(&self) -> Vec<TuningCanary> {
        self.world.list(CANARY)
    }

    pub(crate) fn promotions(&self) -> Vec<Promotion> {
        self.world.list(PROMOTION)
    }

    /// The only promotion.
    pub(crate) fn promotion(&self) -> Promotion {
        let mut promotions = self.promotions();
        assert_eq!(promotions.len(), 1);
        promotions.remove(0)
    }

    /// The promotion's phase and reason.
    pub(crate) fn stands(&self) -> (String, String) {
        let status = self.promotion().status.unwrap();
        (format!("{:?}", status.phase.unwrap()), status.reason.unwrap())
    }

    /// Reason of the Escalation's `Ready`.
    pub(crate) fn reason(&self) -> String {
        let conditions = self.escalation().status.unwrap().conditions;
        conditions.into_iter().find(|condition| condition.type_ == ConditionType::Ready).unwrap().reason
    }

    /// A minute later the canary that is going has met so many of 200 limits, and was given back.
    pub(crate) fn finish(&self, within: u32) {
        self.world.pass(SignedDuration::from_secs(60));
        let now = self.world.now();
        let going = self.canaries().into_iter().find(|canary| canary.status.is_none()).unwrap();
        let status = json!({
            "phase": "Done", "verdict": "Passed", "begunAt": now - SignedDuration::from_secs(60), "releasedAt": now,
            "used": { "measure": "8s", "hold": "1m", "proven": true },
            "requests": { "offered": 200, "completed": 200, "failed": 0, "withinLimits": within },
            "fitness": f64::from(within) / 200.0,
        });
        self.set_status(CANARY, &going.name_any(), &status);
    }

    /// From the armed flag to the promotion that waits for a person.
    pub(crate) async fn tune(&self) {
        self.settle().await;
        for within in [100, 120, 190] {
            self.finish(within);
            self.settle().await;
        }
        assert_eq!(self.stands(), ("AwaitingReview".to_owned(), "AwaitingApproval".to_owned()));
    }

    /// A person decides.
    pub(crate) fn decide(&self, decision: &str) {
        self.decide_on("llama", decision);
    }

    /// A person decides on the only promotion of a target.
    pub(crate) fn decide_on(&self, target: &str, decision: &str) {
        let promotion = self.promotions().into_iter().find(|promotion| promotion.spec.target_ref.name == target);
        let patch = json!({ "spec": { "decision": decision, "approvedBy": "jane" } });
        self.world.person().merge(PROMOTION, NAMESPACE, &promotion.unwrap().name_any(), "", patch).unwrap();
    }

    /// Approved, applied and rolled out.
    pub(crate) async fn apply(&self) {
        self.decide("Approved");
        self.settle().await;
        self.world.pass(SignedDuration::from_secs(60));
        self.roll_out();
        self.settle().await;
        assert_eq!(self.stands(), ("Applied".to_owned(), "AwaitingValidation".to_owned()));
    }

    /// The night after, with a verdict on what was promoted.
    pub(crate) fn next_night(&self, verdict: &str) {
        self.world.clock.move_to(at("2026-03-05T03:21:00Z"));
        self.night("n5", "2026-03-05", verdict);
    }

    /// Reasons of the events about objects of a kind, in the order in which they were told.
    pub(crate) fn told(&self, kind: &str) -> Vec<String> {
        let changes = self.world.server.changes_after(0).into_iter();
        let events = changes.filter(|change| &*change.resource == "events").map(|change| change.object.value.clone());
        let about = events.filter(|event| {
            let subject = if event["regarding"].is_object() { &event["regarding"] } else { &event["involvedObject"] };
            subject["kind"] == kind
        });
        about.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes of the operator that changed something, as `verb resource`.
    pub(crate) fn written(&self) -> Vec<String> {
        let writes = self.world.server.writes().into_iter();
        let own = writes.filter(|write| write.user == OPERATOR && write.changed());
        own.map(|write| {
            let subresource = if write.subresource.is_empty() { "" } else { "/status" };
            format!("{} {}{subresource}", write.verb.name(), write.resource)
        })
        .collect()
    }
}

/// A load that the schema takes.
pub(crate) fn workload() -> Value {
    json!({ "arrival": { "rate": 20 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 } })
}

/// Where the records of an object lead to, after their chain was checked.
pub(crate) fn chain<K: ResourceExt>(
    kind: &str,
    object: &K,
    history: &phaseloop::api::audit::TransitionHistory,
) -> Vec<String> {
    let object = AuditedObject {
        kind: kind.to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: object.name_any(),
        uid: Uid::new(object.uid().unwrap()),
    };
    let records: Vec<_> = history.records.iter().map(|record| record.to_audit_record(object.clone())).collect();
    assert_eq!(verify_chain(&records), Ok(()));
    assert_eq!(history.head.as_ref(), records.last().map(|record| &record.hash));
    records.into_iter().map(|record| record.to).collect()
}

/// Settings under which objects of a kind are stored whatever they look like, as those of another version may.
pub(crate) fn lenient(plural: &str) -> Settings {
    let mut settings = Settings::default();
    let name = format!("{plural}.phaseloop.dev");
    let definition = settings.definitions.iter_mut().find(|definition| definition["metadata"]["name"] == name.as_str());
    definition.unwrap()["spec"]["versions"][0]["schema"] =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    settings
}
