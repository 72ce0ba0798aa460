//! TuningCanary: one candidate, or the incumbent, in one isolated pod. The object is the reservation of its budget.
//!
//! **What lives here**: its spec (this file) and its status. **What must not**: how a candidate is judged.

pub mod status;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use phaseloop_core::value::{ParameterSet, SymptomKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use status::TuningCanaryStatus;

use super::{
    default,
    duration::Duration,
    escalation::CanaryLimits,
    reference::TargetRef,
    schema,
    workload::{Placement, Slo, Workload},
};

/// What a canary stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CanaryRole {
    /// What production runs now, measured first and under the same conditions.
    Incumbent,
    /// A value that may become better.
    Candidate,
}

/// What is reserved of both budgets before anything starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Of the measure budget.
    pub measure: Duration,
    /// Of the GPU-hold budget, times GPUs.
    pub hold: Duration,
}

/// One measurement. Nothing but `abort` can be changed once the canary exists.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "phaseloop.dev",
    version = "v1alpha1",
    kind = "TuningCanary",
    plural = "tuningcanaries",
    singular = "tuningcanary",
    shortname = "tcan",
    category = "phaseloop",
    namespaced,
    status = "TuningCanaryStatus",
    selectable = ".spec.targetRef.name",
    derive = "PartialEq",
    doc = "TuningCanary measures one candidate, or the incumbent, in one isolated vLLM pod. It is made by an Escalation before any pod, under a name that follows from target, night and attempt: the object is the reservation of the budgets, and a second controller collides with it. It needs an operator to begin, never to end.",
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "Parameters", type_ = "string", json_path = ".status.summary.parameters"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict"),
    printcolumn(name = "Fitness", type_ = "string", json_path = ".status.summary.fitness"),
    printcolumn(name = "Used", type_ = "string", json_path = ".status.summary.used"),
    printcolumn(name = "Night", type_ = "string", json_path = ".spec.night", priority = 1),
    printcolumn(name = "Failure", type_ = "string", json_path = ".status.failure.class", priority = 1),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("(self.role == 'Candidate') == (size(self.parameters) > 0)").message("a Candidate sets at least one parameter, an Incumbent sets none").field_path(".parameters"))]
#[x_kube(validation = Rule::new("self.role == 'Incumbent' || size(self.consumes) == 0").message("only the Incumbent consumes runs: one canary of a tuning run says it, once").field_path(".consumes"))]
#[x_kube(validation = Rule::new("duration(self.measure) <= duration(self.reserved.measure)").message("reserved.measure must cover measure: nothing runs that is not reserved").field_path(".reserved.measure"))]
pub struct TuningCanarySpec {
    /// Name of the Escalation that it belongs to.
    #[schemars(schema_with = "schema::object_name")]
    pub escalation_name: String,
    /// Id of the cycle.
    #[schemars(schema_with = "schema::label")]
    pub cycle: String,
    /// The symptom that it is for.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// The night, by the local date on which its window began.
    #[schemars(schema_with = "schema::night")]
    pub night: String,
    /// Number of the canary in its night, from 0 and without gaps.
    #[schemars(range(min = 0, max = 127))]
    pub attempt: i64,
    /// Uids of the runs whose symptoms this tuning run consumes; on the incumbent only.
    #[serde(default)]
    #[schemars(schema_with = "schema::uids")]
    pub consumes: Vec<String>,
    /// After this instant no pod is made and nothing of it may run.
    pub not_after: Timestamp,
    /// What it stands for.
    pub role: CanaryRole,
    /// The values that it sets.
    #[serde(default)]
    #[schemars(schema_with = "schema::parameter_set")]
    pub parameters: ParameterSet,
    /// The model server whose template is measured.
    pub target_ref: TargetRef,
    /// Uid of the target: another object of the same name is another target.
    #[serde(rename = "targetUID")]
    #[schemars(schema_with = "schema::uid")]
    pub target_uid: String,
    /// Hash of the target's pod template that the candidate was planned on.
    #[schemars(schema_with = "schema::digest")]
    pub template_hash: String,
    /// The load.
    pub workload: Workload,
    /// Limits by which a request is good.
    pub slo: Slo,
    /// What the measurement must hold.
    #[serde(default)]
    pub limits: CanaryLimits,
    /// Measuring, warm-up included.
    #[serde(default = "default::canary_measure")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub measure: Duration,
    /// Longest start of the engine.
    #[serde(default = "default::canary_start_timeout")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub start_timeout: Duration,
    /// Grace of the pod's containers.
    #[serde(default = "default::canary_grace")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub grace: Duration,
    /// Measurements.
    #[serde(default = "default::canary_repeats")]
    #[schemars(range(min = 1, max = 10))]
    pub repeats: i64,
    /// Where the GPU comes from.
    #[serde(default)]
    pub placement: Placement,
    /// What is reserved of both budgets.
    pub reserved: Reservation,
    /// Ends the canary at once: its containers are gone within 15 s. It can't be taken back.
    #[serde(default)]
    pub abort: bool,
}
