//! Scenarios from end to end: the real operator against the simulated cluster, judged by the objects that it leaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]
#![allow(clippy::large_futures, reason = "a test has the stack of a whole thread")]

mod abort;
mod approval;
mod config_map;
mod flag_expires;
mod four_nights;
mod idle;
mod memory_limit;
mod no_spare_gpu;
mod not_validated;
mod nothing_better;
mod over_committed;
mod second_symptom;
mod secrets;
mod starved_cache;
mod story;
mod three_domains;
mod window_closes;
