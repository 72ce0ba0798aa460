//! The stories whose operator is disturbed.

use phaseloop::simulation::scenario::{ScenarioFile, read_scenario};

/// A short story with every kind of write in it.
pub(crate) fn two_nights() -> ScenarioFile {
    read_scenario("two-nights.yaml", include_str!("two-nights.yaml")).unwrap()
}
