//! An Escalation with its namespace, looked at again and again: what plans ask for happens, as the driver would carry it
//! out.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Time};
use kube::{Resource, ResourceExt};
use phaseloop_core::plan::{Plan, check_plan, label::ANNOTATION_SPEC_DIGEST};
use serde_json::{Value, json};

use crate::{
    api::{
        Escalation, EscalationStatus, PhaseRun, PhaseSchedule, Promotion, TuningCanary,
        condition::{Condition, ConditionStatus, ConditionType},
        escalation::status::{EscalationState, FlagState, FlagStatus, GateName, GateStatus, TuningOutcome},
    },
    cluster::Effect,
    controllers::{
        Kind, ObservedLending, ObservedPolicy, ObservedTarget, OperatorSettings, Report,
        escalation::{Escalations, ObservedEscalation, ValidEscalation},
        kind::audited,
        phase_run::fixture::run_named,
        report::seal,
        tuning_canary::fixture::{at, changed, escalation, target, workload},
    },
    delivery::{borrow::LenderSurroundings, fixture::applied},
    workload::ClaimFacts,
};

/// When the Escalation is first looked at: a minute after the third bad night was judged.
pub(super) const START: &str = "2026-03-04T03:21:00Z";

/// The namespace of one Escalation.
#[derive(Clone)]
pub(super) struct World {
    pub(super) around: Around,
    pub(super) now: Timestamp,
    /// Events: type, reason, note.
    pub(super) told: Vec<(String, String, String)>,
    /// Names of the objects whose records were exported.
    pub(super) exported: Vec<String>,
}

/// A nightly schedule of one serving domain, `chat`.
pub(super) fn schedule() -> PhaseSchedule {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "PhaseSchedule",
        "metadata": {
            "name": "nightly", "namespace": "chat", "uid": "uid-nightly", "creationTimestamp": "2026-02-01T00:00:00Z",
        },
        "spec": { "run": {
            "targetRef": { "kind": "Deployment", "name": "llama" },
            "domains": [{ "name": "chat", "serving": { "workload": workload() } }],
        } },
    }))
    .unwrap()
}

/// What the target ran on and with in its runs and canaries.
pub(super) fn environment() -> Value {
    json!({
        "image": "vllm/vllm-openai:v0.33.0", "imageDigest": "sha256:abc", "engineVersion": "vllm 0.33.0", "model": "m",
        "gpuProduct": "NVIDIA L40S", "gpuCount": 1, "driverVersion": "570",
        "configuration": { "gpu-memory-utilization": "0.92", "max-num-seqs": "32" },
        "templateHash": target().template_hash(), "templateHashAtEnd": target().template_hash(),
    })
}

/// The run of a night of March, judged at 03:20: its engine ran out of memory under load.
pub(super) fn night(day: u32) -> PhaseRun {
    changed(&run_named(&format!("n{day}")), |run| {
        let date = format!("2026-03-{day:02}");
        run["metadata"]["creationTimestamp"] = json!(format!("{date}T03:00:00Z"));
        run["spec"]["domains"] =
            json!([{ "name": "chat", "serving": { "workload": workload(), "slo": { "e2e": "2s" } } }]);
        run["status"] = json!({
            "phase": "Completed", "verdict": "Degraded", "environment": environment(),
            "startedAt": format!("{date}T03:00:00Z"), "completedAt": format!("{date}T03:20:00Z"),
            "domains": [{
                "name": "chat", "valid": true, "workloadHash": "load", "measured": {
                    "source": "Serving", "weight": 1.0, "requests": { "offered": 200, "completed": 190, "failed": 10 },
                },
            }],
            "symptoms": [{
                "kind": "vllm_oom", "domain": "chat", "severity": "critical", "metric": "oomEvents", "current": 2.0,
                "baseline": 0.0, "diagnosis": "MemoryOvercommitted",
            }],
        });
    })
}

/// A canary passed with so many of 200 requests within the limits.
pub(super) fn passed(within: u32) -> impl FnOnce(&mut Value) {
    move |status| {
        status["requests"]["withinLimits"] = json!(within);
        status["fitness"] = json!(f64::from(within) / 200.0);
    }
}

/// A canary's engine ran out of memory.
pub(super) fn out_of_memory(status: &mut Value) {
    status["verdict"] = json!("Failed");
    status["reasons"] = json!(["OutOfMemory"]);
    status["failure"] = json!({ "class": "OutOfMemory", "message": "CUDA out of memory" });
    status["fitness"] = Value::Null;
}

/// The cluster was at fault.
pub(super) fn infrastructure(status: &mut Value) {
    status["verdict"] = json!("Inconclusive");
    status["reasons"] = json!(["NoSpareGPU"]);
    status["failure"] = json!({ "class": "Infrastructure", "message": "no node has a GPU to spare" });
    status["fitness"] = Value::Null;
}

/// The evidence was not enough.
pub(super) fn inconclusive(status: &mut Value) {
    status["verdict"] = json!("Inconclusive");
    status["reasons"] = json!(["TooFewSamples"]);
    status["fitness"] = Value::Null;
}

/// Somebody ended it.
pub(super) fn aborted(status: &mut Value) {
    status["verdict"] = json!("Aborted");
    status["reasons"] = json!(["Aborted", "EndedFromOutside"]);
    status["messages"] = json!(["spec.abort was set"]);
    status["fitness"] = Value::Null;
}

/// What there is around an Escalation, to be changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Around {
    pub(super) object: Escalation,
    /// Other Escalations.
    pub(super) escalations: Vec<Escalation>,
    pub(super) schedules: Vec<PhaseSchedule>,
    pub(super) runs: Vec<PhaseRun>,
    pub(super) canaries: Vec<TuningCanary>,
    pub(super) promotions: Vec<Promotion>,
    pub(super) target: Option<ObservedTarget>,
    pub(super) claims: BTreeMap<String, ClaimFacts>,
    pub(super) config_maps: BTreeMap<String, ConfigMap>,
    pub(super) policy: ObservedPolicy,
    /// What lies around the target as a lender.
    pub(super) surroundings: LenderSurroundings,
}

impl Around {
    /// As the Escalation reads it.
    fn observed(&self) -> ObservedEscalation {
        let Self { object, escalations, schedules, runs, canaries, promotions, .. } = self.clone();
        let escalations = escalations.into_iter().chain([object.clone()]);
        ObservedEscalation {
            object,
            escalations: escalations.map(Arc::new).collect(),
            schedules: schedules.into_iter().map(Arc::new).collect(),
            runs: runs.into_iter().map(Arc::new).collect(),
            canaries: canaries.into_iter().map(Arc::new).collect(),
            promotions: promotions.into_iter().map(Arc::new).collect(),
            target: self.target.clone(),
            claims: self.claims.clone(),
            config_maps: self.config_maps.clone(),
            policy: self.policy.clone(),
            lending: super::super::super::borrow::lender_wanted(&self.object)
                .map(|_| ObservedLending { target: self.target.clone(), surroundings: self.surroundings.clone() }),
        }
    }
}

impl World {
    /// Three bad nights, every gate open, four values to try.
    pub(super) fn new() -> Self {
        let mut world = Self {
            around: Around {
                object: escalation(),
                escalations: Vec::new(),
                schedules: vec![schedule()],
                runs: (2..=4).map(night).collect(),
                canaries: Vec::new(),
                promotions: Vec::new(),
                target: Some(target()),
                claims: BTreeMap::new(),
                config_maps: BTreeMap::new(),
                policy: ObservedPolicy::Absent,
                surroundings: LenderSurroundings::default(),
            },
            now: at(START),
            told: Vec::new(),
            exported: Vec::new(),
        };
        world.spec(|spec| {
            spec["parameters"] = json!([{ "name": "gpu-memory-utilization", "values": [0.70, 0.72, 0.75, 0.77] }]);
        });
        world
    }

    /// Changes the Escalation's spec.
    pub(super) fn spec(&mut self, change: impl FnOnce(&mut Value)) {
        self.around.object = changed(&self.around.object, |object| change(&mut object["spec"]));
    }

    /// Changes the Escalation's status as it is stored.
    pub(super) fn stored(&mut self, change: impl FnOnce(&mut Value)) {
        self.around.object = changed(&self.around.object, |object| change(&mut object["status"]));
    }

    /// Changes the target.
    pub(super) fn change_target(&mut self, change: impl FnOnce(&mut Value)) {
        let Some(ObservedTarget::Deployment(deployment)) = &self.around.target else { panic!("no Deployment") };
        self.around.target = Some(ObservedTarget::Deployment(Box::new(changed(deployment.as_ref(), change))));
    }

    pub(super) fn valid(&self) -> ValidEscalation {
        let observed = self.around.observed();
        Escalations::validate(observed, &OperatorSettings::for_image("phaseloop:1"))
    }

    /// What is decided now. Deciding again on the same objects gives the same plan: nothing is remembered elsewhere.
    pub(super) fn plan(&self) -> Plan<Report<EscalationStatus>> {
        self.plan_of(&self.valid())
    }

    fn plan_of(&self, valid: &ValidEscalation) -> Plan<Report<EscalationStatus>> {
        let plan = super::decide(valid, self.now);
        assert_eq!(check_plan(&plan), []);
        assert_eq!(super::decide(valid, self.now), plan);
        plan
    }

    /// Decides and carries out.
    pub(super) fn look(&mut self) -> Plan<Report<EscalationStatus>> {
        self.look_up_to(usize::MAX).0
    }

    /// Decides and carries out no more than so many writes, as an operator does that dies then. Says whether all was
    /// done.
    pub(super) fn look_up_to(&mut self, writes: usize) -> (Plan<Report<EscalationStatus>>, bool) {
        let valid = self.valid();
        let plan = self.plan_of(&valid);
        let mut left = writes;
        let mut may_write = || {
            let may = left > 0;
            left = left.saturating_sub(1);
            may
        };
        if let Some(remember) = &plan.remember {
            if !may_write() {
                return (plan, false);
            }
            self.report(remember);
        }
        for intent in &plan.intents {
            for effect in Escalations::build(&valid, intent, self.now) {
                if !may_write() {
                    return (plan, false);
                }
                self.carry_out(effect);
            }
        }
        if !may_write() {
            return (plan, false);
        }
        self.report(&plan.report);
        (plan, true)
    }

    /// Decides and carries out until nothing is new. Ten looks are more than any state takes.
    pub(super) fn settle(&mut self) -> Plan<Report<EscalationStatus>> {
        for _ in 0..10 {
            let before = self.around.clone();
            let plan = self.look();
            if before == self.around {
                return plan;
            }
        }
        panic!("the Escalation never comes to rest");
    }

    pub(super) fn report(&mut self, report: &Report<EscalationStatus>) {
        let object = &self.around.object;
        let sealed = seal(report, object.status.as_ref(), Some(1), audited::<Escalations>(object), self.now);
        // As the API server stores it.
        self.around.object.status = Some(serde_json::from_value(serde_json::to_value(sealed).unwrap()).unwrap());
    }

    fn carry_out(&mut self, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::CreateCanary(canary) => make(&mut self.around.canaries, *canary, now),
            Effect::CreatePromotion(promotion) => make(&mut self.around.promotions, *promotion, now),
            Effect::DeleteOwn(object) => {
                self.around.canaries.retain(|canary| canary.uid().as_deref() != Some(object.uid.as_str()));
            }
            Effect::ExportAudit(records) => self.exported.extend(records.into_iter().map(|record| record.object.name)),
            Effect::RecordEvent(event) => {
                let told = [event.type_, event.reason, event.note].map(Option::unwrap_or_default);
                let [type_, reason, note] = told;
                self.told.push((type_, reason, note));
            }
            Effect::PatchTarget { patch, .. } => self.change_target(|target| {
                *target = applied(target, &patch).expect("the patch does not land");
                let version: u64 = target["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
                target["metadata"]["resourceVersion"] = json!((version + 1).to_string());
            }),
            Effect::SetFinalizers { finalizers, .. } => self.around.object.metadata.finalizers = Some(finalizers),
            other => panic!("an Escalation never asks for {}", other.name()),
        }
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// The canary that was made last.
    pub(super) fn newest(&self) -> &TuningCanary {
        self.around.canaries.last().unwrap()
    }

    /// The canary that was made last is judged, and was given back, a minute later.
    pub(super) fn finish(&mut self, change: impl FnOnce(&mut Value)) {
        self.finish_after(60, change);
    }

    /// The same so many seconds later.
    pub(super) fn finish_after(&mut self, seconds: i64, change: impl FnOnce(&mut Value)) {
        self.pass(seconds);
        let now = self.now;
        let canary = self.around.canaries.last_mut().unwrap();
        let mut status = json!({
            "phase": "Done", "verdict": "Passed", "begunAt": now - SignedDuration::from_secs(seconds), "releasedAt": now,
            "used": { "measure": "8s", "hold": "60s", "proven": true },
            "requests": { "offered": 200, "completed": 200, "failed": 0, "withinLimits": 100 }, "fitness": 0.5,
            "effective": environment(),
        });
        change(&mut status);
        *canary = changed(canary, |canary| canary["status"] = status);
    }

    /// Makes the next canary, which then comes to this; and looks until nothing is new.
    pub(super) fn step(&mut self, change: impl FnOnce(&mut Value)) {
        self.settle();
        self.finish(change);
        self.settle();
    }

    /// The canary that was made last comes to this; and looks until nothing is new.
    pub(super) fn step_on(&mut self, change: impl FnOnce(&mut Value)) {
        self.finish(change);
        self.settle();
    }

    pub(super) fn status(&self) -> &EscalationStatus {
        self.around.object.status.as_ref().unwrap()
    }

    pub(super) fn state(&self) -> EscalationState {
        self.status().state.unwrap()
    }

    pub(super) fn condition(&self, type_: &ConditionType) -> Option<&Condition> {
        self.status().conditions.iter().find(|condition| condition.type_ == *type_)
    }

    /// Status, reason and message of `Ready`.
    pub(super) fn ready(&self) -> (ConditionStatus, &str, &str) {
        let ready = self.condition(&ConditionType::Ready).unwrap();
        (ready.status, ready.reason.as_str(), ready.message.as_str())
    }

    pub(super) fn reason(&self) -> &str {
        self.ready().1
    }

    pub(super) fn gate(&self, name: GateName) -> &GateStatus {
        self.status().gates.iter().find(|gate| gate.name == name).unwrap()
    }

    /// The flag of memory.
    pub(super) fn flag(&self) -> &FlagStatus {
        self.status().flags.iter().find(|flag| flag.symptom.name() == "vllm_oom").unwrap()
    }

    pub(super) fn flag_state(&self) -> FlagState {
        self.flag().state
    }

    pub(super) fn outcome(&self) -> &TuningOutcome {
        self.status().last_tuning.as_ref().unwrap()
    }

    /// What each canary tries, in order: `incumbent`, or the share of memory.
    pub(super) fn tried(&self) -> Vec<String> {
        let tries = |canary: &TuningCanary| {
            let values: Vec<String> = canary.spec.parameters.values().map(ToString::to_string).collect();
            if values.is_empty() { "incumbent".to_owned() } else { values.join(",") }
        };
        self.around.canaries.iter().map(tries).collect()
    }

    /// Reasons of the events, in order.
    pub(super) fn told_reasons(&self) -> Vec<&str> {
        self.told.iter().map(|(_, reason, _)| reason.as_str()).collect()
    }
}

/// Makes an object as the API server does. One that is there already is found, where it is the same; no name is ever
/// asked for twice otherwise.
fn make<K: Resource<DynamicType = ()>>(objects: &mut Vec<K>, mut object: K, now: Timestamp) {
    let name = object.name_any();
    let digest = |object: &K| object.annotations().get(ANNOTATION_SPEC_DIGEST).cloned();
    if let Some(there) = objects.iter().find(|there| there.name_any() == name) {
        assert_eq!(digest(there), digest(&object), "{name} is taken");
        return;
    }
    let meta = object.meta_mut();
    meta.uid = Some(format!("uid-{name}"));
    meta.resource_version = Some("1".to_owned());
    meta.creation_timestamp = Some(Time(now));
    objects.push(object);
}

/// Another Escalation of the same target.
pub(super) fn another_escalation(name: &str, created_at: &str) -> Escalation {
    changed(&escalation(), |object| {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["uid"] = json!(format!("uid-{name}"));
        object["metadata"]["creationTimestamp"] = json!(created_at);
    })
}

/// A promotion of the target from another cycle.
pub(super) fn earlier_promotion(status: &Value) -> Promotion {
    let promotion = crate::controllers::phase_run::fixture::promotion(status.clone());
    changed(&promotion, |promotion| promotion["metadata"]["creationTimestamp"] = json!("2026-03-03T03:40:00Z"))
}

/// A canary of another tuning run of this target, of the night before; it is done.
pub(super) fn earlier_canary(change: impl FnOnce(&mut Value)) -> TuningCanary {
    use crate::controllers::tuning_canary::fixture::{canary, done};
    let canary = done(&canary(0, &json!({})), |_| ());
    changed(&canary, |canary| {
        canary["metadata"]["name"] = json!("earlier");
        canary["metadata"]["uid"] = json!("uid-earlier");
        canary["metadata"]["creationTimestamp"] = json!("2026-03-03T03:30:00Z");
        canary["spec"]["cycle"] = json!("earlier");
        canary["spec"]["night"] = json!("2026-03-03");
        canary["spec"]["consumes"] = json!([]);
        canary["status"]["releasedAt"] = json!("2026-03-03T03:31:00Z");
        change(canary);
    })
}
