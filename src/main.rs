//! The `phaseloop` program: reads the command line, runs one command, turns its end into an exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use phaseloop::{args, cli};

/// What the commands allocate are many small objects, which the C library's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(command) => cli::run(&command),
        Err(refusal) => refusal.print(),
    }
}
