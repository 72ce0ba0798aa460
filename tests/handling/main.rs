//! The commands that handle an installed phaseloop, against whole simulated worlds with the real operator in them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod audit;
mod cycle;
mod living;
mod real;
mod retry;
mod suspend;
mod uninstall;
