//! What must come of a scenario: what makes it a test.

use phaseloop_core::value::{SymptomKind, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{escalation::status::FlagState, promotion::status::PromotionPhase, schema};

/// What must come of a scenario. What is left out is not looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// Night by night.
    #[serde(default)]
    #[schemars(length(max = 400))]
    pub nights: Vec<ExpectedNight>,
    /// Every promotion, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub promotions: Option<Vec<ExpectedPromotion>>,
    /// How many canaries there were in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub canaries: Option<i64>,
    /// How many candidates are denied at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 64))]
    pub denied: Option<i64>,
    /// How many decisions about promotions the API server refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 64))]
    pub refused_decisions: Option<i64>,
    /// Flags of the engine in the targets' templates at the end, as `gpu-memory-utilization`, with their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub engine_flags: Option<Vec<ExpectedFlag>>,
}

/// A flag of an engine at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedFlag {
    /// The flag.
    #[schemars(schema_with = "schema::label")]
    pub flag: String,
    /// Its value; left out, it must not be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
}

/// What must come of a night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedNight {
    /// Which night.
    #[schemars(range(min = -60, max = 400))]
    pub night: i64,
    /// Which of its runs, in the order in which they started: what follows is about this one, and about what came of it
    /// until the next.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 96))]
    pub run: i64,
    /// The verdict of its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::verdict")]
    pub verdict: Option<Verdict>,
    /// The kinds of symptoms of its run, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "symptom_kinds")]
    pub symptoms: Option<Vec<SymptomKind>>,
    /// The domains that degraded, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub degraded_domains: Option<Vec<String>>,
    /// Flags, as they stood when the night was over, or where they changed in it.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub flags: Vec<ExpectedFlagState>,
    /// How many candidates were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 128))]
    pub candidates: Option<i64>,
    /// The winner, as `gpu-memory-utilization=0.75`; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub winner: Option<String>,
    /// Why the tuning run ended, as one word of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub tuning_ended: Option<String>,
}

fn first() -> i64 {
    1
}

fn symptom_kinds(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 8,
        "items": { "type": "string", "enum": SymptomKind::ALL.map(SymptomKind::name) },
    })
}

/// A flag in a night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedFlagState {
    /// The kind of symptom.
    #[schemars(schema_with = "schema::symptom_kind")]
    pub symptom: SymptomKind,
    /// A state that it had in the night, until the next one.
    pub state: FlagState,
    /// How many runs counted, at most, in the night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 400))]
    pub count: Option<i64>,
}

/// What must become of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedPromotion {
    /// The night whose tuning run made it.
    #[schemars(range(min = -60, max = 400))]
    pub night: i64,
    /// What it sets, as `gpu-memory-utilization=0.75`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub change: Option<String>,
    /// Where it ended, or stands at the end.
    pub phase: PromotionPhase,
}
