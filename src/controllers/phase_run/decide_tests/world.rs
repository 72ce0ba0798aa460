//! A run with its cluster, looked at again and again: what plans ask for happens, as the driver would carry it out.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod, networking::v1::NetworkPolicy},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::ResourceExt;
use phaseloop_core::{
    analysis::{
        measurement::{ClientPace, EngineView, RequestCounts},
        probe::{ProbeEnding, ProbeReport, ProbeTimes, ReportedEngine},
        sample::SampleSummary,
    },
    plan::{Intent, Plan, check_plan, pod::TestPodEnd},
    value::Metric,
};
use serde_json::{Value, json};

use crate::{
    api::{
        PhaseRun, PhaseRunStatus,
        condition::{Condition, ConditionType},
        phase_run::status::DomainStatus,
    },
    cluster::Effect,
    controllers::{
        Kind, ObservedLending, ObservedNetwork, ObservedTarget, OperatorSettings, Report,
        kind::audited,
        phase_run::{
            ObservedPhaseRun, ObservedWorld, PhaseRuns, ValidPhaseRun,
            fixture::{at, run_named},
        },
        report::seal,
    },
    delivery::{borrow::LenderSurroundings, fixture::applied},
};

/// When the run is made and first looked at.
pub(super) const START: &str = "2026-03-04T03:00:00Z";

/// A Deployment of one vLLM on one GPU.
pub(super) fn target() -> ObservedTarget {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "llama", "namespace": "chat", "uid": "uid-llama", "resourceVersion": "3" },
        "spec": { "selector": {}, "template": { "spec": { "containers": [{
            "name": "vllm", "image": "vllm/vllm-openai:v0.33.0", "command": ["vllm", "serve"],
            "args": ["m", "--max-num-seqs=32"], "resources": { "limits": { "nvidia.com/gpu": "1" } },
        }] } } },
    }))
    .unwrap();
    ObservedTarget::Deployment(Box::new(deployment))
}

/// The world of one run.
#[derive(Clone)]
pub(super) struct World {
    pub(super) run: PhaseRun,
    pub(super) pods: Vec<Pod>,
    pub(super) network_policies: Vec<NetworkPolicy>,
    pub(super) around: ObservedWorld,
    /// What lies around the target as a lender.
    pub(super) surroundings: LenderSurroundings,
    pub(super) now: Timestamp,
    /// Events, as often as they were asked for: type, reason, note.
    pub(super) told: Vec<(String, String, String)>,
    /// Deletions that were asked for.
    pub(super) deleted: Vec<(String, TestPodEnd)>,
}

impl World {
    /// A run of two serving domains, `chat` and `rag`.
    pub(super) fn new() -> Self {
        let around = ObservedWorld {
            target: Some(target()),
            network: ObservedNetwork::Read(Vec::new()),
            ..ObservedWorld::default()
        };
        Self {
            run: run_named("nightly"),
            pods: Vec::new(),
            network_policies: Vec::new(),
            around,
            surroundings: LenderSurroundings::default(),
            now: at(START),
            told: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// The same with one domain, `chat`.
    pub(super) fn of_one_domain() -> Self {
        let mut world = Self::new();
        world.run.spec.domains.truncate(1);
        world
    }

    pub(super) fn valid(&self) -> ValidPhaseRun {
        let (object, pods) = (self.run.clone(), self.pods.iter().cloned().map(Arc::new).collect());
        let world = (!super::has_ended(&object)).then(|| self.around.clone());
        let lending = super::super::super::borrow::lender_wanted(&object)
            .map(|_| ObservedLending { target: self.around.target.clone(), surroundings: self.surroundings.clone() });
        let observed = ObservedPhaseRun { object, pods, lending, world };
        PhaseRuns::validate(observed, &OperatorSettings::for_image("phaseloop:1"))
    }

    /// What is decided now.
    pub(super) fn plan(&self) -> Plan<Report<PhaseRunStatus>> {
        let plan = super::decide(&self.valid(), self.now);
        assert_eq!(check_plan(&plan), []);
        plan
    }

    /// Decides and carries out.
    pub(super) fn look(&mut self) -> Plan<Report<PhaseRunStatus>> {
        let plan = self.plan();
        if let Some(remember) = &plan.remember {
            self.report(remember);
        }
        let valid = self.valid();
        for intent in &plan.intents {
            if let Intent::DeleteTestPod(deletion) = intent {
                self.deleted.push((deletion.name.clone(), deletion.cause));
            }
            for effect in PhaseRuns::build(&valid, intent, self.now) {
                self.carry_out(effect);
            }
        }
        self.report(&plan.report);
        plan
    }

    /// Decides and carries out until nothing is new. Ten looks are more than any state takes.
    pub(super) fn settle(&mut self) -> Plan<Report<PhaseRunStatus>> {
        for _ in 0..10 {
            let (run, pods) = (self.run.clone(), self.pods.clone());
            let plan = self.look();
            if (run, pods) == (self.run.clone(), self.pods.clone()) {
                return plan;
            }
        }
        panic!("the run never comes to rest");
    }

    fn report(&mut self, report: &Report<PhaseRunStatus>) {
        let sealed = seal(report, self.run.status.as_ref(), Some(1), audited::<PhaseRuns>(&self.run), self.now);
        // As the API server stores it.
        self.run.status = Some(serde_json::from_value(serde_json::to_value(sealed).unwrap()).unwrap());
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::CreateNetworkPolicy(policy) => self.network_policies.push(*policy),
            Effect::CreateTestPod { pod, .. } => {
                let mut pod = *pod;
                assert!(!self.network_policies.is_empty(), "a pod comes after its policy");
                pod.metadata.uid = Some(format!("uid-{}", pod.name_any()));
                pod.metadata.creation_timestamp = Some(Time(self.now));
                self.pods.retain(|other| other.name_any() != pod.name_any());
                self.pods.push(pod);
            }
            Effect::DeletePod { name, uid, grace_seconds } => {
                assert_eq!(grace_seconds, 1, "never 0");
                self.pods.retain(|pod| pod.name_any() != name || pod.uid().unwrap() != uid.as_str());
            }
            Effect::PatchTarget { patch, .. } => self.patch_target(&patch),
            Effect::SetFinalizers { finalizers, .. } => self.run.metadata.finalizers = Some(finalizers),
            Effect::ExportAudit(_) => {}
            Effect::RecordEvent(event) => {
                let text = Option::unwrap_or_default;
                self.told.push((text(event.type_), text(event.reason), text(event.note)));
            }
            other => panic!("{other:?}"),
        }
    }

    fn patch_target(&mut self, patch: &json_patch::Patch) {
        self.change_target(|target| {
            *target = applied(target, patch).expect("the patch does not land");
            let version: u64 = target["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            target["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        });
    }

    /// Changes the target.
    pub(super) fn change_target(&mut self, change: impl FnOnce(&mut Value)) {
        let Some(ObservedTarget::Deployment(deployment)) = &self.around.target else { panic!("no Deployment") };
        let mut object = serde_json::to_value(deployment).unwrap();
        change(&mut object);
        self.around.target = Some(ObservedTarget::Deployment(serde_json::from_value(object).unwrap()));
    }

    /// Reasons of what was told, in its order.
    pub(super) fn reasons_told(&self) -> Vec<&str> {
        self.told.iter().map(|(_, reason, _)| reason.as_str()).collect()
    }

    pub(super) fn pass(&mut self, by: SignedDuration) {
        self.now += by;
    }

    /// The kubelet's word on the only pod.
    pub(super) fn set_pod_status(&mut self, node: Option<&str>, status: Value) {
        let [pod] = self.pods.as_mut_slice() else { panic!("{} pods", self.pods.len()) };
        pod.spec.as_mut().unwrap().node_name = node.map(str::to_owned);
        pod.status = Some(serde_json::from_value(status).unwrap());
    }

    /// The engine runs, and so does the probe.
    pub(super) fn start_pod(&mut self) {
        let status = running(self.now, 0, Value::Null);
        self.set_pod_status(Some("n1"), status);
    }

    /// The pod ends as its probe's report says.
    pub(super) fn end_pod(&mut self, report: &ProbeReport) {
        let status = ended(self.now, &report.write(4096));
        self.set_pod_status(Some("n1"), status);
    }

    /// Begins the next domain, tests it, and stores its result: 5 minutes.
    pub(super) fn test_domain(&mut self, report: impl FnOnce(Timestamp) -> ProbeReport) {
        self.settle();
        self.start_pod();
        self.settle();
        self.pass(SignedDuration::from_mins(5));
        self.end_pod(&report(self.now));
        self.look();
    }

    pub(super) fn status(&self) -> &PhaseRunStatus {
        self.run.status.as_ref().unwrap()
    }

    pub(super) fn row(&self, name: &str) -> &DomainStatus {
        self.status().domains.iter().find(|row| row.name == name).unwrap()
    }

    pub(super) fn condition(&self, type_: &ConditionType) -> Option<&Condition> {
        self.status().conditions.iter().find(|condition| condition.type_ == *type_)
    }
}

/// What a plan does, without what it tells.
pub(super) fn deeds(plan: &Plan<Report<PhaseRunStatus>>) -> Vec<Intent> {
    plan.intents.iter().filter(|intent| !matches!(intent, Intent::RecordEvent(_))).cloned().collect()
}

/// A probe to which an engine answered 25 of 200 requests, none of them in time: too few to say anything of it.
pub(super) fn measured_too_little(now: Timestamp) -> ProbeReport {
    let requests = RequestCounts { offered: 200, completed: 25, ..RequestCounts::default() };
    let mut report = ProbeReport { requests: Some(requests), within_slo: Some(0), ..measured(now, 900.0) };
    report.metrics.values_mut().for_each(|figures| figures.count = figures.count.min(25));
    report
}

/// A probe that measured 200 requests without a fault, in the five minutes before `now`.
pub(super) fn measured(now: Timestamp, latency: f64) -> ProbeReport {
    let figures = |mean: f64| SampleSummary {
        count: 200,
        standard_deviation: mean / 10.0,
        maximum: mean * 2.0,
        ..SampleSummary::of_single_figure(mean)
    };
    let metrics = [
        (Metric::TimeToFirstToken, figures(latency / 5.0)),
        (Metric::EndToEndLatency, figures(latency)),
        (Metric::Throughput, SampleSummary::of_single_figure(4.0)),
    ];
    let minutes_ago = |minutes| Some(now - SignedDuration::from_mins(minutes));
    ProbeReport {
        times: ProbeTimes {
            first_contact_at: minutes_ago(4),
            ready_at: minutes_ago(4),
            measure_started_at: minutes_ago(3),
            measure_ended_at: minutes_ago(1),
        },
        requests: Some(RequestCounts { offered: 200, completed: 200, ..RequestCounts::default() }),
        within_slo: Some(190),
        metrics: metrics.into_iter().map(|(metric, summary)| (metric, summary.into())).collect(),
        engine_view: Some(EngineView {
            time_to_first_token_ms_mean: Some(latency / 5.0),
            end_to_end_latency_ms_mean: Some(latency),
            ..EngineView::default()
        }),
        client: Some(ClientPace {
            schedule_delay_ms_mean: 0.5,
            schedule_delay_ms_p99: 2.0,
            arrival_interval_ms_mean: Some(250.0),
        }),
        engine: Some(ReportedEngine {
            version: Some("vllm 0.33.0".to_owned()),
            model: Some("m".to_owned()),
            ..ReportedEngine::default()
        }),
        ..ProbeReport::new(ProbeEnding::Measured, "")
    }
}

fn preflight() -> Value {
    container("phaseloop-preflight", &json!({ "terminated": { "exitCode": 0 } }), 0, &Value::Null)
}

fn container(name: &str, state: &Value, restarts: i32, last: &Value) -> Value {
    json!({
        "name": name, "image": "i", "imageID": "docker.io/i@sha256:abc", "ready": true, "restartCount": restarts,
        "state": state, "lastState": if last.is_null() { json!({}) } else { json!({ "terminated": last }) },
    })
}

/// A pod whose engine and probe run since `since`, after so many restarts of the engine.
#[allow(clippy::needless_pass_by_value, reason = "tests hand over what they wrote")]
pub(super) fn running(since: Timestamp, restarts: i32, last: Value) -> Value {
    let state = json!({ "running": { "startedAt": since } });
    json!({
        "phase": "Running", "startTime": since,
        "initContainerStatuses": [preflight(), container("vllm", &state, restarts, &last)],
        "containerStatuses": [container("phaseloop-probe", &state, 0, &Value::Null)],
    })
}

/// A pod that ended now, with this message of its probe. It ran for five minutes.
pub(super) fn ended(now: Timestamp, message: &str) -> Value {
    ended_after(now, message, 0, Value::Null)
}

/// The same after restarts of the engine.
#[allow(clippy::needless_pass_by_value, reason = "tests hand over what they wrote")]
pub(super) fn ended_after(now: Timestamp, message: &str, restarts: i32, last: Value) -> Value {
    let start = now - SignedDuration::from_mins(5);
    let end = |message: &str| {
        json!({ "terminated": {
        "exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": now, "message": message,
    } })
    };
    json!({
        "phase": "Succeeded", "startTime": start,
        "initContainerStatuses": [preflight(), container("vllm", &end(""), restarts, &last)],
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
