//! A stand-in for vLLM, for tests: what vLLM 0.32.0 shows to whoever starts, watches, loads and ends it, without a model
//! and without a GPU. It is no part of phaseloop's image.
//!
//! **What lives here**: vLLM's flags, its log lines from start to death in the words of a recorded run, its exit codes, its
//! endpoints, its metrics, a queue that takes real time, an account of memory, and faults that a test switches on.
//!
//! **What must not**: anything of `phaseloop` (it would be tested by itself), and any answer that a test wants to see: what
//! is served follows from flags, load and the variables below.
//!
//! # What it takes over
//!
//! - **Flags**: those of [`FLAGS`], before or after the model, with `_` or `-`, as `--flag value` and `--flag=value`. What
//!   it does not know ends it with exit code 2 and argparse's line, as vLLM does.
//! - **Lines** from `texts/`, which hold the recorded ones with the changing parts left open.
//! - **Exit codes**: 0 after SIGTERM and after the engine died while serving; 1 where it refuses to start; 2 for a flag.
//!   SIGTERM during the start ends it with 143, of which there is no recording.
//! - **Endpoints**: `/health`, `/ping`, `/load`, `/version`, `/v1/models`, `/tokenize`, `/metrics`, `/v1/completions` and
//!   `/v1/chat/completions` with `stream`, `stream_options.include_usage`, `ignore_eos`, `max_tokens` and its newer name
//!   `max_completion_tokens`. Others answer 404, though the start-up lines name them.
//!
//! # Its model
//!
//! - **A token** is a word between white space; of a prompt that is a list of numbers, one number. An answer's tokens
//!   are words. Without `ignore_eos` an answer may end before `max_tokens`, at a length that follows from its prompt.
//! - **Time**: steps one after another in real time. A step takes 1.8 ms, 0.12 ms for each sequence in it, 0.016 ms for
//!   each prompt token and 2.8 ms for each request that arrived in it; the way through the server 1.8 ms. The constants were
//!   found on recordings of the real engine on two CPU cores (`docs/engine-model.md`). A step gives each sequence
//!   one token, `--max-num-seqs` at a time and `--max-num-batched-tokens` in all; the others wait in the order of arrival.
//!   A sequence is admitted when its whole answer fits in the cache, so that nothing is ever preempted.
//! - **Memory**: `--gpu-memory-utilization` (0.92) of [`environment::MEMORY_GIB`] is the engine's; what
//!   [`environment::OTHER_GIB`] leaves of it is the cache, 1 KiB a token in blocks of 128. Without any left, or without
//!   room for one sequence of `--max-model-len` (2048), it refuses to start. `--num-gpu-blocks-override` sets the blocks.
//!
//! # Faults
//!
//! By the environment, since the arguments are vLLM's. Each variable is a constant of [`environment`] and documented there.
//! One that it does not know, or that has no value of its kind, ends it with exit code 64: a misspelt fault is none.
//!
//! # What it leaves out
//!
//! Prefix caching, preemption, speculative decoding, LoRA, several engines, tools, images, sleeping. Memory on a GPU: the
//! recorded engine ran on a CPU, and so does this one by what it prints. Of a death by lack of memory there is no
//! recording: the lines that name the cause are those of vLLM's and PyTorch's sources, those after them are recorded.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )
)]

mod clock;
mod command_line;
pub mod environment;
mod flag;
mod life;
mod memory;
mod metrics;
mod output;
mod queue;
mod running;
mod server;
mod text;
mod worker;

pub use flag::{FLAGS, Flag, FlagKind};
pub use life::{Setting, live};
pub use output::Output;
pub use running::Running;
