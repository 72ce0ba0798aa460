//! Importer of the result file of `vllm bench serve --save-result [--save-detailed]`.
//!
//! **What lives here**: the file's fields with typed errors that name them, the requests of a detailed file, the
//! aggregated figures of a short one, the load that was offered and its hash, how well the client kept its schedule, and
//! how many requests met given limits.
//!
//! **What must not**: any judgement of the figures, and what the engine says of itself (it is not in this file).
//!
//! Units: the file's lists are in seconds and its aggregates in milliseconds; everything that leaves this folder is in
//! milliseconds.

mod aggregated;
mod document;
mod error;
mod load;
mod request;
mod result;

pub use error::BenchError;
pub use load::BenchLoad;
pub use request::{BenchRequest, LatencyLimits};
pub use result::{BenchResult, read_bench_result};
