//! The operator as a program: its lease, its replicas in memory, its process, and two of it on a real API server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod cluster;
mod lease;
#[path = "../measured_pod/mod.rs"]
mod measured_pod;
mod pages;
mod process;
mod program;
mod real;
mod replica;
