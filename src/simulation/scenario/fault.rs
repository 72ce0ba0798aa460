//! What goes wrong in a scenario.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Moment;
use crate::{
    api::{Duration, schema},
    simulation::operator::RequestTrouble,
};

/// Something that goes wrong: exactly one of what follows `at` and `lasting`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioFault {
    /// When it begins.
    pub at: Moment,
    /// How long it lasts, where it lasts.
    #[serde(default = "minute")]
    pub lasting: Duration,
    /// The process of this replica ends, and a new one starts when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4))]
    pub kill_operator: Option<i64>,
    /// The process of this replica stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4))]
    pub pause_operator: Option<i64>,
    /// Requests of the operator meet with trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestsFault>,
    /// The kubelet of this node no longer reports; its containers run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub lose_node: Option<String>,
    /// Every test pod is evicted, with these words of the kubelet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub evict_test_pods: Option<String>,
    /// This image can't be pulled by nodes that do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub lose_image: Option<String>,
    /// Engines that start meanwhile find less of their card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuFault>,
    /// Load clients that start meanwhile get no processor for a part of every second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starve_client: Option<StarvedClient>,
}

fn minute() -> Duration {
    Duration(jiff::SignedDuration::from_mins(1))
}

/// Trouble with requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestsFault {
    /// What goes wrong.
    pub trouble: TroubleName,
    /// With requests for this resource only, as in `pods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub resource: Option<String>,
    /// With how many of a hundred.
    #[serde(default = "all")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: i64,
}

fn all() -> i64 {
    100
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TroubleName {
    /// 503, nothing is carried out.
    Unavailable,
    /// 429, nothing is carried out.
    TooMany,
    /// The connection breaks before anything is carried out.
    Broken,
    /// It is carried out, and the connection breaks before the answer.
    ReplyLost,
    /// It is carried out, and the answer is 504.
    OutcomeUnknown,
    /// No answer ever comes.
    Hangs,
}

impl From<TroubleName> for RequestTrouble {
    fn from(name: TroubleName) -> Self {
        match name {
            TroubleName::Unavailable => Self::Unavailable,
            TroubleName::TooMany => Self::TooMany,
            TroubleName::Broken => Self::Broken,
            TroubleName::ReplyLost => Self::ReplyLost,
            TroubleName::OutcomeUnknown => Self::OutcomeUnknown,
            TroubleName::Hangs => Self::Hangs,
        }
    }
}

/// What engines find on their card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuFault {
    /// On this node only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub node: Option<String>,
    /// Memory that somebody else holds, MiB.
    #[serde(default, rename = "usedMiB")]
    #[schemars(range(min = 0, max = 200_000))]
    pub used_mib: i64,
    /// By how much every step takes longer: 1 is a card of one's own.
    #[serde(default = "own")]
    #[schemars(range(min = 1, max = 100))]
    pub slowdown: f64,
}

fn own() -> f64 {
    1.0
}

/// A load client that is starved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StarvedClient {
    /// Of every second, how much it loses.
    #[schemars(schema_with = "schema::positive_duration")]
    pub loses: Duration,
}

impl ScenarioFault {
    /// How many things it says that go wrong: exactly one is right.
    pub(super) fn things(&self) -> usize {
        [
            self.kill_operator.is_some(),
            self.pause_operator.is_some(),
            self.requests.is_some(),
            self.lose_node.is_some(),
            self.evict_test_pods.is_some(),
            self.lose_image.is_some(),
            self.gpu.is_some(),
            self.starve_client.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }
}
