//! The programs of test pods from outside: the real binary, real processes, files and signals, as a kubelet would run them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod binary;
mod collect;
mod engine;
mod guard;
mod preflight;
mod serving;
mod support;
