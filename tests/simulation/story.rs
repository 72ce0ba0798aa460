//! Running a scenario, and reading what is there at its end.

use phaseloop::simulation::{
    answer::{Answer, run_prepared},
    scenario::{prepare, read_scenario},
    world::{World, WorldSettings},
};
use serde_json::Value;

/// A scenario at its end.
pub(crate) struct Story {
    pub(crate) answer: Answer,
    world: World,
}

impl Story {
    /// Runs a scenario to its end.
    pub(crate) fn of(file: &str, text: &str) -> Self {
        Self::adjusted(file, text, |_| {})
    }

    /// Runs a scenario in a world that differs from what it says.
    pub(crate) fn adjusted(file: &str, text: &str, adjust: impl FnOnce(&mut WorldSettings)) -> Self {
        let file = read_scenario(file, text).unwrap();
        let mut prepared = prepare(&file).unwrap();
        adjust(&mut prepared.settings);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (answer, world) = runtime.block_on(Box::pin(run_prepared(&file, prepared, |_, _| {}))).unwrap();
        Self { answer, world }
    }

    /// The objects of a resource, by name.
    pub(crate) fn objects(&self, resource: &str) -> Vec<Value> {
        let objects = self.world.server.objects().into_iter();
        objects.filter(|(of, _)| &**of == resource).map(|(_, object)| object.value.clone()).collect()
    }

    /// The ordered writes, a line each.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.world.server.writes().iter().map(ToString::to_string).collect()
    }
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
