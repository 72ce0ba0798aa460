//! The lines of a start that failed.

use super::{
    super::{
        memory::{MemoryRefusal, StartStage},
        settings::SettingsError,
        spec::EngineSpec,
        units::{Micros, gib_text},
    },
    death::{OutOfMemory, out_of_memory},
    line::{EngineLog, Process, Severity},
    start::{StartStory, say_arguments, say_configuration, say_loading},
};

/// A start that failed for want of memory.
pub(in super::super) struct RefusedStart<'a> {
    /// The start.
    pub(in super::super) story: &'a StartStory<'a>,
    /// Why.
    pub(in super::super) refusal: &'a MemoryRefusal,
    /// When it found out.
    pub(in super::super) at: Micros,
    /// When the container ended.
    pub(in super::super) exited_at: Micros,
}

/// Everything that a start prints which failed for want of memory.
pub(in super::super) fn refusal_log(refused: &RefusedStart<'_>) -> EngineLog {
    let RefusedStart { story, refusal, at, exited_at } = *refused;
    let mut log = EngineLog::default();
    say_arguments(&mut log, story);
    say_configuration(&mut log, story);
    match refusal {
        MemoryRefusal::FreeMemory { .. } => {}
        MemoryRefusal::OutOfMemory { stage: StartStage::LoadWeights, .. } => say_loading(&mut log, story, false),
        _ => say_loading(&mut log, story, true),
    }
    let exceptions = exceptions(story.spec, refusal);
    let mut fail = |message: String| log.say(at, Process::EngineCore, Severity::Error, "core.py:1510", message);
    fail("EngineCore failed to start.".to_owned());
    fail("Traceback (most recent call last):".to_owned());
    fail("  File \"site-packages/vllm/v1/engine/core.py\", line 1482, in run_engine_core".to_owned());
    fail("    engine_core = EngineCoreProc(*args, engine_index=dp_rank, **kwargs)".to_owned());
    exceptions.iter().cloned().for_each(&mut fail);
    log.print(exited_at, "Process EngineCore:");
    log.print(exited_at, "Traceback (most recent call last):");
    log.print(exited_at, "  File \"site-packages/vllm/v1/engine/core.py\", line 1514, in run_engine_core");
    log.print(exited_at, "    raise e");
    for exception in exceptions {
        log.print(exited_at, exception);
    }
    log.print(exited_at, "Traceback (most recent call last):");
    log.print(exited_at, "  File \"site-packages/vllm/v1/engine/utils.py\", line 1431, in wait_for_engine_startup");
    log.print(exited_at, "    raise RuntimeError(");
    log.print(
        exited_at,
        "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
    );
    log
}

/// The last lines of the traceback: what was raised.
fn exceptions(spec: &EngineSpec, refusal: &MemoryRefusal) -> Vec<String> {
    let total = spec.card.memory_bytes;
    let out_of = |tried_bytes, free_bytes| {
        let used_bytes = total.saturating_sub(spec.card.context_bytes).saturating_sub(free_bytes);
        out_of_memory(&OutOfMemory { total_bytes: total, free_bytes, used_bytes, tried_bytes })
    };
    match *refusal {
        MemoryRefusal::FreeMemory { free_bytes, wanted_bytes } => vec![format!(
            "ValueError: Free memory on device cuda:0 ({}/{} GiB) on startup is less than desired GPU memory utilization ({}, {} GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
            gib_text(free_bytes),
            gib_text(total),
            spec.settings.gpu_memory_utilization,
            gib_text(wanted_bytes),
        )],
        MemoryRefusal::OutOfMemory { tried_bytes, free_bytes, .. } => vec![out_of(tried_bytes, free_bytes)],
        MemoryRefusal::NoCacheBlocks { .. } => vec![
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.".to_owned(),
        ],
        MemoryRefusal::ModelLength { max_model_len, needed_bytes, available_bytes, fitting_tokens } => vec![format!(
            "ValueError: To serve at least one request with the model's max seq len ({max_model_len}), ({} GiB KV cache is needed, which is larger than the available KV cache memory ({} GiB). Based on the available memory, the estimated maximum model length is {fitting_tokens}. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing `max_model_len` when initializing the engine.",
            gib_text(needed_bytes),
            gib_text(available_bytes),
        )],
        MemoryRefusal::SamplerWarmUp { requests, tried_bytes, free_bytes } => vec![
            out_of(tried_bytes, free_bytes),
            "The above exception was the direct cause of the following exception:".to_owned(),
            format!(
                "RuntimeError: CUDA out of memory occurred when warming up sampler with {requests} dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine."
            ),
        ],
    }
}

/// Everything that a start prints whose arguments no engine takes.
pub(in super::super) fn flags_log(story: &StartStory<'_>, error: &SettingsError) -> EngineLog {
    let at = story.times.configured;
    let mut log = EngineLog::default();
    match error {
        SettingsError::Unreadable { .. } | SettingsError::NotModelled { .. } => {
            log.print(at, "usage: vllm serve [model_tag] [options]");
            log.print(at, format!("vllm serve: error: {error}"));
        }
        SettingsError::Contradiction(_) => {
            say_arguments(&mut log, story);
            log.print(at, "Traceback (most recent call last):");
            log.print(at, "  File \"site-packages/vllm/entrypoints/cli/serve.py\", line 156, in cmd");
            log.print(at, "    uvloop.run(run_server(args))");
            log.print(at, "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig");
            log.print(at, format!("  {error} [type=value_error]"));
        }
    }
    log
}
