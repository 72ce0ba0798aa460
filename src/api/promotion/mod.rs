//! Promotion: the winner on its way to production, until a later run validates it or it is rolled back.
//!
//! **What lives here**: its spec (this file) and its status. **What must not**: the state machine.

pub mod status;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use phaseloop_core::value::{ParameterName, ParameterSet, SymptomKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use status::PromotionStatus;

use super::{
    default,
    duration::Duration,
    escalation::{Approval, Delivery, GitDelivery, status::UntriedCandidate},
    reference::TargetRef,
    schema,
    window::MaintenanceWindow,
};

/// A person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// Nobody has decided.
    #[default]
    Pending,
    /// Go on.
    Approved,
    /// Don't; the candidate is not tried again in this environment.
    Rejected,
}

/// The field that carries a parameter, and what stood there before: the pre-image that a rollback restores exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != self.absent").message("give value, or absent: true where the parameter was not set at all"))]
pub struct PreviousValue {
    /// The parameter.
    #[schemars(schema_with = "schema::parameter_name")]
    pub name: ParameterName,
    /// Where it stands in the target, as in `containers[vllm].args[--max-num-seqs]`.
    #[schemars(schema_with = "schema::field_address")]
    pub address: String,
    /// The text that stood there before, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::field_text")]
    pub value: Option<String>,
    /// Whether it was not set at all: then a rollback takes it away again.
    #[serde(default)]
    pub absent: bool,
    /// The text that the promotion puts there. Left out, it takes the field away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::field_text")]
    pub promoted: Option<String>,
}

/// The one ConfigMap that promoted values lie in. A change of it restarts nothing, so the target's pod template states a hash
/// of its data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotedConfigMap {
    /// Its name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Uid of the Promotion whose values it carries already; left out where it carries none.
    #[serde(default, rename = "previousPromotionUID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uid")]
    pub previous_promotion_uid: Option<String>,
    /// Hash of its data with the promoted values, which the pod template states while they are in. Other data give another.
    #[schemars(schema_with = "schema::digest")]
    pub hash: String,
    /// What the pod template stated before; left out where it stated nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::field_text")]
    pub previous_hash: Option<String>,
}

/// A domain that showed the symptom, and the load under which it did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromotedDomain {
    /// The domain.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Hash of its workload.
    #[schemars(schema_with = "schema::digest")]
    pub workload_hash: String,
}

/// The exact fitness of the winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.met <= self.offered").message("met must not be above offered"))]
pub struct FitnessCount {
    /// Requests within every limit.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub met: i64,
    /// Requests offered.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub offered: i64,
}

/// How the values came to win: what a reviewer asks first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Why they won, as one word.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// The same with figures.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Why the search ended, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reason")]
    pub search_ended: Option<String>,
    /// Candidates that were measured, those that an earlier night measured included.
    #[schemars(schema_with = "schema::count")]
    pub candidates_tried: i64,
    /// What was planned and not tried, and what was not planned because it failed in production before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub untried: Vec<UntriedCandidate>,
}

/// Who must approve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// Who decides.
    #[serde(default)]
    pub mode: Approval,
}

/// One change on its way to production. Nothing but `decision` and `approvedBy` can be changed once it exists.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "phaseloop.dev",
    version = "v1alpha1",
    kind = "Promotion",
    plural = "promotions",
    singular = "promotion",
    shortname = "tprom",
    category = "phaseloop",
    namespaced,
    status = "PromotionStatus",
    selectable = ".spec.targetRef.name",
    derive = "PartialEq",
    doc = "Promotion is one change on its way to production: made by an Escalation, approved by a person or by policy, applied inside a window, and rolled back exactly unless a later PhaseRun validates it in time. Another project has a kind of this name: write promotions.phaseloop.dev.",
    validation = Rule::new("has(self.status) || self.spec.decision == 'Pending'").message("decision is Pending when a Promotion is made: decide in a later request, once its status shows what is to be decided").field_path(".spec.decision"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(name = "Change", type_ = "string", json_path = ".status.summary.change"),
    printcolumn(name = "Delivery", type_ = "string", json_path = ".status.summary.delivery"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".status.summary.decision"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Validate By", type_ = "string", json_path = ".spec.validateBy"),
    printcolumn(name = "Approved By", type_ = "string", json_path = ".spec.approvedBy", priority = 1),
    printcolumn(name = "Validation", type_ = "string", json_path = ".status.validation.phaseRun", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("(self.decision == 'Pending') == !has(self.approvedBy)").message("approvedBy belongs to a decision: give both, or leave decision Pending and approvedBy out").field_path(".approvedBy"))]
#[x_kube(validation = Rule::new("(self.delivery == 'Git') == has(self.git)").message("git belongs to delivery Git: give both or neither").field_path(".git"))]
#[x_kube(validation = Rule::new("self.previous.all(p, p.name in self.parameters) && size(self.previous) == size(self.parameters)").message("previous must name every parameter that is changed, and no other").field_path(".previous"))]
pub struct PromotionSpec {
    /// Name of the Escalation that made it.
    #[schemars(schema_with = "schema::object_name")]
    pub escalation_name: String,
    /// Id of the cycle.
    #[schemars(schema_with = "schema::label")]
    pub cycle: String,
    /// The symptom that the change is for.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// The domains that showed the symptom: the validating run must cover each of them with the same load.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<PromotedDomain>,
    /// The model server that is changed.
    pub target_ref: TargetRef,
    /// Uid of the target.
    #[serde(rename = "targetUID")]
    #[schemars(schema_with = "schema::uid")]
    pub target_uid: String,
    /// Hash of the target's pod template before the change.
    #[schemars(schema_with = "schema::digest")]
    pub template_hash: String,
    /// The new values.
    #[schemars(schema_with = "promoted_parameters")]
    pub parameters: ParameterSet,
    /// What each of them was before, and where it stands.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub previous: Vec<PreviousValue>,
    /// The ConfigMap that values lie in; left out where all lie in the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<PromotedConfigMap>,
    /// Uid of the Promotion whose values the target carries already; left out where it carries none.
    #[serde(default, rename = "previousPromotionUID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uid")]
    pub previous_promotion_uid: Option<String>,
    /// Name of the canary that won.
    #[schemars(schema_with = "schema::object_name")]
    pub canary_name: String,
    /// Its fitness.
    pub fitness: FitnessCount,
    /// How it came to win; left out where nobody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// The way to production. `None` makes no Promotion.
    #[serde(default)]
    #[schemars(schema_with = "promoted_delivery")]
    pub delivery: Delivery,
    /// The value in Git; with delivery Git only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitDelivery>,
    /// Who must approve.
    #[serde(default)]
    pub approval: ApprovalSpec,
    /// Consents to a Patch of a target that Argo CD, Flux or Helm manages.
    #[serde(default)]
    pub allow_managed: bool,
    /// Consents to a rollout during which no replica serves.
    #[serde(default)]
    pub allow_downtime: bool,
    /// A person's decision: Pending until the operator has reported the Promotion in its status, then once Approved or
    /// Rejected.
    #[serde(default)]
    #[x_kube(validation = Rule::new("oldSelf == 'Pending' || self == oldSelf").message("a decision stands: it can't be changed or taken back"))]
    pub decision: Decision,
    /// User name of the person who decided; the admission policy demands that it is the requester's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("approvedBy stands once it is given"))]
    pub approved_by: Option<String>,
    /// Windows in which it may be applied.
    #[serde(default = "default::windows")]
    #[schemars(length(min = 1, max = 8))]
    pub windows: Vec<MaintenanceWindow>,
    /// How long the rollout may take before it is rolled back.
    #[serde(default = "default::rollout_timeout")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub rollout_timeout: Duration,
    /// By when a run must have validated it; else it is rolled back.
    pub validate_by: Timestamp,
}

fn promoted_parameters(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object", "minProperties": 1, "maxProperties": schema::PARAMETERS_MAX,
        "additionalProperties": { "type": "string", "maxLength": schema::VALUE_LENGTH_MAX },
    })
}

fn promoted_delivery(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": ["Patch", "Git"] })
}
