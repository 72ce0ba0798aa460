//! Running a scenario, and reading what is there at its end.

use phaseloop::simulation::{
    scenario::{prepare, read_scenario},
    world::{Action, World},
};
use serde_json::Value;

/// A world at the end of its scenario.
pub(crate) struct Story {
    world: World,
}

impl Story {
    /// Runs a scenario to its end.
    pub(crate) fn of(file: &str, text: &str) -> Self {
        let file = read_scenario(file, text).unwrap();
        let prepared = prepare(&file).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let world = runtime.block_on(async {
            let mut world = World::new(prepared.settings).unwrap();
            for manifest in &file.manifests {
                let object = Box::new(manifest.object.clone());
                world.add_action(prepared.calendar.beginning(), Action::Apply { user: "anna".to_owned(), object });
            }
            for (at, action) in prepared.actions {
                world.add_action(at, action);
            }
            world.run_until(prepared.calendar.end()).await.unwrap();
            world
        });
        assert_eq!(world.refused(), &[] as &[String], "the API server takes every manifest");
        Self { world }
    }

    /// The objects of a resource, by name.
    pub(crate) fn objects(&self, resource: &str) -> Vec<Value> {
        let objects = self.world.server.objects().into_iter();
        objects.filter(|(of, _)| &**of == resource).map(|(_, object)| object.value.clone()).collect()
    }

    /// What the oracles found.
    pub(crate) const fn world(&self) -> &World {
        &self.world
    }
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
