//! The commands, one file each.
//!
//! **What lives here**: reading what a command is given, calling the library, printing the answer, the exit code.
//!
//! **What must not**: decisions, and knowledge of the formats that are read.

mod analyze;
mod audit;
mod check;
mod cluster;
mod collect;
mod crashes;
mod crds;
mod cycle;
mod guard;
mod init;
mod input;
mod operator;
mod output;
mod pod;
mod policy_file;
mod preflight;
mod probe;
mod replay;
mod simulate;
mod simulate_remote;
mod suspend;
mod text;
mod uninstall;

pub use text::simulate_text;

use std::{io, process::ExitCode};

use crate::{args::Command, exit::Exit};

/// Runs a command and says how it ended. Answers go to standard output, errors to standard error.
pub fn run(command: &Command) -> ExitCode {
    let outcome = match command {
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Operator(arguments) => operator::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Analyze(arguments) => analyze::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Crds(arguments) => crds::run(arguments),
        Command::Preflight(arguments) => preflight::run(arguments),
        Command::Guard(arguments) => guard::run(arguments),
        Command::Collect(arguments) => collect::run(arguments),
        Command::Probe(arguments) => probe::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Cycle(arguments) => cycle::run(arguments),
        Command::Suspend(arguments) => suspend::suspend(arguments),
        Command::Resume(arguments) => suspend::resume(arguments),
        Command::Abort(arguments) => suspend::abort_test(arguments),
        Command::Retry(arguments) => suspend::retry_target(arguments),
        Command::Uninstall(arguments) => uninstall::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
    };
    match outcome {
        Ok(exit) => exit.into(),
        // Whoever read the answer has seen enough of it (`phaseloop crds | head`).
        Err(error) if is_closed_pipe(&error) => Exit::Success.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::UnknownOrError.into()
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
