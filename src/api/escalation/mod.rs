//! Escalation: the policy of one target. Which symptoms, what may be tuned, within which bounds.
//!
//! **What lives here**: its spec (this file and its parts) and its status. **What must not**: the gates themselves.

pub mod delivery;
pub mod flag;
pub mod ledger;
pub mod rule;
pub mod safety;
pub mod search;
pub mod status;
pub mod tuning;

pub use delivery::{Approval, Delivery, GitDelivery, PromotionPolicy};
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
pub use rule::SymptomRule;
pub use safety::{Rate, Safety};
use schemars::JsonSchema;
pub use search::{CanaryLimits, CanaryPolicy, Search, Strategy};
use serde::{Deserialize, Serialize};
pub use status::EscalationStatus;

use super::{parameter::TunableParameter, reference::TargetRef};

/// Stops everything that this Escalation could begin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspend {
    /// Why, for those who read it later.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Until when; left out, until the field is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The policy of one target. `targetRef` alone is valid: all symptom kinds, the catalogue's parameters that fit the
/// symptom, the workload and limits of the domain that raised it, delivery by patch after a person's approval.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "phaseloop.dev",
    version = "v1alpha1",
    kind = "Escalation",
    plural = "escalations",
    singular = "escalation",
    shortname = "esc",
    category = "phaseloop",
    namespaced,
    status = "EscalationStatus",
    selectable = ".spec.targetRef.name",
    derive = "PartialEq",
    doc = "Escalation is the policy of one target: when a repeated symptom permits tuning, what may be tuned within which bounds and budgets, and how the winner reaches production. Its status shows flags, gates and what has been spent. A second Escalation for the same target is Stalled; the older one holds.",
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetRef.name"),
    printcolumn(name = "Flag", type_ = "string", json_path = ".status.summary.flag"),
    printcolumn(name = "Gates", type_ = "string", json_path = ".status.summary.gates"),
    printcolumn(name = "Tuning", type_ = "string", json_path = ".status.summary.tuning"),
    printcolumn(name = "Suspended", type_ = "string", json_path = ".spec.suspend.reason", priority = 1),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Stalled')].reason",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct EscalationSpec {
    /// The model server. It can't be changed: counts, budgets and history belong to it.
    #[x_kube(validation = Rule::new("self == oldSelf").message("targetRef is immutable: counts, budgets and history belong to one target; make another Escalation"))]
    pub target_ref: TargetRef,
    /// When a symptom arms its flag. Left out: every kind of symptom that tuning can help, each with the defaults below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["symptom".into()]))]
    pub rules: Vec<SymptomRule>,
    /// What may be tuned. Left out: the parameters of the catalogue that fit the symptom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub parameters: Vec<TunableParameter>,
    /// How candidates are searched.
    #[serde(default)]
    pub search: Search,
    /// How a candidate is measured.
    #[serde(default)]
    pub canary: CanaryPolicy,
    /// When tuning may happen, and what it may cost.
    #[serde(default)]
    pub safety: Safety,
    /// How a winner reaches production.
    #[serde(default)]
    pub promotion: PromotionPolicy,
    /// Stops everything that this Escalation could begin; what runs is ended. Remove the field to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
}
