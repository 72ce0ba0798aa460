//! What a simulated story is told by: taken from the objects on the API server and their history, never from the
//! simulation's own workings.
//!
//! **What lives here**: the answer as a value, how it is gathered, and whether it is what a scenario expects.
//!
//! **What must not**: layout (`cli::text`), and any figure that no object carries.

mod expected;
mod gather;
mod night;
mod promotion;
mod story;

pub use expected::unmet;
pub use gather::gather;
pub use night::{
    CanaryLine, DomainLine, FlagLine, GateLine, NightLine, PromotionLine, StepLine, SymptomLine, TuningLine,
};
pub use story::{Story, StoryError, begin_story, run_in, run_prepared, run_story};

use serde::Serialize;

use super::oracle::InvariantFigures;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub description: String,
    /// The seed that all chance was drawn from.
    pub seed: i64,
    /// The zone of all times that are told to people.
    pub time_zone: String,
    /// Targets, as `Deployment chat/llama-8b`.
    pub targets: Vec<String>,
    /// The nights, oldest first; those before night 1 are the history.
    pub nights: Vec<NightLine>,
    /// Every canary, in the order in which they were made.
    pub canaries: Vec<CanaryLine>,
    /// Every promotion.
    pub promotions: Vec<PromotionLine>,
    /// Engine flags of the targets' templates at the end, by target.
    pub engine_flags: std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>,
    /// Candidates that are denied at the end.
    pub denied: usize,
    /// Decisions about promotions that the API server refused.
    pub refused_decisions: usize,
    /// Things that happened.
    pub events: u64,
    /// Writes that the API server was asked for.
    pub writes: usize,
    /// How often each invariant was evaluated, and what was violated.
    pub invariants: InvariantFigures,
    /// What the scenario expected and did not come; empty also where it expects nothing.
    pub unmet: Vec<String>,
    /// Seconds that it took, by the wall clock: the only figure that differs between two runs of one seed.
    pub wall_seconds: f64,
}
