//! What the commands of test pods have in common.

use std::{future::Future, path::Path};

use crate::{
    exit::Exit,
    probe::{RequestError, leave_message},
};

/// Runs a program of a test pod on one thread: it has one container's share of a processor.
pub(super) fn block_on(program: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(program);
    // Nothing that is still under way is waited for.
    runtime.shutdown_background();
    outcome
}

/// The words of the command line are no request: a mistake of whoever built the pod.
pub(super) fn refuse_words(error: &RequestError, message_path: &Path) -> Exit {
    let text = format!("error: {error}\n  remedy: use one version of phaseloop for the operator and its test pods");
    eprintln!("{text}");
    leave_message(message_path, &text);
    Exit::Usage
}
