//! `phaseloop simulate`.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    input::read_text,
    output::{print, print_text},
    simulate_remote,
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
    #[allow(clippy::disallowed_methods, reason = "wallSeconds is the one figure that the machine's clock gives")]
    let began = std::time::Instant::now();
    let told = |night, nights| progress(&night_of(night, nights));
    let (answer, world) = match (&arguments.kubeconfig, arguments.crash_at) {
        (Some(kubeconfig), _) => simulate_remote::run(&runtime, &file, kubeconfig, arguments)?,
        (None, point) => {
            let outcome = match point {
                Some(point) => disturbed_story(&file, point, told).map_err(anyhow::Error::from),
                None => runtime.block_on(Box::pin(run_story(&file, told))).map_err(anyhow::Error::from),
            };
            progress("");
            outcome?
        }
    };
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

fn night_of(night: i64, nights: i64) -> String {
    format!("night {night} of {nights}")
}

/// Shows where a run is, on a terminal only; nothing takes the line away.
pub(super) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r{text}\x1b[K");
    }
}

fn scenario_of(arguments: &SimulateArguments) -> anyhow::Result<ScenarioFile> {
    let (name, text) = match &arguments.scenario {
        Some(path) => (path.display().to_string(), read_text(path)?),
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
