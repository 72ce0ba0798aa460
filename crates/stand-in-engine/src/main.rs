//! The `stand-in-engine` program: one engine's life, with the process' arguments, environment and signals.

use std::process::ExitCode;

use stand_in_engine::{Output, Setting, live};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("stand-in: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
    let setting = Setting {
        arguments: std::env::args_os().skip(1).map(text).collect(),
        environment: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
        output: Output::standard(),
    };
    let code = runtime.block_on(async {
        let (ready, _) = watch::channel(None);
        live(setting, stop(), ready).await
    });
    // Connections that are still open are not waited for: vLLM aborts them as well.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Waits for SIGTERM or SIGINT.
async fn stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
