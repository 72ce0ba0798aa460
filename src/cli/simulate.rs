//! `phaseloop simulate`.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    output::{print, print_text},
    text::simulate_text,
};
use crate::{
    args::SimulateArguments,
    exit::Exit,
    simulation::{
        answer::{Answer, run_story},
        crash::disturbed_story,
        scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE, ScenarioFile, read_scenario},
        world::World,
    },
    yaml,
};

pub(super) fn run(arguments: &SimulateArguments) -> anyhow::Result<Exit> {
    let file = scenario_of(arguments)?;
    if arguments.crashes {
        return super::crashes::run(arguments, &file);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let watched = io::stderr().is_terminal();
    #[allow(clippy::disallowed_methods, reason = "wallSeconds is the one figure that the machine's clock gives")]
    let began = std::time::Instant::now();
    let progress = |night, nights| {
        if watched {
            let _ = write!(io::stderr(), "\rnight {night} of {nights}\x1b[K");
        }
    };
    let outcome = match arguments.crash_at {
        Some(point) => disturbed_story(&file, point, progress).map_err(anyhow::Error::from),
        None => runtime.block_on(Box::pin(run_story(&file, progress))).map_err(anyhow::Error::from),
    };
    if watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let (answer, world) = outcome?;
    let answer = Answer { wall_seconds: began.elapsed().as_secs_f64(), ..answer };
    if arguments.events {
        let lines: String = world.server.writes().iter().map(|write| format!("{write}\n")).collect();
        print_text(&lines)?;
    }
    if let Some(path) = &arguments.state {
        write_state(path, &world)?;
    }
    print(&answer, simulate_text, arguments.output)?;
    let came = answer.unmet.is_empty() && answer.invariants.violations_total == 0;
    Ok(if came { Exit::Success } else { Exit::Degraded })
}

fn scenario_of(arguments: &SimulateArguments) -> anyhow::Result<ScenarioFile> {
    let (name, text) = match &arguments.scenario {
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
            (path.display().to_string(), text)
        }
        None => (DEFAULT_SCENARIO_FILE.to_owned(), DEFAULT_SCENARIO.to_owned()),
    };
    let mut file = read_scenario(&name, &text)?;
    if let Some(seed) = arguments.seed {
        file.scenario.spec.seed = i64::from(seed);
    }
    if let Some(nights) = arguments.nights {
        file.scenario.spec.nights = i64::from(nights);
    }
    Ok(file)
}

/// All objects as one List. A file that is there is replaced as a whole.
fn write_state(path: &Path, world: &World) -> anyhow::Result<()> {
    let items: Vec<Value> = world.server.objects().into_iter().map(|(_, object)| object.value.clone()).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    fs::write(path, yaml::to_text(&list)?).with_context(|| format!("{} can't be written", path.display()))
}
