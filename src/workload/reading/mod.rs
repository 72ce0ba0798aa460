//! Reading a test pod: from what the kubelet says of it to what it showed, what it used, and what of it is proven.
//!
//! **What lives here**: [`read_test_pod`], a function of the pod alone, the phases of a pod, what it lacks while it has no
//! node, the faults of node and cluster, and the measurements that the core judges.
//!
//! **What must not**: any judgement (the core's), waiting and giving up (the controllers'), logs of containers.

mod container;
mod engine;
mod fault;
mod lacking;
mod measurement;
mod phase;
mod report;
mod spend;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use phaseloop_core::{
    plan::label::ANNOTATION_DOMAIN,
    value::{Environment, Uid},
};

pub use self::{
    engine::{EngineDeath, EngineReading},
    fault::{PodFault, PodFaultReason, fault_of_create},
    lacking::Lacking,
    measurement::{domain_measurement, trial_measurement},
    phase::{PodEnd, TestPodPhase, Waiting},
    report::{ReadReport, ReportMissing},
    spend::{ProvenSpend, Release},
};
use super::{
    configuration,
    engine::gpus_of,
    told::{engine_of, probe_request, unguarded},
};
use crate::probe::ProbeRequest;

/// What is known of the node that a pod runs on. A pod alone does not tell: a kubelet that is gone reports nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NodeState {
    /// Nobody looked, or nobody may.
    #[default]
    Unknown,
    /// Its kubelet reports.
    Ready,
    /// Its kubelet does not report.
    NotReady,
    /// It is no object of the cluster any more.
    Gone,
}

/// A test pod, read.
#[derive(Debug, Clone, PartialEq)]
pub struct TestPodReading {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
    /// Name of the domain, for a pod of a run.
    pub domain: Option<String>,
    /// The node that it runs or ran on.
    pub node: Option<String>,
    /// How far it is.
    pub phase: TestPodPhase,
    /// Whether it is being deleted, and since when.
    pub deleted_at: Option<Timestamp>,
    /// When its containers ran.
    pub times: ContainerTimes,
    /// Whether everything that it held is given back.
    pub release: Release,
    /// What its probe was told; absent for a custom domain.
    pub request: Option<ProbeRequest>,
    /// How the engine fared by the word of kubelet and probe; absent for a custom domain.
    pub engine: Option<EngineReading>,
    /// What the probe or the collector left.
    pub report: ReadReport,
    /// GPUs that the pod holds.
    pub gpus: u32,
    /// What it used of the budgets, as far as that is proven.
    pub spend: ProvenSpend,
    /// What it ran on and with, as far as the pod tells: the template's hash is the controller's to add.
    pub environment: Environment,
    /// A fault of node or cluster, or one that it waits on.
    pub fault: Option<PodFault>,
}

/// When containers of a pod ran, to the second, by the kubelet. Absent is not known or has not happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ContainerTimes {
    /// When the kubelet took the pod up: from here `activeDeadlineSeconds` counts.
    pub pod_started_at: Option<Timestamp>,
    /// When the first container started.
    pub first_started_at: Option<Timestamp>,
    /// When the engine first started; after several restarts the earliest instant at which it can have.
    pub engine_started_at: Option<Timestamp>,
    /// When the probe started.
    pub probe_started_at: Option<Timestamp>,
    /// When the probe ended.
    pub probe_finished_at: Option<Timestamp>,
    /// When the last container ended; absent unless every container is known to have ended.
    pub released_at: Option<Timestamp>,
}

/// Reads a test pod.
pub fn read_test_pod(pod: &Pod, node: NodeState) -> TestPodReading {
    let statuses = container::Statuses::of(pod);
    let report = report::read_report(&statuses);
    let fault = fault::fault_of(pod, &statuses, node);
    let is_deleted = pod.metadata.deletion_timestamp.is_some();
    let engine = engine::read_engine(&statuses, &report, is_deleted || fault.is_some());
    let release = spend::release_of(pod, &statuses, node);
    let times = spend::times_of(pod, &statuses, release);
    let gpus = gpus_held(pod);
    let annotation = |key: &str| pod.metadata.annotations.as_ref().and_then(|map| map.get(key)).cloned();
    TestPodReading {
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: Uid::new(pod.metadata.uid.clone().unwrap_or_default()),
        domain: annotation(ANNOTATION_DOMAIN),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        phase: phase::phase_of(pod, &statuses, &report, fault.as_ref(), release, node),
        deleted_at: pod.metadata.deletion_timestamp.as_ref().map(|time| time.0),
        spend: spend::proven_spend(&times, release, &statuses, &report, gpus),
        environment: environment(pod, &statuses, &report, gpus),
        request: probe_request(pod),
        times,
        release,
        engine,
        report,
        gpus,
        fault,
    }
}

/// GPUs of the engine; of every main container for a custom domain. Those of init containers are the same ones.
fn gpus_held(pod: &Pod) -> u32 {
    let count = |container| gpus_of(container).unwrap_or_default();
    match engine_of(pod) {
        Some(engine) => count(engine),
        None => pod.spec.iter().flat_map(|spec| &spec.containers).map(count).sum(),
    }
}

/// What the pod ran on and with.
fn environment(pod: &Pod, statuses: &container::Statuses<'_>, report: &ReadReport, gpus: u32) -> Environment {
    let engine = engine_of(pod);
    let told = report.probe().and_then(|report| report.engine.clone()).unwrap_or_default();
    let gpu = report.probe().and_then(|report| report.gpu.clone()).unwrap_or_default();
    let digest = |id: &str| id.find("sha256:").and_then(|start| id.get(start..)).map(str::to_owned);
    Environment {
        image: engine.and_then(|engine| engine.image.clone()),
        image_digest: statuses.engine().and_then(|status| digest(&status.image_id)),
        engine_version: told.version,
        model: told.model,
        gpu_product: gpu.product,
        gpu_count: gpu.count.map(i64::from).or_else(|| (gpus > 0).then_some(i64::from(gpus))),
        gpu_sharing: gpu.sharing,
        driver_version: gpu.driver_version,
        configuration: engine.map(|engine| configuration(&unguarded(engine), None)).unwrap_or_default(),
        template_hash: None,
        inferred: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
