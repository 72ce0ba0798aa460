//! What a saboteur can do: read, copy, forge, and write under the operator's name or a person's.

use jiff::{SignedDuration, Timestamp};
use phaseloop::{
    api::audit::{TransitionHistory, TransitionRecord},
    simulation::api_server::{Actor, ApiServer},
};
use phaseloop_core::{
    audit::{AuditRecord, AuditedObject, Transition},
    value::Uid,
};
use serde_json::{Value, json};

/// The namespace of the story.
const NAMESPACE: &str = "chat";
/// The person of the story.
const PERSON: &str = "anna";

/// Runs of a PHASE.
pub(crate) const RUN: (&str, &str) = ("phaseloop.dev/v1alpha1", "PhaseRun");
/// Escalations.
pub(crate) const ESCALATION: (&str, &str) = ("phaseloop.dev/v1alpha1", "Escalation");
/// Canaries.
pub(crate) const CANARY: (&str, &str) = ("phaseloop.dev/v1alpha1", "TuningCanary");
/// Promotions.
pub(crate) const PROMOTION: (&str, &str) = ("phaseloop.dev/v1alpha1", "Promotion");
/// Deployments.
pub(crate) const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
/// Pods.
pub(crate) const POD: (&str, &str) = ("v1", "Pod");

/// NetworkPolicies.
pub(crate) const NETWORK_POLICY: (&str, &str) = ("networking.k8s.io/v1", "NetworkPolicy");

/// The hand of a saboteur at its moment.
pub(crate) struct Hand {
    server: ApiServer,
    operator: Actor,
    /// The name of the object that the operator's request is about; empty where it makes one.
    pub(crate) name: String,
}

impl Hand {
    pub(crate) fn new(server: &ApiServer, operator: &str, name: &str) -> Self {
        Self { server: server.clone(), operator: server.actor(operator), name: name.to_owned() }
    }

    /// The object of a kind that the operator's request is about.
    pub(crate) fn subject(&self, kind: (&str, &str)) -> Value {
        self.operator.get(kind, NAMESPACE, &self.name).unwrap().value.clone()
    }

    /// The objects of a kind, by name.
    pub(crate) fn all(&self, kind: (&str, &str)) -> Vec<Value> {
        self.operator.list(kind, Some(NAMESPACE)).iter().map(|object| object.value.clone()).collect()
    }

    /// The pod of the canary that is being tested.
    pub(crate) fn canary_pod(&self) -> Option<Value> {
        self.all(POD).into_iter().find(is_of_canary)
    }

    /// The present.
    pub(crate) fn now(&self) -> Timestamp {
        self.server.writes().last().unwrap().at
    }

    /// Makes an object, as the operator.
    pub(crate) fn make(&self, object: &Value) -> Value {
        self.operator.create(object).unwrap_or_else(|error| panic!("{error:?} of {object:#}")).value.clone()
    }

    /// Takes an object away, as the operator.
    pub(crate) fn take_away(&self, kind: (&str, &str), name: &str) {
        self.operator.delete(kind, NAMESPACE, name, None).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Merges fields into an object, as the operator.
    pub(crate) fn merge(&self, kind: (&str, &str), name: &str, fields: Value) {
        self.operator.merge(kind, NAMESPACE, name, "", fields).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Merges fields into an object, as the person of the story.
    pub(crate) fn merge_as_person(&self, kind: (&str, &str), name: &str, fields: Value) {
        let person = self.server.actor(PERSON);
        person.merge(kind, NAMESPACE, name, "", fields).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Merges fields into the status of an object, as the operator.
    pub(crate) fn tell(&self, kind: (&str, &str), name: &str, status: &Value) {
        let fields = json!({ "status": status });
        self.operator.merge(kind, NAMESPACE, name, "status", fields).unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Moves an object to a phase, with a sound record of it, and more that its status is to say.
    pub(crate) fn move_to(&self, kind: (&str, &str), name: &str, phase: &str, mut status: Value) {
        let object = self.operator.get(kind, NAMESPACE, name).unwrap().value.clone();
        let mut records = records(kind, &object);
        let transition = Transition {
            at: self.now(),
            object: audited(kind, &object),
            cycle: None,
            from: records.last().map(|last| last.to.clone()),
            to: phase.to_owned(),
            reason: "Planted".to_owned(),
            message: "a saboteur wrote it".to_owned(),
            evidence: Vec::new(),
        };
        phaseloop_core::audit::append(&mut records, transition);
        let records: Vec<TransitionRecord> = records.into_iter().map(TransitionRecord::from).collect();
        status["phase"] = phase.into();
        status["history"] = json!({ "head": records.last().unwrap().hash, "records": records });
        self.tell(kind, name, &status);
    }

    /// The canary of the greatest attempt of the latest night.
    pub(crate) fn last_canary(&self) -> Value {
        let order = |canary: &Value| (canary["spec"]["night"].to_string(), canary["spec"]["attempt"].as_i64());
        self.all(CANARY).into_iter().max_by_key(order).unwrap()
    }

    /// Makes the canary that would come next in its night and tuning run, with another spec where `change` changes it.
    pub(crate) fn make_next_canary(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut canary = copy(&self.last_canary());
        let spec = &mut canary["spec"];
        spec["attempt"] = (spec["attempt"].as_i64().unwrap() + 1).into();
        spec["notAfter"] = (self.now() + SignedDuration::from_mins(10)).to_string().into();
        spec["consumes"] = json!([]);
        change(spec);
        let name = canary["metadata"]["name"].as_str().unwrap();
        let begin = name.rsplitn(3, '-').last().unwrap();
        let night = canary["spec"]["night"].as_str().unwrap().replace('-', "");
        canary["metadata"]["name"] = format!("{begin}-{night}-{}", canary["spec"]["attempt"]).into();
        self.make(&canary)
    }

    /// Makes a pod like the last one of a canary, which no node is fit for, with another owner and name where `change`
    /// changes it, and a NetworkPolicy for it: whatever the bug is, it is not that there is none.
    pub(crate) fn make_pod_like_the_last(&self, change: impl FnOnce(&mut Value)) -> Value {
        let changes = self.server.changes_after(0);
        let last =
            changes.iter().rev().find(|change| &*change.resource == "pods" && is_of_canary(&change.object.value));
        let mut pod = copy(&last.unwrap().object.value);
        let name = pod["metadata"]["name"].as_str().unwrap();
        pod["metadata"]["name"] = format!("{name}-again").into();
        pod["spec"]["nodeSelector"] = json!({ "planted": "nowhere" });
        pod["spec"].as_object_mut().unwrap().remove("nodeName");
        change(&mut pod);
        let mut policy = copy(&self.all(NETWORK_POLICY)[0]);
        // It belongs to somebody, whoever the pod belongs to.
        let owners = policy["metadata"]["ownerReferences"].take();
        policy["metadata"] = pod["metadata"].clone();
        policy["metadata"]["ownerReferences"] = owners;
        policy["spec"]["podSelector"] = json!({ "matchLabels": pod["metadata"]["labels"] });
        self.make(&policy);
        self.make(&pod)
    }
}

fn is_of_canary(pod: &Value) -> bool {
    text(pod, "/metadata/ownerReferences/0/kind") == "TuningCanary"
}

/// An object as it would be made again.
pub(crate) fn copy(object: &Value) -> Value {
    let mut copy = object.clone();
    copy.as_object_mut().unwrap().remove("status");
    let meta = copy["metadata"].as_object_mut().unwrap();
    meta.retain(|key, _| ["name", "namespace", "labels", "annotations", "ownerReferences"].contains(&key.as_str()));
    copy
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn audited(kind: (&str, &str), object: &Value) -> AuditedObject {
    AuditedObject {
        kind: kind.1.to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        uid: Uid::new(text(object, "/metadata/uid")),
    }
}

fn records(kind: (&str, &str), object: &Value) -> Vec<AuditRecord> {
    let history: TransitionHistory = serde_json::from_value(object["status"]["history"].clone()).unwrap();
    history.records.iter().map(|record| record.to_audit_record(audited(kind, object))).collect()
}
