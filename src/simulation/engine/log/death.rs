//! The lines of an engine that dies of a failed allocation while it serves.

use super::{
    super::{
        memory::MemoryPlan,
        units::{Micros, in_gib},
    },
    line::{EngineLog, Process, Severity},
};

/// A failed allocation, as PyTorch tells it.
#[allow(clippy::struct_field_names, reason = "a unit stands last in every name")]
pub(super) struct OutOfMemory {
    /// The card's memory, bytes.
    pub(super) total_bytes: u64,
    /// Free of it, bytes.
    pub(super) free_bytes: u64,
    /// In use by this process, bytes.
    pub(super) used_bytes: u64,
    /// What was asked for, bytes.
    pub(super) tried_bytes: u64,
}

/// An engine's death of one.
pub(in super::super) struct FailedAllocation<'a> {
    /// When.
    pub(in super::super) at: Micros,
    /// When the container ended.
    pub(in super::super) exited_at: Micros,
    /// What it held.
    pub(in super::super) plan: &'a MemoryPlan,
    /// What its CUDA context took, bytes.
    pub(in super::super) context_bytes: u64,
    /// What the step asked for, bytes.
    pub(in super::super) tried_bytes: u64,
    /// Requests that were in flight.
    pub(in super::super) requests: usize,
}

/// Requests whose failure is printed: a kubelet keeps no more of a death.
const REQUESTS_PRINTED_MAX: usize = 32;
/// Share of the process's memory that PyTorch had reserved without using it.
const RESERVED_SHARE: f64 = 0.012;
/// What was free when an allocation failed, as a share of what it asked for: always less than it.
const FREE_SHARE: f64 = 0.4;

/// The line of `torch.OutOfMemoryError` (c10/cuda/CUDACachingAllocator.cpp).
pub(super) fn out_of_memory(failed: &OutOfMemory) -> String {
    let OutOfMemory { total_bytes, free_bytes, used_bytes, tried_bytes } = *failed;
    let reserved = used_bytes as f64 * RESERVED_SHARE;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let allocated = (used_bytes as f64 - reserved) / f64::from(1 << 30);
    format!(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {:.2} MiB. GPU 0 has a total capacity of {:.2} GiB of which {:.2} MiB is free. Including non-PyTorch memory, this process has {:.2} GiB memory in use. Of the allocated memory {allocated:.2} GiB is allocated by PyTorch, and {:.2} MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.",
        mib(tried_bytes as f64),
        in_gib(total_bytes),
        mib(free_bytes as f64),
        in_gib(used_bytes),
        mib(reserved),
    )
}

/// Everything that an engine prints from its death to the end of its container.
pub(in super::super) fn death_log(failing: &FailedAllocation<'_>) -> EngineLog {
    let FailedAllocation { at, exited_at, plan, context_bytes, tried_bytes, requests } = *failing;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a size is a size")]
    let free_bytes = (tried_bytes as f64 * FREE_SHARE) as u64;
    let used_bytes = (plan.free_at_start_bytes + context_bytes).saturating_sub(free_bytes);
    let failed = OutOfMemory { total_bytes: plan.total_bytes, free_bytes, used_bytes, tried_bytes };
    let mut log = EngineLog::default();
    let mut fail = |message: String| log.say(at, Process::EngineCore, Severity::Error, "core.py:1520", message);
    fail("EngineCore encountered a fatal error.".to_owned());
    fail("Traceback (most recent call last):".to_owned());
    fail("  File \"site-packages/vllm/v1/engine/core.py\", line 1511, in run_engine_core".to_owned());
    fail("    engine_core.run_busy_loop()".to_owned());
    fail("  File \"site-packages/vllm/v1/worker/gpu_model_runner.py\", line 3786, in execute_model".to_owned());
    fail("    model_output = self._model_forward(".to_owned());
    fail(out_of_memory(&failed));
    let unexpected = "[shutdown] MPClient: engine core exited unexpectedly; starting cleanup";
    log.say(at, Process::ApiServer, Severity::Warning, "core_client.py:817", unexpected);
    let mut fail =
        |message: &'static str| log.say(at, Process::ApiServer, Severity::Error, "async_llm.py:906", message);
    fail("AsyncLLM output_handler failed.");
    fail("Traceback (most recent call last):");
    fail("  File \"site-packages/vllm/v1/engine/async_llm.py\", line 849, in output_handler");
    fail("    outputs = await engine_core.get_output_async()");
    fail(
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    );
    for place in 0..requests.min(REQUESTS_PRINTED_MAX) {
        let port = 40_000 + place;
        log.print(
            at,
            format!("INFO:     127.0.0.1:{port} - \"POST /v1/completions HTTP/1.1\" 500 Internal Server Error"),
        );
    }
    log.print(exited_at, "INFO:     Shutting down");
    log.print(exited_at, "INFO:     Waiting for application shutdown.");
    log.print(exited_at, "INFO:     Application shutdown complete.");
    log.print(exited_at, "INFO:     Finished server process [1]");
    log
}
