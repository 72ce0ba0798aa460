//! `phaseloop suspend`, `resume`, `abort` and `retry`.

use phaseloop_core::schedule::later_by;

use super::{
    cluster::{Connected, block_on, connected, told},
    output::print_text,
};
use crate::{
    api::escalation::Suspend,
    args::{AbortArguments, ResumeArguments, RetryArguments, SelectionArguments, SuspendArguments, When},
    cluster::{Clock as _, SystemClock},
    exit::Exit,
    handling::{
        retry::retry,
        suspend::{Selected, Switch, SwitchError, abort, switch},
    },
};

pub(super) fn suspend(arguments: &SuspendArguments) -> anyhow::Result<Exit> {
    let until = arguments.until.map(|when| match when {
        When::At(instant) => instant,
        When::After(duration) => whole_second(later_by(SystemClock.now(), duration)),
    });
    run(&arguments.selection, &Switch::Suspend(Suspend { reason: arguments.reason.clone(), until }))
}

pub(super) fn resume(arguments: &ResumeArguments) -> anyhow::Result<Exit> {
    run(&arguments.selection, &Switch::Resume)
}

pub(super) fn abort_test(arguments: &AbortArguments) -> anyhow::Result<Exit> {
    block_on(async {
        let Connected { cluster, namespace, server } = connected(&arguments.cluster).await?;
        let switched = abort(&cluster, &namespace, &arguments.object).await.map_err(|error| refused(error, &server))?;
        print_text(&format!("{switched}\n"))?;
        Ok(Exit::Success)
    })
}

pub(super) fn retry_target(arguments: &RetryArguments) -> anyhow::Result<Exit> {
    block_on(async {
        let Connected { cluster, namespace, server } = connected(&arguments.cluster).await?;
        let retried = retry(&cluster, &namespace, &arguments.object, whole_second(SystemClock.now()))
            .await
            .map_err(|error| refused(error, &server))?;
        print_text(&format!("{retried}\n"))?;
        Ok(Exit::Success)
    })
}

fn run(selection: &SelectionArguments, to: &Switch) -> anyhow::Result<Exit> {
    block_on(async {
        let Connected { cluster, namespace, server } = connected(&selection.cluster).await?;
        let selected = match &selection.object {
            Some(object) => Selected::One(namespace, object.clone()),
            None => Selected::All((!selection.all_namespaces).then_some(namespace)),
        };
        let mut lines = Vec::new();
        let done = switch(&cluster, &selected, to, &mut |switched| lines.push(format!("{switched}\n"))).await;
        if lines.is_empty() && done.is_ok() {
            lines.push("there is no Escalation and no PhaseSchedule here\n".to_owned());
        }
        print_text(&lines.concat())?;
        done.map_err(|error| refused(error, &server))?;
        Ok(Exit::Success)
    })
}

fn refused(error: SwitchError, server: &str) -> anyhow::Error {
    match error {
        SwitchError::Cluster(error) => told(&error, server),
        other => other.into(),
    }
}

fn whole_second(instant: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}
