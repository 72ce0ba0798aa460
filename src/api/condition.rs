//! Conditions: `metav1.Condition` on the wire, typed in code.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// What a condition is about. `Ready`, `Reconciling` and `Stalled` follow kstatus, so that `kubectl wait`, Argo CD and
/// Flux understand them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// The object does, or has done, what it is for.
    Ready,
    /// Work on it is going on.
    Reconciling,
    /// It can't go on until a person changes something.
    Stalled,
    /// Escalation: a maintenance window is open.
    WindowOpen,
    /// Escalation: both budgets of the night hold at least one more canary.
    BudgetAvailable,
    /// Escalation: enough time has passed since the last tuning run.
    CooldownElapsed,
    /// Escalation: fewer tuning runs than the rate allows.
    RateAvailable,
    /// Escalation: no other tuning run, no unvalidated promotion, nothing left behind on the target.
    TargetFree,
    /// Escalation: nobody has suspended it.
    NotSuspended,
    /// Escalation: the maintenance window leaves no instant between a run's verdict and the flag's expiry.
    PhaseOutlastsWindow,
    /// Escalation and PhaseRun: the administrator's policy was read and is valid.
    PolicyValid,
    /// TuningCanary and PhaseRun: everything taken has been given back, and the containers are reported terminated.
    Restored,
    /// Promotion: the change is approved, or needs no approval.
    Approved,
    /// Promotion: the new pods are rolled out.
    RolledOut,
    /// Promotion: a later run has confirmed it.
    Validated,
    /// A condition that another program wrote.
    #[serde(untagged)]
    Foreign(String),
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell.
    Unknown,
}

/// One condition of an object. The message carries the figure, the limit and the next instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the condition is about, in CamelCase. Unique within the list.
    #[serde(rename = "type")]
    #[schemars(schema_with = "condition_type")]
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The `metadata.generation` it was judged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// Why, as one CamelCase word of the reference of reasons.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// Why, as a sentence with the figure, the limit and the next instant.
    #[schemars(schema_with = "schema::message")]
    pub message: String,
}

fn condition_type(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string", "minLength": 1, "maxLength": 316,
        "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_another_program_wrote_is_kept() {
        let foreign: ConditionType = serde_json::from_value("argocd.io/Synced".into()).unwrap();
        assert_eq!(foreign, ConditionType::Foreign("argocd.io/Synced".into()));
        assert_eq!(serde_json::to_value(&foreign).unwrap(), "argocd.io/Synced");
        let own: ConditionType = serde_json::from_value("WindowOpen".into()).unwrap();
        assert_eq!(own, ConditionType::WindowOpen);
        assert_eq!(serde_json::to_value(&own).unwrap(), "WindowOpen");
    }
}
