//! What an engine's end and its output tell: the class of a failure, and what the engine said of itself at its start.
//!
//! **What lives here**: the lines that vLLM, its libraries and the GPU driver print when something fails, the order in
//! which evidence decides, and the reading of effective arguments and memory figures from the start-up output.
//!
//! **What must not**: what follows from a failure (symptoms and diagnoses are the verdict's), and fetching any output.

mod classify;
mod cue;
mod line;
mod python_literal;
mod start;

pub use classify::classify_engine_end;
pub use start::{EngineStart, effective_arguments, read_engine_start, without_secrets};
