//! The Helm chart and what is made of it: its copies of generated files, its rights against what the operator asks for, its
//! values and their schema, alerts and dashboard against the metrics that exist; and, where helm and a real API server were
//! brought (`tests/run chart` does), what it renders, and an installation, an upgrade and an uninstallation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod committed;
mod helm;
mod monitoring;
mod policy;
mod real;
mod rendered;
mod replica;
mod rights;
mod story;
mod values;
