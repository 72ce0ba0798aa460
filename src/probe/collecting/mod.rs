//! `phaseloop collect`: the native sidecar beside a custom domain's test. It reads the PHASE report while it grows, and leaves
//! its summary when the kubelet asks it to end.
//!
//! **What lives here**: following a file that others write, and the collector's life.
//!
//! **What must not**: what a row means and what a report adds up to (the core's `analysis::report`).

mod growing_file;

use std::{path::Path, time::Duration};

use phaseloop_core::analysis::report::CollectorSummary;
use tokio::time::{MissedTickBehavior, interval};

use self::growing_file::GrowingReport;
use super::{
    message::leave_message,
    request::CollectRequest,
    signal::{endings, listen},
};
use crate::exit::Exit;

/// Between two looks at the report: what a test writes in so long is read within the container's grace.
const INTERVAL: Duration = Duration::from_millis(500);

/// Reads a growing report until the kubelet asks for the end, and leaves its summary.
///
/// # Errors
/// The operating system refuses a handler of signals.
pub async fn collect(request: &CollectRequest, message_path: &Path) -> anyhow::Result<Exit> {
    let mut signals = listen(&endings())?;
    let mut report = GrowingReport::new(Path::new(&request.report));
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => report.read_on(),
            _ = signals.recv() => break,
        }
    }
    report.read_on();
    let summary = CollectorSummary::of_report(&report.finish());
    eprintln!("{} rows accepted, {} rejected", summary.rows_accepted, summary.rows_rejected());
    leave_message(message_path, &summary.write(request.message_bytes));
    Ok(Exit::Success)
}
