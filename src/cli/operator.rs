//! `phaseloop operator`.

use std::time::Duration;

use crate::{args::OperatorArguments, exit::Exit, operator, telemetry::LogControl};

/// One thread for looks, and one for the lease and the probes, which must go on while a look computes.
const THREADS: usize = 2;
/// How long a thread that still computes is waited for at the end.
const THREADS_END: Duration = Duration::from_millis(500);

/// Runs the operator until it is told to end.
pub(super) fn run(arguments: &OperatorArguments) -> anyhow::Result<Exit> {
    let configuration = match arguments.configuration() {
        Ok(configuration) => configuration,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(Exit::Usage);
        }
    };
    let log = LogControl::start(configuration.log_format, &configuration.log_filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let outcome = runtime.block_on(operator::run(configuration, log));
    runtime.shutdown_timeout(THREADS_END);
    outcome
}
