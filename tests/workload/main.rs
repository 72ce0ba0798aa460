//! Test pods built from whole targets: what they look like, what they never are, and the reference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod property;
mod snapshot;
mod support;
mod table;
