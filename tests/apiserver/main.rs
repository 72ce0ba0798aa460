//! What phaseloop relies on of the Kubernetes API, as scripts of requests with the answers of a real API server.
//!
//! **What lives here**: `scripts/` (the requests), `recorded/` (the answers, normalised), the runner, which sends the
//! scripts through any `kube::Client`, and what normalises and compares answers. `replay::replay_all` is the entry for a
//! server that is to answer as the real one does.
//! **What must not**: rules about what an answer should be. The recordings are what the real server said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod answer;
mod committed;
mod compare;
mod normalise;
mod print;
mod real;
mod recording;
mod replay;
mod run;
mod script;
mod simulated;
mod variable;
mod watch;
