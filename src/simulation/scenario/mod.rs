//! Scenario files: a cluster, a story, and what must come of it.
//!
//! **What lives here**: the format, reading it with every fault in its place, the calendar of its nights, and turning it
//! into a world with everything that happens in it.
//!
//! **What must not**: the world's workings, and what is told of a run. Figures of cards, models and releases are the
//! engine's presets.
#![allow(unreachable_pub, reason = "the schema derive repeats each type inside a function, where `pub` reaches nobody")]

mod build;
mod calendar;
mod event;
mod expectation;
mod fault;
mod machine;
mod manifest;
mod read;
mod spec;

pub use build::{Prepared, prepare};
pub use calendar::{Calendar, CalendarError};
pub use event::{Moment, ScenarioEvent};
pub use expectation::{Expectation, ExpectedNight, ExpectedPromotion};
pub use fault::ScenarioFault;
pub use machine::{CardName, ModelName, ScenarioEngine, ScenarioNode, ScenarioTest};
pub use manifest::Manifest;
pub use read::{SCENARIO_BYTES_MAX, ScenarioFile, read_scenario};
pub use spec::{Scenario, ScenarioDecision, ScenarioOperator, ScenarioSpec, scenario_schema, scenario_schema_text};

/// The scenario that runs where no file is named.
pub const DEFAULT_SCENARIO: &str = include_str!("../../../scenarios/four-nights.yaml");
/// The name under which faults in it are told.
pub const DEFAULT_SCENARIO_FILE: &str = "scenarios/four-nights.yaml";

#[cfg(test)]
mod tests;
