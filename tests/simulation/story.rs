//! Running a scenario, and reading what is there at its end.

use phaseloop::simulation::{
    answer::{Answer, run_story},
    scenario::read_scenario,
    world::World,
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
        let file = read_scenario(file, text).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (answer, world) = runtime.block_on(Box::pin(run_story(&file, |_, _| {}))).unwrap();
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
