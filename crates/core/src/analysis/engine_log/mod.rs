//! What an engine's end and its output tell: the class of a failure, and what the engine said of itself at its start.
//!
//! **What lives here**: the lines that vLLM, its libraries and the GPU driver print when something fails, the order in
//! which evidence decides, the few lines of an output that are evidence, and the reading of effective arguments and memory
//! figures from the start-up output.
//!
//! **What must not**: what follows from a failure (symptoms and diagnoses are the verdict's), and fetching any output.

mod classify;
mod cue;
mod evidence;
mod line;
mod python_literal;
mod start;

pub use classify::classify_engine_end;
pub use evidence::{EVIDENCE_BYTES_MAX, EVIDENCE_LINE_BYTES_MAX, EVIDENCE_LINES_MAX, EvidenceLines};
pub use start::{EngineStart, effective_arguments, read_engine_start, without_secrets};
