//! `phaseloop guard`: what runs in the engine's container around the engine.
//!
//! **What lives here**: starting the engine and reaping what it leaves; passing signals and its exit code through; keeping the
//! first and the last of its output; watching the GPU; what the kernel killed; the record of each start; the end at the latest
//! instant.
//!
//! **What must not**: any judgement of why an engine died (the core's, from the record), and requests to the engine.

mod child;
mod gpu;
mod kills;
mod output;
mod record;
mod run;

pub use run::guard;
