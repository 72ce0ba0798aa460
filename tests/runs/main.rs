//! Schedules, runs, Escalations and promotions against an API server: the same driver as in a cluster, a virtual clock,
//! and every death in between.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod cluster;
mod crash;
mod ending;
mod escalation;
mod events;
#[path = "../measured_pod/mod.rs"]
mod measured_pod;
mod network;
mod night;
mod promotion;
mod tuning;
mod tuning_crash;
