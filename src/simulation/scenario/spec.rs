//! What a scenario file says, as types.

use std::sync::LazyLock;

use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    event::ScenarioEvent,
    expectation::Expectation,
    fault::ScenarioFault,
    machine::{ScenarioEngine, ScenarioNode, ScenarioTest},
};
use crate::api::{Duration, crds::tidy, promotion::Decision, schema, window::TimeZoneName};

/// A scenario: the first document of a file. What follows it are ordinary manifests, applied at the beginning: targets, objects
/// of ours, and what else there is around them, as an autoscaler or a disruption budget of a target.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "simulation.phaseloop.dev",
    version = "v1alpha1",
    kind = "Scenario",
    plural = "scenarios",
    singular = "scenario",
    derive = "PartialEq"
)]
pub struct ScenarioSpec {
    /// What it shows, in a sentence.
    #[schemars(length(min = 1, max = 500))]
    pub description: String,
    /// What all chance is drawn from.
    #[serde(default = "seven")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub seed: i64,
    /// Date of night 1.
    #[schemars(regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub start_date: String,
    /// Zone of all times of day in this file, and of what is told.
    #[serde(default)]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: TimeZoneName,
    /// Nights that are told.
    #[schemars(range(min = 1, max = 400))]
    pub nights: i64,
    /// Nights before night 1, so that there is something to compare with: night 0, -1, and so on.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60))]
    pub nights_before: i64,
    /// Namespace of every object that names none.
    #[serde(default = "chat")]
    #[schemars(schema_with = "schema::label")]
    pub namespace: String,
    /// The nodes.
    #[schemars(length(min = 1, max = 64))]
    pub nodes: Vec<ScenarioNode>,
    /// What images and models are.
    pub engine: ScenarioEngine,
    /// Images of custom tests.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub tests: Vec<ScenarioTest>,
    /// The operator.
    #[serde(default)]
    pub operator: ScenarioOperator,
    /// What people do.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub events: Vec<ScenarioEvent>,
    /// What goes wrong around the engine.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub faults: Vec<ScenarioFault>,
    /// What people decide about promotions: the first one gets the first decision, and so on; the last one holds on.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub decisions: Vec<ScenarioDecision>,
    /// What must come of it.
    #[serde(default)]
    pub expect: Expectation,
}

/// How the operator runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioOperator {
    /// Replicas; the first one leads.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: i64,
    /// Longest delay of a notice of a change.
    #[serde(default = "none")]
    pub notice_delay: Duration,
    /// How many of a hundred notices are lost until everything is listed again.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub notices_lost_percent: i64,
    /// Whether the seed decides the order of what happens at one instant.
    #[serde(default)]
    pub random_order: bool,
}

impl Default for ScenarioOperator {
    fn default() -> Self {
        Self { replicas: one(), notice_delay: none(), notices_lost_percent: 0, random_order: false }
    }
}

/// What somebody decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioDecision {
    /// The decision.
    pub decision: Decision,
    /// Who.
    #[schemars(length(min = 1, max = 64))]
    pub by: String,
    /// How long after the promotion began to wait for it.
    #[serde(default = "none")]
    pub after: Duration,
}

fn seven() -> i64 {
    7
}

fn one() -> i64 {
    1
}

fn none() -> Duration {
    Duration(jiff::SignedDuration::ZERO)
}

fn chat() -> String {
    "chat".to_owned()
}

/// The schema of a scenario's document, read from the text that is committed: making it from the types takes most of the time
/// that reading a scenario takes. A test holds it equal to what the types make.
pub fn scenario_schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("schema.json")).unwrap_or_else(|_no_json| made_schema()));
    &SCHEMA
}

/// The text of [`scenario_schema`], as committed in `src/simulation/scenario/schema.json`.
pub fn scenario_schema_text() -> String {
    format!("{}\n", made_schema())
}

fn made_schema() -> Value {
    let definition = serde_json::to_value(Scenario::crd()).unwrap_or_default();
    let mut schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
    tidy(&mut schema);
    schema
}
