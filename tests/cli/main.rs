//! The commands from outside: the real binary, real files, its output and exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod analyze;
mod bad_input;
mod commands;
mod nights;
mod policy;
mod snapshots;
mod support;
