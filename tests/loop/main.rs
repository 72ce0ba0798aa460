//! The loop on real parts: phaseloop installed by its chart from its image, real pods, users who speak `kubectl` and
//! `phaseloop`. `tests/run loop` brings the cluster up, installs, and runs this. Each test works in a namespace of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod alone;
mod audit;
mod last;
mod operator;
mod person;
mod report;
mod story;
#[allow(dead_code, reason = "each test binary uses a part of it")]
#[path = "../real_cluster/support.rs"]
mod support;
mod target;
mod together;
