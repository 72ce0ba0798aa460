//! Nodes, cards, models, images and custom tests of a scenario.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Moment;
use crate::{
    api::{Duration, schema},
    simulation::engine::{Card, EngineRelease, ModelShape, preset},
};

/// A card that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum CardName {
    /// NVIDIA A100 40 GB.
    #[serde(rename = "A100-40GB")]
    A100,
    /// NVIDIA L40S 48 GB.
    L40S,
    /// NVIDIA H100 80 GB.
    H100,
    /// NVIDIA L4 24 GB.
    L4,
}

impl CardName {
    /// The card.
    pub fn card(self) -> Card {
        match self {
            Self::A100 => preset::a100_40gb(),
            Self::L40S => preset::l40s_48gb(),
            Self::H100 => preset::h100_80gb(),
            Self::L4 => preset::l4_24gb(),
        }
    }
}

/// A model that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ModelName {
    /// Llama 3.1 8B.
    #[serde(rename = "llama-3.1-8b")]
    Llama31,
    /// Llama 2 13B.
    #[serde(rename = "llama-2-13b")]
    Llama2,
    /// Code Llama 34B.
    #[serde(rename = "code-llama-34b")]
    CodeLlama,
    /// Llama 2 70B in 4 bits.
    #[serde(rename = "llama-2-70b-awq")]
    Llama2Large,
}

impl ModelName {
    /// Its shape.
    pub fn shape(self) -> ModelShape {
        match self {
            Self::Llama31 => preset::llama_3_1_8b(),
            Self::Llama2 => preset::llama_2_13b(),
            Self::CodeLlama => preset::code_llama_34b(),
            Self::Llama2Large => preset::llama_2_70b_awq(),
        }
    }
}

/// A release of the engine that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReleaseName {
    /// One whose serving stays near to what its start measured.
    #[serde(rename = "0.32.0")]
    Sound,
    /// One that keeps memory which its start does not see.
    #[serde(rename = "0.33.0")]
    Faulty,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioNode {
    /// Its name.
    #[schemars(schema_with = "schema::label")]
    pub name: String,
    /// Its cards.
    pub card: CardName,
    /// How many of them.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 16))]
    pub gpus: i64,
    /// CPUs.
    #[serde(default = "cpu")]
    #[schemars(schema_with = "schema::quantity")]
    pub cpu: String,
    /// Memory.
    #[serde(default = "memory")]
    #[schemars(schema_with = "schema::quantity")]
    pub memory: String,
}

fn one() -> i64 {
    1
}

fn cpu() -> String {
    "32".to_owned()
}

fn memory() -> String {
    "256Gi".to_owned()
}

/// What images and models are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioEngine {
    /// The models; an engine serves the one that it names, else the first.
    #[schemars(length(min = 1, max = 8))]
    pub models: Vec<ModelName>,
    /// The images.
    #[schemars(length(min = 1, max = 32))]
    pub images: Vec<ScenarioImage>,
}

/// An image with an engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioImage {
    /// As containers name it.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The release in it.
    pub release: ReleaseName,
    /// The version that it says of itself; left out, the release's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub version: Option<String>,
    /// How long a node pulls it.
    #[serde(default = "pull_time")]
    pub pull_time: Duration,
    /// Memory of its own that a release takes with the first request and does not see at its start, MiB; left out, the
    /// release's.
    #[serde(default, rename = "unseenMiB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub unseen_mib: Option<i64>,
    /// Memory beside the cache that grows with the tokens in it, as a share of the used blocks; left out, the release's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub workspace_share: Option<f64>,
}

fn pull_time() -> Duration {
    Duration(jiff::SignedDuration::from_secs(40))
}

impl ScenarioImage {
    /// The release in it.
    pub fn release(&self) -> EngineRelease {
        let mut release = match self.release {
            ReleaseName::Sound => preset::release_0_32(),
            ReleaseName::Faulty => preset::release_0_33(),
        };
        if let Some(version) = &self.version {
            release.version.clone_from(version);
        }
        if let Some(mib) = self.unseen_mib.and_then(|mib| u64::try_from(mib).ok()) {
            release.unprofiled_bytes = mib << 20;
        }
        if let Some(share) = self.workspace_share {
            release.cache_workspace_share = share;
        }
        release
    }
}

/// An image with a custom test, and what it finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioTest {
    /// As containers name it.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// How long it runs.
    #[schemars(schema_with = "schema::positive_duration")]
    pub duration: Duration,
    /// What it finds, from the beginning on, and from later nights on.
    #[schemars(length(min = 1, max = 64))]
    pub finds: Vec<ScenarioFinding>,
}

/// What a custom test finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioFinding {
    /// From when on; left out, from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Tests.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100_000))]
    pub tests: i64,
    /// Of a hundred tests, how many pass.
    #[serde(default = "all")]
    #[schemars(range(min = 0, max = 100))]
    pub pass_percent: f64,
    /// Mean latency, milliseconds.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub latency_ms: f64,
    /// Mean throughput.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub throughput: f64,
    /// By how much single tests differ, percent.
    #[serde(default = "five")]
    #[schemars(range(min = 0, max = 100))]
    pub spread_percent: f64,
}

fn hundred() -> i64 {
    100
}

fn all() -> f64 {
    100.0
}

fn five() -> f64 {
    5.0
}
