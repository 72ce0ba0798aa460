//! A promotion with its namespace, looked at again and again: what plans ask for happens, as the driver would carry it
//! out, and an API server of few words applies patches as the real one does.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_patch::{Patch, PatchOperation};
use kube::ResourceExt;
use phaseloop_core::plan::{Plan, check_plan};
use serde_json::{Value, json};

use crate::{
    api::{
        PhaseRun, Promotion, PromotionStatus,
        condition::{Condition, ConditionStatus, ConditionType},
        escalation::{Approval, Delivery},
        promotion::{Decision, status::PromotionPhase},
    },
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::{
        Kind, ObservedTarget, OperatorSettings, Report,
        kind::audited,
        phase_run::fixture::run_named,
        promotion::{ObservedPromotion, ObservedWorld, Promotions, ValidPromotion, observe::has_ended},
        report::seal,
        tuning_canary::fixture::{at, canary, changed, done, escalation},
    },
};

/// When the promotion is first looked at: a minute after it was made, with the window open.
pub(super) const START: &str = "2026-03-04T03:27:00Z";
/// By when a run must have validated it.
pub(super) const VALIDATE_BY: &str = "2026-03-06T09:26:00Z";
/// From then on a rollout that takes all its time would end too late.
pub(super) const APPLY_BY: &str = "2026-03-06T08:56:00Z";

/// What becomes of the next writes to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// They are carried out.
    Given,
    /// They are refused for good: a rule of the cluster, a missing right.
    Refused(ClusterErrorKind),
    /// They never arrive.
    Lost,
    /// They are carried out, and nobody learns of it.
    Unanswered,
}

/// The namespace of one promotion.
#[derive(Clone)]
pub(super) struct World {
    pub(super) object: Promotion,
    /// Whether the API server has let it go.
    pub(super) is_gone: bool,
    pub(super) around: ObservedWorld,
    /// Whether the admission policy that guards approvals is in force.
    pub(super) guarded: bool,
    pub(super) now: Timestamp,
    pub(super) answer: Answer,
    /// Events: type, reason, note.
    pub(super) told: Vec<(String, String, String)>,
    /// Where the exported records led to.
    pub(super) exported: Vec<String>,
    /// Generations of the target, each with the values that it brought.
    pub(super) written: Vec<String>,
}

/// A Deployment of one vLLM on two replicas, rolled out and settled.
pub(super) fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "llama", "namespace": "chat", "uid": "uid-llama", "resourceVersion": "30", "generation": 7,
        },
        "spec": {
            "replicas": 2, "selector": {}, "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } },
            "template": { "spec": { "containers": [{
                "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
                "args": ["m", "--gpu-memory-utilization=0.92", "--max-num-seqs", "32"],
                "resources": { "limits": { "nvidia.com/gpu": "1" } },
            }] } },
        },
        "status": { "observedGeneration": 7, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2 },
    })
}

fn observed(deployment: &Value) -> ObservedTarget {
    ObservedTarget::Deployment(Box::new(serde_json::from_value(deployment.clone()).unwrap()))
}

/// The promotion of 0.75 instead of 0.92, as its Escalation made it.
fn promotion(template_hash: &str, winner: &str) -> Promotion {
    serde_json::from_value(json!({
        "apiVersion": "phaseloop.dev/v1alpha1", "kind": "Promotion",
        "metadata": {
            "name": "llama-x", "namespace": "chat", "uid": "uid-x", "generation": 1, "resourceVersion": "50",
            "creationTimestamp": "2026-03-04T03:26:00Z", "finalizers": ["phaseloop.dev/cleanup"],
        },
        "spec": {
            "escalationName": "llama", "cycle": "n4-c", "symptom": "vllm_oom",
            "domains": [{ "name": "chat", "workloadHash": "load" }],
            "targetRef": { "kind": "Deployment", "name": "llama" }, "targetUID": "uid-llama",
            "templateHash": template_hash, "parameters": { "gpu-memory-utilization": "0.75" },
            "previous": [{
                "name": "gpu-memory-utilization", "address": "containers[vllm].args[--gpu-memory-utilization]",
                "value": "0.92", "promoted": "0.75",
            }],
            "canaryName": winner, "fitness": { "met": 190, "offered": 200 }, "validateBy": VALIDATE_BY,
        },
    }))
    .unwrap()
}

impl World {
    /// A promotion that waits for a person; everything else is ready.
    pub(super) fn new() -> Self {
        let target = observed(&deployment());
        let winner = canary(1, &json!({ "gpu-memory-utilization": "0.75" }));
        let winner = changed(&done(&winner, |_| ()), |canary| {
            canary["spec"]["templateHash"] = json!(target.template_hash());
        });
        Self {
            object: promotion(&target.template_hash(), &winner.name_any()),
            is_gone: false,
            around: ObservedWorld {
                target: Some(target),
                canary: Some(winner),
                escalation: Some(escalation()),
                ..ObservedWorld::default()
            },
            guarded: true,
            now: at(START),
            answer: Answer::Given,
            told: Vec::new(),
            exported: Vec::new(),
            written: Vec::new(),
        }
    }

    /// The same, which needs nobody's approval.
    pub(super) fn automatic() -> Self {
        let mut world = Self::new();
        world.spec(|spec| spec["approval"] = json!({ "mode": "Automatic" }));
        world
    }

    /// The same, whose value is in the target; its rollout has not finished.
    pub(super) fn applied() -> Self {
        let mut world = Self::automatic();
        world.settle();
        assert_eq!((world.phase(), world.reason()), (PromotionPhase::Applying, "RollingOut"));
        world
    }

    /// The same, rolled out; it waits for the run that decides.
    pub(super) fn rolled_out() -> Self {
        let mut world = Self::applied();
        world.pass(120);
        world.roll_out();
        world.settle();
        assert_eq!((world.phase(), world.reason()), (PromotionPhase::Applied, "AwaitingValidation"));
        world
    }

    pub(super) fn spec(&mut self, change: impl FnOnce(&mut Value)) {
        self.object = changed(&self.object, |object| change(&mut object["spec"]));
    }

    pub(super) fn metadata(&mut self, change: impl FnOnce(&mut Value)) {
        self.object = changed(&self.object, |object| change(&mut object["metadata"]));
    }

    /// A person decides.
    pub(super) fn decide(&mut self, decision: &str, by: Option<&str>) {
        self.spec(|spec| {
            spec["decision"] = json!(decision);
            spec["approvedBy"] = json!(by);
        });
    }

    /// A person deletes it.
    pub(super) fn delete(&mut self) {
        let now = self.now;
        self.metadata(|metadata| metadata["deletionTimestamp"] = json!(now));
    }

    /// The target as the API server holds it.
    pub(super) fn target(&self) -> Value {
        match &self.around.target {
            Some(ObservedTarget::Deployment(target)) => serde_json::to_value(target).unwrap(),
            Some(ObservedTarget::StatefulSet(target)) => serde_json::to_value(target).unwrap(),
            None => Value::Null,
        }
    }

    /// The arguments of the target's engine.
    pub(super) fn arguments(&self) -> Vec<String> {
        serde_json::from_value(self.target()["spec"]["template"]["spec"]["containers"][0]["args"].clone()).unwrap()
    }

    /// Somebody else writes to the target.
    pub(super) fn change_target(&mut self, change: impl FnOnce(&mut Value)) {
        let mut target = self.target();
        change(&mut target);
        self.store(target);
    }

    /// The API server's part of a write.
    fn store(&mut self, mut target: Value) {
        let before = self.target();
        if target == before {
            return;
        }
        if target["spec"] != before["spec"] {
            target["metadata"]["generation"] = json!(before["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        let version: i64 = before["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        target["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        self.around.target = Some(observed(&target));
    }

    /// The Deployment's controller has replaced every pod.
    pub(super) fn roll_out(&mut self) {
        self.change_target(|target| {
            let (generation, replicas) = (target["metadata"]["generation"].clone(), target["spec"]["replicas"].clone());
            target["status"] = json!({
                "observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas,
                "readyReplicas": replicas,
            });
        });
    }

    pub(super) fn valid(&self) -> ValidPromotion {
        let spec = &self.object.spec;
        let asked = spec.approval.mode == Approval::Manual
            && spec.delivery == Delivery::Patch
            && spec.decision == Decision::Pending
            && self.object.status.is_some();
        let around = ObservedWorld { approval_guarded: asked.then_some(self.guarded), ..self.around.clone() };
        let world = (!has_ended(&self.object)).then_some(around);
        let observed = ObservedPromotion { object: self.object.clone(), world };
        Promotions::validate(observed, &OperatorSettings::for_image("phaseloop:1"))
    }

    /// What is decided now. Deciding again on the same objects gives the same plan: nothing is remembered elsewhere.
    pub(super) fn plan(&self) -> Plan<Report<PromotionStatus>> {
        let valid = self.valid();
        let plan = super::decide(&valid, self.now);
        assert_eq!(check_plan(&plan), []);
        assert_eq!(super::decide(&valid, self.now), plan);
        plan
    }

    /// Its first report, before which nothing is written.
    pub(super) fn settle_status(&mut self) {
        self.look();
        assert!(self.object.status.is_some());
    }

    /// Decides and carries out.
    pub(super) fn look(&mut self) -> Plan<Report<PromotionStatus>> {
        self.look_up_to(usize::MAX).0
    }

    /// Decides and carries out no more than so many writes, as an operator does that dies then. Says whether all was
    /// done.
    pub(super) fn look_up_to(&mut self, writes: usize) -> (Plan<Report<PromotionStatus>>, bool) {
        let (plan, valid) = (self.plan(), self.valid());
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
            for effect in Promotions::build(&valid, intent, self.now) {
                if !may_write() {
                    return (plan, false);
                }
                if let Err(error) = self.carry_out(&effect) {
                    if let Some(told) = Promotions::decide_refused(&valid, &effect, &error, self.now) {
                        self.report(&told.report);
                    }
                    return (plan, true);
                }
            }
        }
        if self.is_gone {
            return (plan, true);
        }
        if !may_write() {
            return (plan, false);
        }
        self.report(&plan.report);
        (plan, true)
    }

    /// Decides and carries out until nothing is new. Ten looks are more than any state takes.
    pub(super) fn settle(&mut self) -> Plan<Report<PromotionStatus>> {
        for _ in 0..10 {
            let before = (self.object.clone(), self.around.clone(), self.is_gone);
            let plan = self.look();
            if self.is_gone || before == (self.object.clone(), self.around.clone(), self.is_gone) {
                return plan;
            }
        }
        panic!("the promotion never comes to rest");
    }

    pub(super) fn report(&mut self, report: &Report<PromotionStatus>) {
        let generation = self.object.metadata.generation;
        let before = self.object.status.as_ref();
        let sealed = seal(report, before, generation, audited::<Promotions>(&self.object), self.now);
        // As the API server stores it.
        self.object.status = Some(serde_json::from_value(serde_json::to_value(sealed).unwrap()).unwrap());
    }

    fn carry_out(&mut self, effect: &Effect) -> Result<(), ClusterError> {
        match effect {
            Effect::PatchTarget { target, patch } => {
                if target.kind == "ConfigMap" {
                    return self.patch_config_map(patch);
                }
                assert_eq!(target.name, "llama");
                self.patch_target(patch)
            }
            Effect::SetFinalizers { object, resource_version, finalizers } => {
                assert_eq!((object.name.as_str(), resource_version.as_str()), ("llama-x", "50"));
                self.object.metadata.finalizers = Some(finalizers.clone());
                self.is_gone = finalizers.is_empty() && self.object.metadata.deletion_timestamp.is_some();
                Ok(())
            }
            Effect::ExportAudit(records) => {
                self.exported.extend(records.iter().map(|record| record.to.clone()));
                Ok(())
            }
            Effect::RecordEvent(event) => {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                self.told.push((text(&event.type_), text(&event.reason), text(&event.note)));
                Ok(())
            }
            other => panic!("a promotion never asks for {}", other.name()),
        }
    }

    fn patch_target(&mut self, patch: &Patch) -> Result<(), ClusterError> {
        let error = |kind| ClusterError::without_source("patch", "Deployment chat/llama", kind);
        match self.answer {
            Answer::Refused(kind) => return Err(error(kind)),
            Answer::Lost => return Err(error(ClusterErrorKind::NoAnswer)),
            Answer::Given | Answer::Unanswered => {}
        }
        let Some(target) = applied(&self.target(), patch) else { return Err(error(ClusterErrorKind::Conflict)) };
        self.store(target);
        let values = self.arguments().join(" ");
        self.written.push(values);
        if self.answer == Answer::Unanswered { Err(error(ClusterErrorKind::NoAnswer)) } else { Ok(()) }
    }

    fn patch_config_map(&mut self, patch: &Patch) -> Result<(), ClusterError> {
        let error = |kind| ClusterError::without_source("patch", "ConfigMap chat/engine", kind);
        match self.answer {
            Answer::Refused(kind) => return Err(error(kind)),
            Answer::Lost => return Err(error(ClusterErrorKind::NoAnswer)),
            Answer::Given | Answer::Unanswered => {}
        }
        let Some(map) = applied(&self.config_map(), patch) else { return Err(error(ClusterErrorKind::Conflict)) };
        self.store_config_map(map);
        self.written.push(format!("engine: {}", self.config_map()["data"]));
        if self.answer == Answer::Unanswered { Err(error(ClusterErrorKind::NoAnswer)) } else { Ok(()) }
    }

    /// The ConfigMap as the API server holds it.
    pub(super) fn config_map(&self) -> Value {
        serde_json::to_value(&self.around.config_map).unwrap()
    }

    /// Somebody else writes to the ConfigMap.
    pub(super) fn change_config_map(&mut self, change: impl FnOnce(&mut Value)) {
        let mut map = self.config_map();
        change(&mut map);
        self.store_config_map(map);
    }

    fn store_config_map(&mut self, mut map: Value) {
        let version: i64 = map["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        map["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        self.around.config_map = serde_json::from_value(map).unwrap();
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(super) fn status(&self) -> &PromotionStatus {
        self.object.status.as_ref().unwrap()
    }

    pub(super) fn phase(&self) -> PromotionPhase {
        self.status().phase.unwrap()
    }

    pub(super) fn reason(&self) -> &str {
        self.status().reason.as_deref().unwrap()
    }

    pub(super) fn message(&self) -> &str {
        self.status().message.as_deref().unwrap_or_default()
    }

    pub(super) fn stands(&self) -> (PromotionPhase, &str) {
        (self.phase(), self.reason())
    }

    /// Status and reason of a condition.
    pub(super) fn condition(&self, type_: &ConditionType) -> Option<(ConditionStatus, &str)> {
        self.whole_condition(type_).map(|condition| (condition.status, condition.reason.as_str()))
    }

    pub(super) fn whole_condition(&self, type_: &ConditionType) -> Option<&Condition> {
        self.status().conditions.iter().find(|condition| condition.type_ == *type_)
    }

    /// The promotion's mark on the target.
    pub(super) fn mark(&self) -> Option<String> {
        let mark = self.target()["metadata"]["annotations"]["phaseloop.dev/promotion"].clone();
        mark.as_str().map(str::to_owned)
    }

    /// The phases that the audit chain holds, in order.
    pub(super) fn phases(&self) -> Vec<String> {
        self.status().history.iter().flat_map(|history| &history.records).map(|record| record.to.clone()).collect()
    }

    /// A run of the target that began and ended then, with a verdict, on the template as it is now.
    pub(super) fn run(
        &mut self,
        name: &str,
        (began, ended): (&str, &str),
        verdict: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let hash = self.around.target.as_ref().unwrap().template_hash();
        let run: PhaseRun = changed(&run_named(name), |run| {
            let symptom = json!({
                "kind": "vllm_oom", "domain": "chat", "severity": "critical", "metric": "oomEvents", "current": 1.0,
                "baseline": 0.0, "diagnosis": "MemoryOvercommitted",
            });
            run["metadata"]["creationTimestamp"] = json!(began);
            run["status"] = json!({
                "phase": "Completed", "verdict": verdict, "startedAt": began, "completedAt": ended,
                "environment": { "templateHash": hash, "templateHashAtEnd": hash },
                "domains": [{ "name": "chat", "valid": true, "workloadHash": "load", "deltas": [
                    { "metric": "endToEndLatency", "current": 900.0, "baseline": 1000.0, "deltaPercent": -10.0 },
                ] }],
                "symptoms": if verdict == "Degraded" { json!([symptom]) } else { json!([]) },
            });
            change(run);
        });
        self.around.runs.push(Arc::new(run));
        self.now = self.now.max(at(ended));
    }
}

/// The object after a patch, as the API server applies it: a test for null holds where there is nothing in an object that
/// is there. `None` where a test fails.
fn applied(object: &Value, patch: &Patch) -> Option<Value> {
    let mut object = object.clone();
    for operation in &patch.0 {
        if let PatchOperation::Test(test) = operation
            && test.value.is_null()
            && test.path.resolve(&object).is_err()
        {
            test.path.parent()?.resolve(&object).ok()?;
            continue;
        }
        json_patch::patch(&mut object, std::slice::from_ref(operation)).ok()?;
    }
    Some(object)
}
