//! What phaseloop relies on in a real cluster with real pods, shown by the API: `tests/run cluster-test` brings one up and
//! runs this. Each test works in a namespace of its own, so that several of them, and other test binaries, share the
//! cluster. What runs the loop of the operator does not belong here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

mod access;
mod admission;
mod images;
mod node;
mod pods;
mod support;
