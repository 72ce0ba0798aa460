//! What a test pod is planned from: what is wanted, what is known of the target, what the operator was set up with.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, PodTemplateSpec};
use phaseloop_core::{
    plan::{OwnObject, pod::TestPodPurpose},
    tuning::{Binding, measuring::canary_warmup},
    value::{ParameterName, ParameterValue, TargetReference},
};

use super::{network::TargetNetwork, test_side::TestSide};
use crate::api::{
    phase_run::ServingTest,
    tuning_canary::TuningCanarySpec,
    workload::{Arrival, Endpoint, Slo, TokenLength, Workload},
};

/// A test pod that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TestPodRequest {
    /// The namespace of everything: pod, owner, target.
    pub namespace: String,
    /// The run or the canary that it is for.
    pub owner: OwnObject,
    /// Which domain, or a canary.
    pub purpose: TestPodPurpose,
    /// The target.
    pub target: TargetReference,
    /// The Escalation that a canary belongs to; it becomes a label.
    pub escalation: Option<String>,
    /// What is done in it.
    pub test: TestKind,
    /// What is set in place of the target's own values; empty for the target as it stands.
    pub parameters: Vec<BoundParameter>,
    /// Its bounds on time.
    pub times: TestPodTimes,
    /// What it may take without its engine; absent for a canary, whose probe has what every probe has.
    pub test_side: Option<TestSide>,
}

/// What a test pod does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TestKind {
    /// Our probe against an isolated replica of the target.
    Serving(Box<ServingLoad>),
    /// A test image that writes a PHASE report.
    Report,
}

/// The load of a serving test.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServingLoad {
    /// The load.
    pub workload: Workload,
    /// Limits by which a request is good.
    pub slo: Option<Slo>,
    /// Seed of the requests. The candidates of a tuning run share one, so that they can be compared request by request.
    pub seed: i64,
    /// Load before anything is measured: the first part of `measure`.
    pub warmup: SignedDuration,
    /// Longest time from the engine's being ready to the measurement's end, warm-up included.
    pub measure: SignedDuration,
    /// Longest start of the engine.
    pub ready_timeout: SignedDuration,
}

impl ServingLoad {
    /// The least load, for planning a pod that is never made: whether one can be made does not depend on the load.
    pub fn for_planning(measure: SignedDuration, ready_timeout: SignedDuration) -> Self {
        let one_token = TokenLength { fixed: Some(1), uniform: None, normal: None };
        let workload = Workload {
            requests: 1,
            arrival: Arrival { rate: None, concurrency: Some(1) },
            input_tokens: one_token.clone(),
            output_tokens: one_token,
            shared_prefix_tokens: 0,
            seed: 0,
            endpoint: Endpoint::default(),
        };
        Self { workload, slo: None, seed: 0, warmup: SignedDuration::ZERO, measure, ready_timeout }
    }

    /// The load of a run's serving domain. A run has no start timeout of its own: what is left of its time is given.
    pub fn of_domain(test: &ServingTest, ready_timeout: SignedDuration) -> Self {
        Self {
            workload: test.workload.clone(),
            slo: test.slo.clone(),
            seed: test.workload.seed,
            warmup: test.warmup.0,
            measure: test.warmup.0.saturating_add(test.duration.0),
            ready_timeout,
        }
    }

    /// The load of a canary, whose measuring includes its warm-up.
    pub fn of_canary(spec: &TuningCanarySpec) -> Self {
        Self {
            workload: spec.workload.clone(),
            slo: Some(spec.slo.clone()),
            seed: spec.workload.seed,
            warmup: canary_warmup(spec.measure.0),
            measure: spec.measure.0,
            ready_timeout: spec.start_timeout.0,
        }
    }
}

/// A test pod's bounds on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TestPodTimes {
    /// The instant by which every container must have ended, whoever is alive then.
    pub not_after: Timestamp,
    /// From the pod's start to its end, both graces left out: `activeDeadlineSeconds`.
    pub active_deadline: SignedDuration,
    /// Grace of its containers, in whole seconds.
    pub grace: SignedDuration,
}

/// A parameter with its value and its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoundParameter {
    /// The parameter.
    pub name: ParameterName,
    /// The value to set.
    pub value: ParameterValue,
    /// Where.
    pub binding: Binding,
    /// The ConfigMap, for a binding that lies in one.
    pub config_map: Option<String>,
}

/// What is known of the template and of what it refers to. Observed, not decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TemplateFacts {
    /// The target's pod template; for a custom domain that of the PodTemplate.
    pub template: PodTemplateSpec,
    /// `targetRef.container`.
    pub engine_container: Option<String>,
    /// The target's `volumeClaimTemplates`.
    pub claim_templates: Vec<PersistentVolumeClaim>,
    /// The volume claims that the template names, by name.
    pub claims: BTreeMap<String, ClaimFacts>,
    /// The ConfigMaps in which parameters lie, by name.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// What bounds the network of the target's own pods.
    pub network: TargetNetwork,
    /// How the nodes that the pod could run on share their GPUs; absent where nobody may read nodes.
    pub gpu_sharing: Option<GPUSharing>,
}

/// What is known of a volume claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimFacts {
    /// Its access modes, as `ReadWriteOnce`.
    pub access_modes: Vec<String>,
    /// Nodes on which pods that have not ended use it, each once.
    pub used_on_nodes: Vec<String>,
}

/// How a node shares its GPUs, as GPU feature discovery labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GPUSharing {
    /// Each card belongs to one container.
    Exclusive,
    /// Containers take turns on a card.
    TimeSlicing,
    /// Containers share a card at the same time.
    Mps,
    /// A card is cut into parts with memory and engines of their own.
    Mig,
}

/// Label of a node that says how its GPUs are shared.
pub const LABEL_GPU_SHARING: &str = "nvidia.com/gpu.sharing-strategy";
/// Values of [`LABEL_GPU_SHARING`] that no test pod may meet.
pub const SHARED_GPU_LABELS: [&str; 2] = ["time-slicing", "mps"];

impl GPUSharing {
    /// From the value of [`LABEL_GPU_SHARING`]; a node without the label shares nothing.
    pub fn of_label(value: Option<&str>) -> Self {
        match value {
            Some("time-slicing") => Self::TimeSlicing,
            Some("mps") => Self::Mps,
            Some("mig") => Self::Mig,
            _ => Self::Exclusive,
        }
    }

    /// The name in a run's environment.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "none",
            Self::TimeSlicing => "time-slicing",
            Self::Mps => "mps",
            Self::Mig => "mig",
        }
    }

    /// Whether two containers may be on one card at once.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::TimeSlicing | Self::Mps)
    }
}

/// What the operator was set up with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TestPodSettings {
    /// Our own image, which holds the program at its entry point and runs as a user that is not root.
    pub image: String,
    /// How it is pulled; left out, Kubernetes' default.
    pub image_pull_policy: Option<String>,
    /// A pull secret of the target's namespace for it.
    pub image_pull_secret: Option<String>,
    /// CPUs that the probe has for itself, as quantity.
    pub probe_cpu: String,
    /// Memory of the probe, as quantity.
    pub probe_memory: String,
}

impl TestPodSettings {
    /// The settings for an image, with every default: one CPU, so that the client keeps its schedule, and memory for a
    /// million requests.
    pub fn for_image(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            image_pull_policy: None,
            image_pull_secret: None,
            probe_cpu: "1".to_owned(),
            probe_memory: "1Gi".to_owned(),
        }
    }
}
