//! Running a scenario, reading what is there at its end, and what every story is held to.

use std::{env, fs, path::Path};

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

/// Users in whose name the operator writes.
const OPERATOR: &str = " system:serviceaccount:phaseloop-system:";

/// Holds the operator's ordered writes to `tests/snapshots/simulation/NAME.writes`; `UPDATE=1` writes that file anew.
pub(crate) fn assert_writes(story: &Story, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/simulation").join(format!("{name}.writes"));
    let writes: String =
        story.writes().iter().filter(|write| write.contains(OPERATOR)).map(|write| format!("{write}\n")).collect();
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &writes).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(writes.lines()).position(|(committed, write)| committed != write);
    let at = differs.unwrap_or_else(|| committed.lines().count().min(writes.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(no more writes)").to_owned();
    assert!(
        committed == writes,
        "{name}: the operator's writes differ from line {}:\n  committed {}\n  came      {}\n\
         if they should, run UPDATE=1 cargo test --test simulation",
        at + 1,
        line(&committed),
        line(&writes)
    );
}

/// Holds a story to what every story keeps: nothing expected is missing, no invariant is violated, and those that this
/// one is about (`i14_`, or the whole name) were put to the test.
pub(crate) fn assert_kept(story: &Story, invariants: &[&str]) {
    assert_eq!(story.answer.unmet, [] as [&str; 0], "the scenario's own expectation");
    let figures = &story.answer.invariants;
    assert_eq!(figures.violations, []);
    for asked in invariants {
        let evaluated = figures.evaluated.iter().find(|(name, _)| name.starts_with(asked)).map(|(_, count)| *count);
        assert!(evaluated.is_some_and(|count| count > 0), "{asked} was never put to the test: {evaluated:?}");
    }
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
