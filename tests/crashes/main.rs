//! Deaths of the operator at its writes: whatever is lost, the end is the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

mod fork;
mod sample;
mod scenario;
