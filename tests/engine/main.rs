//! The model of an engine, from outside: its account of memory, its queue, its chance, what it says when it fails, that no
//! table of results is behind it, and how far it is from recordings of a real one.
//!
//! **What lives here**: properties of the model as a whole, each a sentence, and the tables of `docs/engine-model.md`,
//! which `UPDATE=1 cargo test --test engine` writes anew.
//!
//! **What must not**: Kubernetes, pods, the operator's controllers (`tests/simulation`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

mod chance;
mod dying;
mod memory;
mod night;
mod page;
mod recorded;
mod refusing;
mod rig;
mod serving;
mod winners;
