//! The lines of a start, up to where it came.

use super::{
    super::{
        memory::MemoryPlan,
        release::EngineRelease,
        settings::ResolvedSettings,
        spec::EngineSpec,
        units::{Micros, in_gib},
    },
    dictionary::non_default_arguments,
    line::{EngineLog, Process, Severity},
};

/// When each part of a start is done, on the caller's time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct StartTimes {
    /// The container started.
    pub(in super::super) began: Micros,
    /// Arguments are read.
    pub(in super::super) configured: Micros,
    /// The engine's process has its card.
    pub(in super::super) initialised: Micros,
    /// Weights are on the card.
    pub(in super::super) loaded: Micros,
    /// The profile run has run, on compiled code.
    pub(in super::super) profiled: Micros,
    /// Graphs are captured and the sampler is warm.
    pub(in super::super) captured: Micros,
    /// It answers.
    pub(in super::super) ready: Micros,
}

/// What a start is told of.
pub(in super::super) struct StartStory<'a> {
    /// The engine.
    pub(in super::super) spec: &'a EngineSpec,
    /// Its times.
    pub(in super::super) times: &'a StartTimes,
    /// What its arguments became, if they could be read.
    pub(in super::super) resolved: Option<&'a ResolvedSettings>,
}

/// Everything that a start which succeeds prints.
pub(in super::super) fn start_log(story: &StartStory<'_>, plan: &MemoryPlan) -> EngineLog {
    let mut log = EngineLog::default();
    say_arguments(&mut log, story);
    say_configuration(&mut log, story);
    say_loading(&mut log, story, true);
    say_cache(&mut log, story, plan);
    let StartTimes { loaded, captured, ready, .. } = *story.times;
    let took = captured.since(loaded).seconds();
    let engine = format!("init engine (profile, create kv cache, warmup model) took {took:.2} s");
    log.say(captured, Process::EngineCore, Severity::Info, "core.py:402", engine);
    log.say(captured, Process::ApiServer, Severity::Info, "entry.py:136", "Supported tasks: ['generate']");
    let port = story.spec.settings.arguments.get("port").map_or("8000", String::as_str);
    let address = format!("Starting vLLM server on http://0.0.0.0:{port}");
    log.say(ready, Process::ApiServer, Severity::Info, "entry.py:140", address);
    log.print(ready, "INFO:     Started server process [1]");
    log.print(ready, "INFO:     Waiting for application startup.");
    log.print(ready, "INFO:     Application startup complete.");
    log
}

/// The banner and the arguments: printed whatever follows.
pub(super) fn say_arguments(log: &mut EngineLog, story: &StartStory<'_>) {
    let at = story.times.configured;
    let mut inform = |message: String, place| log.say(at, Process::ApiServer, Severity::Info, place, message);
    let (version, arguments) = (&story.spec.release.version, &story.spec.settings.arguments);
    let model = model_name(story.spec);
    inform(String::new(), "api_utils.py:347");
    inform("       █     █     █▄   ▄█".to_owned(), "api_utils.py:347");
    inform(format!(" ▄▄ ▄█ █     █     █ ▀▄▀ █  version {version}"), "api_utils.py:347");
    inform(format!("  █▄█▀ █     █     █     █  model   {model}"), "api_utils.py:347");
    inform("   ▀▀  ▀▀▀▀▀ ▀▀▀▀▀ ▀     ▀".to_owned(), "api_utils.py:347");
    inform(String::new(), "api_utils.py:347");
    inform(format!("non-default args: {}", non_default_arguments(arguments)), "api_utils.py:286");
}

/// What the arguments became.
pub(super) fn say_configuration(log: &mut EngineLog, story: &StartStory<'_>) {
    let Some(resolved) = story.resolved else { return };
    let (at, spec) = (story.times.configured, story.spec);
    let mut inform = |message: String, place| log.say(at, Process::ApiServer, Severity::Info, place, message);
    inform(format!("Resolved architecture: {}", spec.model.architecture), "model.py:733");
    inform(format!("Using max model len {}", resolved.max_model_len), "model.py:2152");
    if spec.settings.enable_chunked_prefill {
        let tokens = resolved.max_num_batched_tokens;
        inform(format!("Chunked prefill is enabled with max_num_batched_tokens={tokens}."), "scheduler.py:273");
    }
    if spec.settings.enforce_eager {
        let eager = "Enforce eager set, disabling torch.compile, CUDAGraphs, and JIT kernel warmup. This is equivalent to setting -cc.mode=none -cc.cudagraph_mode=none and --kernel_config.enable_jit_warmup=False";
        log.say(at, Process::ApiServer, Severity::Warning, "vllm.py:1703", eager);
    }
    let python = |switch: bool| if switch { "True" } else { "False" };
    let name = model_name(spec);
    let engine = format!(
        "Initializing a V1 LLM engine (v{}) with config: model='{name}', speculative_config=None, tokenizer='{name}', dtype=torch.bfloat16, max_seq_len={}, tensor_parallel_size=1, pipeline_parallel_size=1, data_parallel_size=1, enforce_eager={}, kv_cache_dtype={}, device_config=cuda, seed=0, enable_prefix_caching={}, enable_chunked_prefill={}",
        spec.release.version,
        resolved.max_model_len,
        python(spec.settings.enforce_eager),
        spec.settings.arguments.get("kv-cache-dtype").map_or("auto", String::as_str),
        python(spec.settings.enable_prefix_caching),
        python(spec.settings.enable_chunked_prefill),
    );
    log.say(story.times.initialised, Process::EngineCore, Severity::Info, "core.py:133", engine);
}

/// Loading of the weights; `ended` where it came to its end.
pub(super) fn say_loading(log: &mut EngineLog, story: &StartStory<'_>, ended: bool) {
    let StartTimes { initialised, loaded, .. } = *story.times;
    let mut inform = |at, message: String, place| log.say(at, Process::EngineCore, Severity::Info, place, message);
    let model = model_name(story.spec);
    inform(initialised, format!("Starting to load model {model}..."), "gpu_model_runner.py:4112");
    if !ended {
        return;
    }
    let seconds = loaded.since(initialised).seconds();
    inform(loaded, format!("Loading weights took {seconds:.2} seconds"), "default_loader.py:501");
    let weights = in_gib(story.spec.model.weight_bytes);
    inform(
        loaded,
        format!("Model loading took {weights:.4} GiB memory and {seconds:.6} seconds"),
        "gpu_model_runner.py:4206",
    );
}

fn say_cache(log: &mut EngineLog, story: &StartStory<'_>, plan: &MemoryPlan) {
    let StartTimes { profiled, captured, .. } = *story.times;
    let mut inform = |at, message: String, place| log.say(at, Process::EngineCore, Severity::Info, place, message);
    let granted = in_gib(plan.cache_granted_bytes);
    inform(profiled, format!("Available KV cache memory: {granted:.2} GiB"), "gpu_worker.py:447");
    let (tokens, longest) = (plan.cache_tokens(), plan.max_model_len);
    let requests = tokens as f64 / longest as f64;
    let (cache, length) = (grouped(tokens), grouped(longest));
    inform(
        profiled,
        format!(
            "GPU KV cache size: {cache} tokens, Maximum concurrency for {length} tokens per request: {requests:.2}x"
        ),
        "kv_cache_utils.py:2327",
    );
    if let (Some(resolved), false) = (story.resolved, story.spec.settings.enforce_eager) {
        let graphs = EngineRelease::graphs(resolved.max_num_seqs);
        let (seconds, taken) = (captured.since(profiled).seconds(), in_gib(plan.graph_bytes));
        inform(profiled, format!("Capturing CUDA graphs for {graphs} batch sizes"), "gpu_model_runner.py:5127");
        inform(
            captured,
            format!("Graph capturing finished in {seconds:.0} secs, took {taken:.2} GiB"),
            "gpu_model_runner.py:5163",
        );
    }
}

fn model_name(spec: &EngineSpec) -> &str {
    spec.settings.arguments.get("model").map_or(spec.model.name.as_str(), String::as_str)
}

/// A number with commas between its thousands, as Python's `{:,}` prints it.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_978_368, "1,978,368")] {
            assert_eq!(grouped(number), text);
        }
    }
}
