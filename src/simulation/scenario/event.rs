//! What people do in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{promotion::Decision, reference::TargetKind, schema};

/// An instant: a time of day on the date of a night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// The night: 1 is the first that is told, 0 the one before.
    #[schemars(range(min = -60, max = 401))]
    pub night: i64,
    /// The time of day, in the scenario's zone. Left out: half past midnight, before the night's tests.
    #[serde(default = "before_tests")]
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"))]
    pub time: String,
}

fn before_tests() -> String {
    "00:30".to_owned()
}

/// Something that somebody does: exactly one of what follows `at` and `by`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioEvent {
    /// When.
    pub at: Moment,
    /// Who.
    #[serde(default = "somebody")]
    #[schemars(length(min = 1, max = 64))]
    pub by: String,
    /// Changes the engine's container of a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// Changes the number of a target's replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Applies an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub apply: Option<Value>,
    /// Deletes an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<ObjectReference>,
    /// Decides about every promotion that waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide: Option<EventDecision>,
    /// Aborts every run and every canary that has not ended.
    #[serde(default)]
    pub abort_tests: bool,
}

/// A decision about every promotion that waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventDecision {
    /// The decision.
    pub decision: Decision,
    /// In whose name; left out, in one's own. The API server refuses a decision in the name of somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub in_name_of: Option<String>,
}

fn somebody() -> String {
    "anna".to_owned()
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Changes to the engine's container of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// Kind of the target.
    #[serde(default = "deployment")]
    pub kind: TargetKind,
    /// Name of the target.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// The new image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Flags with their new values.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub flags: Vec<FlagChange>,
}

fn deployment() -> TargetKind {
    TargetKind::Deployment
}

/// A flag of the engine with its new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagChange {
    /// The flag, as `gpu-memory-utilization`.
    #[schemars(schema_with = "schema::label")]
    pub flag: String,
    /// The value, as text; left out, the flag is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
}

/// A target with its new number of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Kind of the target.
    #[serde(default = "deployment")]
    pub kind: TargetKind,
    /// Name of the target.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Replicas.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i64,
}

/// An object of the scenario's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Group and version, as in `apps/v1`.
    #[schemars(length(min = 1, max = 128))]
    pub api_version: String,
    /// Kind.
    #[schemars(length(min = 1, max = 64))]
    pub kind: String,
    /// Name.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

impl ScenarioEvent {
    /// How many things it says that somebody does: exactly one is right.
    pub(super) fn things(&self) -> usize {
        [
            self.edit.is_some(),
            self.scale.is_some(),
            self.apply.is_some(),
            self.delete.is_some(),
            self.decide.is_some(),
            self.abort_tests,
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }
}
