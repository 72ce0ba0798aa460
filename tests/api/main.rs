//! The Kubernetes API as committed: definitions, samples, rules, admission policies, reference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod administrator;
mod case;
mod cases;
mod committed;
mod definitions;
mod init;
mod policies;
mod samples;
