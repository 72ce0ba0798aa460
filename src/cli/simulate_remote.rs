//! `phaseloop simulate --kubeconfig`.

use std::{io, io::Write as _, path::Path};

use tokio::runtime::Runtime;

use super::simulate::progress;
use crate::{
    args::SimulateArguments,
    simulation::{
        answer::{Answer, run_in},
        remote::Remote,
        scenario::{ScenarioFile, prepare},
        world::World,
    },
};

/// Runs a scenario on the API server of a kubeconfig, and removes what it made, whatever came of it.
pub(super) fn run(
    runtime: &Runtime,
    file: &ScenarioFile,
    kubeconfig: &Path,
    arguments: &SimulateArguments,
) -> anyhow::Result<(Answer, World)> {
    progress("connecting");
    let remote = Remote::connect(kubeconfig)?;
    let namespace = &file.scenario.spec.namespace;
    progress(&format!("{}: preparing", remote.description()));
    remote.check(namespace, arguments.replace)?;
    // From here on whatever bears the mark of a run is of this one.
    let outcome = remote.prepare(arguments.install).map_err(anyhow::Error::from);
    let outcome = outcome.and_then(|()| runtime.block_on(Box::pin(story(&remote, file))));
    let kept = if arguments.keep {
        Ok(())
    } else {
        progress("removing what the run made");
        remote.clear().map(drop)
    };
    progress("");
    let outcome = outcome?;
    kept?;
    if arguments.keep {
        let _ = writeln!(io::stderr(), "kept in namespace {namespace} of {}", remote.description());
    }
    Ok(outcome)
}

async fn story(remote: &Remote, file: &ScenarioFile) -> anyhow::Result<(Answer, World)> {
    let prepared = prepare(file)?;
    let (world, forward) = remote.world(prepared.settings.clone())?;
    let told = run_in(world, file, prepared, |night, nights| {
        progress(&format!("night {night} of {nights}, {} requests", forward.requests()));
    });
    Ok(told.await?)
}
