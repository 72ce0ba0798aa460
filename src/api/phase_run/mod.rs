//! PhaseRun: one run over a set of domains and its verdict; the unit of evidence.
//!
//! **What lives here**: its spec (this file), its status, and what its status keeps of measurements, both ways. **What
//! must not**: how a run is judged.

pub mod cross_check;
pub mod judged;
pub mod latency_bound;
pub mod measured;
pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use status::PhaseRunStatus;

use super::{
    analysis::{Analysis, Thresholds},
    default,
    duration::Duration,
    reference::TargetRef,
    schema,
    workload::{Placement, Slo, Workload},
};

/// Our own probe against an isolated replica that is built from the target's pod template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServingTest {
    /// The load.
    pub workload: Workload,
    /// Limits by which a request is good; without them the run has no fitness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// Load before anything is measured.
    #[serde(default = "default::serving_warmup")]
    pub warmup: Duration,
    /// Longest measuring; it ends earlier when every request is answered.
    #[serde(default = "default::serving_duration")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub duration: Duration,
}

/// One test suite of a run: exactly one of `serving` and `podTemplateName`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.serving) != has(self.podTemplateName)").message("give exactly one of serving and podTemplateName"))]
pub struct Domain {
    /// Name of the domain, unique within the run: `serving`, `chat`, `rag`.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// The built-in test of a model server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<ServingTest>,
    /// Name of a core/v1 PodTemplate of this namespace whose pod writes the PHASE report to `/phase/report.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub pod_template_name: Option<String>,
    /// Longest test of this domain; left out, what is left of the run's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub timeout: Option<Duration>,
    /// Thresholds of this domain; left out, those of `analysis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// Weight of this domain in the run's fitness.
    #[serde(default = "default::one")]
    #[schemars(range(min = 1, max = 100))]
    pub weight: i64,
}

/// What the test side of a run may take at most, all its pods together: the probes, and the containers of custom domains
/// that hold no GPU. The engine has what the target's pod template gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestResources {
    /// Memory.
    #[serde(default = "default::run_memory")]
    #[schemars(schema_with = "schema::quantity")]
    pub memory: String,
    /// CPUs.
    #[serde(default = "default::run_cpu")]
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: String,
}

impl Default for TestResources {
    fn default() -> Self {
        Self { memory: default::run_memory(), cpu: default::run_cpu() }
    }
}

/// What is run, and how it is judged. Nothing but `abort` can be changed once the run exists.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "phaseloop.dev",
    version = "v1alpha1",
    kind = "PhaseRun",
    plural = "phaseruns",
    singular = "phaserun",
    shortname = "phrun",
    category = "phaseloop",
    namespaced,
    status = "PhaseRunStatus",
    selectable = ".spec.targetRef.name",
    derive = "PartialEq",
    doc = "PhaseRun is one validation run over a set of domains, and its verdict. It never restarts, changes or loads the production pods: the built-in serving test measures an isolated replica made from the target's own pod template.",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict"),
    printcolumn(name = "Fitness", type_ = "string", json_path = ".status.summary.fitness"),
    printcolumn(name = "Symptoms", type_ = "string", json_path = ".status.summary.symptoms"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.summary.why", priority = 1),
    printcolumn(name = "Changed", type_ = "string", json_path = ".status.summary.changed", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.parallelism == 1 || !self.domains.exists(d, has(d.serving))").message("parallelism above 1 is only for domains without a GPU: serving domains on one card distort each other").field_path(".parallelism"))]
#[x_kube(validation = Rule::new("self.domains.all(d, !has(d.timeout) || duration(d.timeout) <= duration(self.timeout))").message("a domain's timeout must not be longer than the run's").field_path(".domains"))]
pub struct PhaseRunSpec {
    /// The model server that is tested.
    pub target_ref: TargetRef,
    /// The test suites. They run one after the other unless `parallelism` says otherwise.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<Domain>,
    /// Where the test's GPU comes from.
    #[serde(default)]
    pub placement: Placement,
    /// How long a test pod may wait for a node with a free GPU before the run is `Unknown/NoSpareGPU`, or
    /// `Unknown/Unschedulable` where something else lacks.
    #[serde(default = "default::gpu_wait_timeout")]
    pub gpu_wait_timeout: Duration,
    /// Whether the run's symptoms count towards an escalation.
    #[serde(default = "default::yes")]
    pub counts: bool,
    /// Domains that may run at the same time.
    #[serde(default = "default::one")]
    #[schemars(range(min = 1, max = 16))]
    pub parallelism: i64,
    /// Longest run.
    #[serde(default = "default::run_timeout")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub timeout: Duration,
    /// What the test side may take at most, the engine left out. A pod gets an equal part for each domain that may run at the
    /// same time; one that asks for more is refused, and what says no limit is given one.
    #[serde(default)]
    pub resources: TestResources,
    /// How the run is judged.
    #[serde(default)]
    pub analysis: Analysis,
    /// Ends the run at once: its pods are gone within 15 s. It can't be taken back.
    #[serde(default)]
    pub abort: bool,
}
