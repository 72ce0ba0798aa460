//! The stand-in from outside: over HTTP and by what it prints, set beside the recordings of a real vLLM 0.32.0 on a CPU in
//! `tests-data/vllm-0.32.0`.
//!
//! **What lives here**: a test for each thing that it takes over from vLLM and for each of its faults.
//!
//! **What must not**: anything of `phaseloop` but its pure core, whose reading of an engine's output is compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod faults;
mod lines;
mod page;
mod program;
mod rig;
mod serving;
