//! A canary with its cluster, looked at again and again: what plans ask for happens, as the driver would carry it out.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{core::v1::Pod, networking::v1::NetworkPolicy},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::ResourceExt;
use phaseloop_core::{
    analysis::{
        measurement::{ClientPace, RequestCounts},
        probe::{ProbeEnding, ProbeReport, ProbeTimes, ReportedEngine},
        sample::SampleSummary,
    },
    plan::{Intent, Plan, check_plan, pod::TestPodEnd},
    tuning::exact_test::MetRequests,
    value::Metric,
};
use serde_json::{Value, json};

use crate::{
    api::{
        Escalation, TuningCanary, TuningCanaryStatus,
        condition::{Condition, ConditionType},
    },
    cluster::Effect,
    controllers::{
        Kind, ObservedNetwork, OperatorSettings, Report,
        kind::audited,
        report::seal,
        tuning_canary::{
            ObservedTuningCanary, ObservedWorld, TuningCanaries, ValidTuningCanary,
            fixture::{at, canary, escalation, target},
        },
    },
};

/// When the canary is first looked at.
pub(super) const START: &str = "2026-03-04T03:21:00Z";

/// The world of one canary.
#[derive(Clone)]
pub(super) struct World {
    pub(super) canary: TuningCanary,
    pub(super) escalation: Option<Escalation>,
    pub(super) pods: Vec<Pod>,
    pub(super) network_policies: Vec<NetworkPolicy>,
    pub(super) others: Vec<TuningCanary>,
    pub(super) around: ObservedWorld,
    pub(super) namespace_ends: bool,
    pub(super) definition_ends: bool,
    pub(super) now: Timestamp,
    /// Deletions that were asked for.
    pub(super) deleted: Vec<TestPodEnd>,
    /// Events, as often as they were asked for: type, reason, note.
    pub(super) told: Vec<(String, String, String)>,
    /// States that exported records lead to.
    pub(super) exported: Vec<String>,
}

impl World {
    /// A candidate whose turn it is.
    pub(super) fn new() -> Self {
        Self {
            canary: canary(1, &json!({ "gpu-memory-utilization": "0.75" })),
            escalation: Some(escalation()),
            pods: Vec::new(),
            network_policies: Vec::new(),
            others: Vec::new(),
            around: ObservedWorld {
                target: Some(target()),
                network: ObservedNetwork::Read(Vec::new()),
                ..ObservedWorld::default()
            },
            namespace_ends: false,
            definition_ends: false,
            now: at(START),
            deleted: Vec::new(),
            told: Vec::new(),
            exported: Vec::new(),
        }
    }

    pub(super) fn valid(&self) -> ValidTuningCanary {
        let is_judged = self.canary.status.as_ref().is_some_and(|status| status.verdict.is_some());
        let observed = ObservedTuningCanary {
            object: self.canary.clone(),
            pods: self.pods.iter().cloned().map(Arc::new).collect(),
            escalation: self.escalation.clone(),
            canaries: self.others.iter().chain([&self.canary]).cloned().map(Arc::new).collect(),
            world: (!is_judged).then(|| self.around.clone()),
            namespace_ends: self.namespace_ends,
            definition_ends: self.definition_ends,
        };
        TuningCanaries::validate(observed, &OperatorSettings::for_image("phaseloop:1"))
    }

    /// What is decided now. Deciding again on the same objects gives the same plan.
    pub(super) fn plan(&self) -> Plan<Report<TuningCanaryStatus>> {
        let plan = super::decide(&self.valid(), self.now);
        assert_eq!(check_plan(&plan), []);
        assert_eq!(super::decide(&self.valid(), self.now), plan);
        plan
    }

    /// Decides and carries out.
    pub(super) fn look(&mut self) -> Plan<Report<TuningCanaryStatus>> {
        let plan = self.plan();
        if let Some(remember) = &plan.remember {
            self.report(remember);
        }
        let valid = self.valid();
        for intent in &plan.intents {
            if let Intent::DeleteTestPod(deletion) = intent {
                self.deleted.push(deletion.cause);
            }
            for effect in TuningCanaries::build(&valid, intent, self.now) {
                self.carry_out(effect);
            }
        }
        self.report(&plan.report);
        plan
    }

    /// What a replica does that does not lead.
    pub(super) fn look_without_leading(&mut self) {
        let (plan, valid) = (self.plan(), self.valid());
        for intent in plan.intents.iter().filter(|intent| !intent.needs_leader()) {
            for effect in TuningCanaries::build(&valid, intent, self.now) {
                self.carry_out(effect);
            }
        }
    }

    /// Decides and carries out until nothing is new. Ten looks are more than any state takes.
    pub(super) fn settle(&mut self) -> Plan<Report<TuningCanaryStatus>> {
        for _ in 0..10 {
            let before = (self.canary.clone(), self.pods.clone(), self.escalation.clone());
            let plan = self.look();
            if before == (self.canary.clone(), self.pods.clone(), self.escalation.clone()) {
                return plan;
            }
        }
        panic!("the canary never comes to rest");
    }

    fn report(&mut self, report: &Report<TuningCanaryStatus>) {
        let before = self.canary.status.as_ref();
        let sealed = seal(report, before, Some(1), audited::<TuningCanaries>(&self.canary), self.now);
        // As the API server stores it.
        self.canary.status = Some(serde_json::from_value(serde_json::to_value(sealed).unwrap()).unwrap());
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CreateNetworkPolicy(policy) => self.network_policies.push(*policy),
            Effect::CreateTestPod { pod, .. } => {
                let mut pod = *pod;
                assert!(!self.network_policies.is_empty(), "a pod comes after its policy");
                pod.metadata.uid = Some(format!("uid-{}", pod.name_any()));
                pod.metadata.creation_timestamp = Some(Time(self.now));
                assert!(self.pods.iter().all(|other| other.name_any() != pod.name_any()), "made twice");
                self.pods.push(pod);
            }
            Effect::DeletePod { name, uid, grace_seconds } => {
                assert_eq!(grace_seconds, 1, "never 0");
                for pod in &mut self.pods {
                    if pod.name_any() == name && pod.uid().unwrap() == uid.as_str() {
                        pod.metadata.deletion_timestamp = Some(Time(self.now + SignedDuration::from_secs(1)));
                    }
                }
            }
            Effect::WriteLedger(escalation) => {
                assert_eq!(escalation.metadata.resource_version.as_deref(), Some("9"), "the version that was read");
                self.escalation = Some(*escalation);
            }
            Effect::ExportAudit(records) => self.exported.extend(records.into_iter().map(|record| record.to)),
            Effect::RecordEvent(event) => {
                let text = Option::unwrap_or_default;
                self.told.push((text(event.type_), text(event.reason), text(event.note)));
            }
            Effect::SetFinalizers { finalizers, .. } => self.canary.metadata.finalizers = Some(finalizers),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// The kubelet's word on the canary's pod, which is the last.
    pub(super) fn set_pod_status(&mut self, node: Option<&str>, status: Value) {
        let pod = self.pods.last_mut().unwrap();
        pod.spec.as_mut().unwrap().node_name = node.map(str::to_owned);
        pod.status = Some(serde_json::from_value(status).unwrap());
    }

    /// The engine runs, and so does the probe; restarted so many times.
    pub(super) fn start_pod(&mut self) {
        let status = running(self.now, 0, &Value::Null);
        self.set_pod_status(Some("n1"), status);
    }

    /// The pod ends as its probe's report says, 60 s after it began.
    pub(super) fn end_pod(&mut self, report: &ProbeReport) {
        let status = ended(self.now, &report.write(4096));
        self.set_pod_status(Some("n1"), status);
    }

    /// The kubelet has ended what is being deleted: its last word, and then the pod goes.
    pub(super) fn sweep(&mut self) {
        self.pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    }

    /// Begins, measures and stores the result.
    pub(super) fn measure(&mut self, report: impl FnOnce(Timestamp) -> ProbeReport) {
        self.settle();
        self.start_pod();
        self.settle();
        self.pass(60);
        self.end_pod(&report(self.now));
        self.look();
    }

    pub(super) fn status(&self) -> &TuningCanaryStatus {
        self.canary.status.as_ref().unwrap()
    }

    pub(super) fn condition(&self, type_: &ConditionType) -> Option<&Condition> {
        self.status().conditions.iter().find(|condition| condition.type_ == *type_)
    }

    /// Verdict and reasons.
    pub(super) fn verdict(&self) -> (String, Vec<String>) {
        let verdict = self.status().verdict.map(|verdict| format!("{verdict:?}")).unwrap_or_default();
        (verdict, self.status().reasons.clone())
    }
}

/// What a plan does, without what it tells.
pub(super) fn deeds(plan: &Plan<Report<TuningCanaryStatus>>) -> Vec<Intent> {
    plan.intents.iter().filter(|intent| !matches!(intent, Intent::RecordEvent(_))).cloned().collect()
}

/// A probe that measured 140 requests, so many of which were within the limits, and an engine that took the value over.
pub(super) fn measured(now: Timestamp, within: u64) -> ProbeReport {
    let latency = SampleSummary {
        count: 140,
        standard_deviation: 10.0,
        maximum: 1200.0,
        p95: 1150.0,
        p99: 1180.0,
        ..SampleSummary::of_single_figure(800.0)
    };
    let ago = |seconds| Some(now - SignedDuration::from_secs(seconds));
    let met = (0..140).map(|place| place < within).collect();
    ProbeReport {
        times: ProbeTimes {
            first_contact_at: ago(12),
            ready_at: ago(9),
            measure_started_at: ago(8),
            measure_ended_at: ago(1),
        },
        requests: Some(RequestCounts { offered: 140, completed: 140, ..RequestCounts::default() }),
        within_slo: Some(within),
        met: Some(MetRequests { schedule: "s".to_owned(), met }),
        metrics: BTreeMap::from([
            (Metric::EndToEndLatency, latency.into()),
            (Metric::Throughput, SampleSummary::of_single_figure(20.0).into()),
        ]),
        client: Some(ClientPace {
            schedule_delay_ms_mean: 0.5,
            schedule_delay_ms_p99: 2.0,
            arrival_interval_ms_mean: Some(50.0),
        }),
        engine: Some(ReportedEngine {
            version: Some("vllm 0.33.0".to_owned()),
            model: Some("m".to_owned()),
            configuration: [("gpu-memory-utilization".to_owned(), "0.75".to_owned())].into(),
        }),
        ..ProbeReport::new(ProbeEnding::Measured, "")
    }
}

fn container(name: &str, state: &Value, restarts: i32, last: &Value) -> Value {
    json!({
        "name": name, "image": "i", "imageID": "docker.io/i@sha256:abc", "ready": true, "restartCount": restarts,
        "state": state, "lastState": if last.is_null() { json!({}) } else { json!({ "terminated": last }) },
    })
}

fn preflight() -> Value {
    container("phaseloop-preflight", &json!({ "terminated": { "exitCode": 0 } }), 0, &Value::Null)
}

/// A pod whose engine and probe run since `since`, after so many restarts of the engine.
pub(super) fn running(since: Timestamp, restarts: i32, last: &Value) -> Value {
    let state = json!({ "running": { "startedAt": since } });
    json!({
        "phase": "Running", "startTime": since,
        "initContainerStatuses": [preflight(), container("vllm", &state, restarts, last)],
        "containerStatuses": [container("phaseloop-probe", &state, 0, &Value::Null)],
    })
}

/// A pod that ended now after 60 s, with this message of its probe.
pub(super) fn ended(now: Timestamp, message: &str) -> Value {
    let start = now - SignedDuration::from_secs(60);
    let end = |message: &str| {
        json!({ "terminated": {
            "exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": now, "message": message,
        } })
    };
    json!({
        "phase": "Succeeded", "startTime": start,
        "initContainerStatuses": [preflight(), container("vllm", &end(""), 0, &Value::Null)],
        "containerStatuses": [container("phaseloop-probe", &end(message), 0, &Value::Null)],
    })
}

/// A pod that no node has room for.
pub(super) fn unschedulable(since: Timestamp) -> Value {
    json!({ "phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since,
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    }] })
}
