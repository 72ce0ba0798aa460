//! The flags of `vllm serve` that are taken.

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Decimal,
    /// On or off: `--name` and `--no-name`.
    Switch,
    /// One text or several, up to the next flag.
    List,
}

/// One flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its name in vLLM's arguments: `max_num_seqs` for `--max-num-seqs`.
    pub name: &'static str,
    /// What its value is.
    pub kind: FlagKind,
    /// Its default, as Python writes it. A flag that is set to it is not listed among the non-default arguments.
    pub default: &'static str,
}

const fn flag(name: &'static str, kind: FlagKind, default: &'static str) -> Flag {
    Flag { name, kind, default }
}

/// Every flag, in the order in which vLLM lists those that are not at their default. Recorded of it is the order of `port`,
/// `model`, `max_model_len`, `enforce_eager`, `served_model_name`, `gpu_memory_utilization`, `num_gpu_blocks_override` and
/// `max_num_seqs`; the other names are those of vLLM's documentation, at a likely place.
pub const FLAGS: &[Flag] = &[
    flag("host", FlagKind::Text, "None"),
    flag("port", FlagKind::Integer, "8000"),
    flag("uvicorn_log_level", FlagKind::Text, "'info'"),
    flag("disable_uvicorn_access_log", FlagKind::Switch, "False"),
    flag("allow_credentials", FlagKind::Switch, "False"),
    flag("api_key", FlagKind::List, "None"),
    flag("chat_template", FlagKind::Text, "None"),
    flag("response_role", FlagKind::Text, "'assistant'"),
    flag("root_path", FlagKind::Text, "None"),
    flag("disable_frontend_multiprocessing", FlagKind::Switch, "False"),
    flag("enable_request_id_headers", FlagKind::Switch, "False"),
    flag("enable_auto_tool_choice", FlagKind::Switch, "False"),
    flag("tool_call_parser", FlagKind::Text, "None"),
    flag("disable_fastapi_docs", FlagKind::Switch, "False"),
    flag("shutdown_timeout", FlagKind::Integer, "0"),
    flag("model", FlagKind::Text, "'Qwen/Qwen3-0.6B'"),
    flag("tokenizer", FlagKind::Text, "None"),
    flag("tokenizer_mode", FlagKind::Text, "'auto'"),
    flag("trust_remote_code", FlagKind::Switch, "False"),
    flag("dtype", FlagKind::Text, "'auto'"),
    flag("seed", FlagKind::Integer, "0"),
    flag("revision", FlagKind::Text, "None"),
    flag("max_model_len", FlagKind::Integer, "None"),
    flag("quantization", FlagKind::Text, "None"),
    flag("enforce_eager", FlagKind::Switch, "False"),
    flag("max_logprobs", FlagKind::Integer, "20"),
    flag("served_model_name", FlagKind::List, "None"),
    flag("generation_config", FlagKind::Text, "'auto'"),
    flag("enable_sleep_mode", FlagKind::Switch, "False"),
    flag("load_format", FlagKind::Text, "'auto'"),
    flag("download_dir", FlagKind::Text, "None"),
    flag("reasoning_parser", FlagKind::Text, "''"),
    flag("distributed_executor_backend", FlagKind::Text, "None"),
    flag("pipeline_parallel_size", FlagKind::Integer, "1"),
    flag("tensor_parallel_size", FlagKind::Integer, "1"),
    flag("data_parallel_size", FlagKind::Integer, "1"),
    flag("enable_expert_parallel", FlagKind::Switch, "False"),
    flag("block_size", FlagKind::Integer, "None"),
    flag("gpu_memory_utilization", FlagKind::Decimal, "0.92"),
    flag("kv_cache_memory_bytes", FlagKind::Integer, "None"),
    flag("kv_cache_dtype", FlagKind::Text, "'auto'"),
    flag("num_gpu_blocks_override", FlagKind::Integer, "None"),
    flag("enable_prefix_caching", FlagKind::Switch, "True"),
    flag("cpu_offload_gb", FlagKind::Decimal, "0.0"),
    flag("max_num_batched_tokens", FlagKind::Integer, "None"),
    flag("max_num_seqs", FlagKind::Integer, "None"),
    flag("long_prefill_token_threshold", FlagKind::Integer, "0"),
    flag("scheduling_policy", FlagKind::Text, "'fcfs'"),
    flag("enable_chunked_prefill", FlagKind::Switch, "True"),
    flag("async_scheduling", FlagKind::Switch, "True"),
    flag("speculative_config", FlagKind::Text, "None"),
    flag("compilation_config", FlagKind::Text, "None"),
    flag("performance_mode", FlagKind::Text, "'balanced'"),
    flag("optimization_level", FlagKind::Integer, "2"),
    flag("disable_log_stats", FlagKind::Switch, "False"),
    flag("enable_log_requests", FlagKind::Switch, "False"),
];

/// Other ways to write a flag.
pub(crate) const SHORT: [(&str, &str); 4] = [
    ("-tp", "tensor_parallel_size"),
    ("-pp", "pipeline_parallel_size"),
    ("-dp", "data_parallel_size"),
    ("-q", "quantization"),
];

/// The flag of this name; `_` and `-` are the same.
pub(crate) fn flag_named(name: &str) -> Option<&'static Flag> {
    let canonical = name.replace('-', "_");
    FLAGS.iter().find(|flag| flag.name == canonical)
}
