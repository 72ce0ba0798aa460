//! The `phaseloop` program: reads the command line, runs one command, turns its end into an exit code.

use std::process::ExitCode;

use phaseloop::{args, cli};

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(command) => cli::run(&command),
        Err(refusal) => refusal.print(),
    }
}
