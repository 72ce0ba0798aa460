//! Running a scenario, reading what is there at its end, and what every story is held to.

use std::{env, fs, path::Path};

use phaseloop::{
    cli::simulate_text,
    simulation::{
        answer::{Answer, run_prepared},
        scenario::{prepare, read_scenario},
        world::{World, WorldSettings},
    },
};
use serde_json::Value;

/// A scenario at its end.
pub(crate) struct Story {
    pub(crate) answer: Answer,
    world: World,
}

/// Runs of a PHASE, as the API server names them.
pub(crate) const RUNS: &str = "phaseruns.phaseloop.dev";
/// Escalations.
pub(crate) const ESCALATIONS: &str = "escalations.phaseloop.dev";
/// Canaries.
pub(crate) const CANARIES: &str = "tuningcanaries.phaseloop.dev";
/// Promotions.
pub(crate) const PROMOTIONS: &str = "promotions.phaseloop.dev";
/// The namespace of scenarios that name none.
const NAMESPACE: &str = "chat";

impl Story {
    /// Runs a scenario of `scenarios/` to its end.
    pub(crate) fn in_file(name: &str) -> Self {
        let file = format!("scenarios/{name}.yaml");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
        Self::of(&file, &text)
    }

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

    /// Every version of an object of the scenario's namespace, oldest first.
    pub(crate) fn versions(&self, resource: &str, name: &str) -> Vec<Value> {
        let versions = self.world.server.versions_of(resource, NAMESPACE, name);
        versions.iter().map(|change| change.object.value.clone()).collect()
    }

    /// Every version of every object, with its resource, oldest first.
    pub(crate) fn all_versions(&self) -> Vec<(String, Value)> {
        let changes = self.world.server.changes_after(0).into_iter();
        changes.map(|change| (change.resource.to_string(), change.object.value.clone())).collect()
    }

    /// The verdicts of the runs, oldest first.
    pub(crate) fn verdicts(&self) -> Vec<String> {
        self.objects(RUNS).iter().map(|run| text(run, "/status/verdict").to_owned()).collect()
    }

    /// What the operator told in events of a reason, as `NAME: note`.
    pub(crate) fn events(&self, reason: &str) -> Vec<String> {
        let events = self.objects("events").into_iter();
        let told = events.filter(|event| text(event, "/reason") == reason);
        told.map(|event| format!("{}: {}", text(&event, "/regarding/name"), text(&event, "/note"))).collect()
    }

    /// Writes of the operator to a resource.
    pub(crate) fn operator_writes(&self, resource: &str) -> usize {
        let own = |write: &&String| write.contains(OPERATOR) && write.contains(&format!(" {resource} "));
        self.writes().iter().filter(own).count()
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
    let writes: String =
        story.writes().iter().filter(|write| write.contains(OPERATOR)).map(|write| format!("{write}\n")).collect();
    assert_committed(&format!("{name}.writes"), &writes);
}

/// Holds what `phaseloop simulate` prints to `tests/snapshots/simulation/NAME.txt`, but for the line of the figures that
/// say how much work it was.
pub(crate) fn assert_told(story: &Story, name: &str) {
    let is_work = |line: &str| line.contains(" nights in ") && line.contains(" invariants ");
    let text = simulate_text(&story.answer);
    let told: String = text.lines().filter(|line| !is_work(line)).map(|line| format!("{line}\n")).collect();
    assert_committed(&format!("{name}.txt"), &told);
}

#[allow(clippy::disallowed_methods, reason = "the switch that writes snapshots anew is an environment variable")]
fn assert_committed(name: &str, came: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/simulation").join(name);
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, came).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(came.lines()).position(|(committed, line)| committed != line);
    let at = differs.unwrap_or_else(|| committed.lines().count().min(came.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(nothing more)").to_owned();
    assert!(
        committed == came,
        "{name} differs from line {}:\n  committed {}\n  came      {}\n\
         if it should, run UPDATE=1 cargo test --test simulation",
        at + 1,
        line(&committed),
        line(came)
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

/// The condition of a type.
pub(crate) fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.and_then(|all| all.iter().find(|one| one["type"] == type_)).unwrap_or(&Value::Null)
}

/// The flag of a symptom.
pub(crate) fn flag<'a>(escalation: &'a Value, symptom: &str) -> &'a Value {
    let flags = escalation.pointer("/status/flags").and_then(Value::as_array);
    flags.and_then(|all| all.iter().find(|one| one["symptom"] == symptom)).unwrap_or(&Value::Null)
}

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
