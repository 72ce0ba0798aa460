//! What an engine says of itself at its start: version, effective arguments, room for the KV cache.

use super::python_literal::read_dictionary;
use crate::{prelude::*, value::ParameterName};

/// What stands before the arguments that differ from their defaults.
const ARGUMENTS_MARK: &str = "non-default args: ";
/// Lines that appear only once the engine serves.
const SERVING_MARKS: [&str; 2] = ["Application startup complete", "Starting vLLM server on "];
/// Places that only the CPU engine prints.
const CPU_MARKS: [&str; 2] = ["[cpu_worker.py:", "CPU KV cache size: "];
/// Ends of names whose values are secrets and enter no status.
const SECRET_ENDS: [&str; 4] = ["api-key", "token", "password", "secret"];
/// What stands for a secret's value.
const REDACTED: &str = "redacted";

/// What an engine said of itself while it started. Absent figures were not printed, or were cut off.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineStart {
    /// Engine and version, as `vllm 0.32.0`.
    pub engine_version: Option<String>,
    /// Arguments that differ from their defaults, by canonical name, see [`effective_arguments`].
    pub arguments: BTreeMap<String, String>,
    /// Memory for the KV cache, GiB.
    pub kv_cache_memory_gib: Option<f64>,
    /// Tokens that the KV cache holds.
    pub kv_cache_tokens: Option<u64>,
    /// Requests of the longest permitted length that the cache holds at the same time.
    pub concurrency_max: Option<f64>,
    /// Whether the engine came as far as serving.
    pub serving: bool,
}

/// Reads what an engine printed at its start.
pub fn read_engine_start(output: &str) -> EngineStart {
    let number = |before: &str, after: &str| number_between(output, before, after);
    let tokens = number("KV cache size: ", " tokens");
    EngineStart {
        engine_version: engine_version(output),
        arguments: effective_arguments(output),
        kv_cache_memory_gib: number("Available KV cache memory: ", " GiB")
            .or_else(|| number("Auto set (", "/"))
            .and_then(|text| text.parse().ok())
            .filter(|memory: &f64| memory.is_finite()),
        kv_cache_tokens: tokens.and_then(|text| text.parse().ok()),
        concurrency_max: number(" tokens per request: ", "x")
            .and_then(|text| text.parse().ok())
            .filter(|requests: &f64| requests.is_finite()),
        serving: has_started_serving(output),
    }
}

/// The arguments that vLLM says differ from their defaults, by canonical flag name (`max-num-seqs` -> `32`; a switch is
/// `true`, a list has commas between). Values of secrets are not kept. Empty where the line was not printed or not kept.
pub fn effective_arguments(output: &str) -> BTreeMap<String, String> {
    let entries = output.split_once(ARGUMENTS_MARK).and_then(|(_, rest)| read_dictionary(rest)).unwrap_or_default();
    let canonical = |(name, value): (String, String)| (ParameterName::new(&name).as_str().to_owned(), value);
    without_secrets(entries.into_iter().map(canonical).collect())
}

/// A configuration by canonical flag name as it may be shown: values of secrets are not kept.
pub fn without_secrets(mut configuration: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (name, value) in &mut configuration {
        if SECRET_ENDS.iter().any(|end| name.ends_with(end)) {
            REDACTED.clone_into(value);
        }
    }
    configuration
}

/// Whether the output shows that the engine came as far as serving.
pub(super) fn has_started_serving(output: &str) -> bool {
    SERVING_MARKS.iter().any(|mark| output.contains(mark))
}

/// Whether the output is that of an engine that serves from main memory.
pub(super) fn is_cpu_engine(output: &str) -> bool {
    CPU_MARKS.iter().any(|mark| output.contains(mark))
}

fn engine_version(output: &str) -> Option<String> {
    let version = ["engine (v", "API server version ", "  version "].iter().find_map(|mark| {
        let (_, rest) = output.split_once(mark)?;
        let version = rest.split(|letter: char| letter.is_whitespace() || letter == ')').next()?;
        version.starts_with(|letter: char| letter.is_ascii_digit()).then_some(version)
    })?;
    Some(format!("vllm {version}"))
}

/// The number between two texts, without the commas that group its digits. The first occurrence that is one counts.
fn number_between(output: &str, before: &str, after: &str) -> Option<String> {
    output.match_indices(before).find_map(|(place, _)| {
        let (text, _) = output.get(place + before.len()..)?.split_once(after)?;
        let digits = text.replace(',', "");
        let is_number = !digits.is_empty() && digits.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
        is_number.then_some(digits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTUP: &str = include_str!("../../../tests-data/engine/startup.log");

    #[test]
    fn a_recorded_start_is_read_whole() {
        let start = read_engine_start(STARTUP);
        assert_eq!(start.engine_version.as_deref(), Some("vllm 0.32.0"));
        let arguments: Vec<(&str, &str)> = start.arguments.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            arguments,
            [
                ("enforce-eager", "true"),
                ("gpu-memory-utilization", "0.2"),
                ("max-model-len", "1024"),
                ("max-num-seqs", "32"),
                ("model", "/models/tiny"),
                ("model-tag", "/models/tiny"),
                ("port", "8011"),
                ("served-model-name", "tiny"),
            ]
        );
        assert_eq!(start.kv_cache_memory_gib, Some(1.89));
        assert_eq!(start.kv_cache_tokens, Some(1_978_368));
        assert_eq!(start.concurrency_max, Some(1932.0));
        assert!(start.serving && is_cpu_engine(STARTUP));
    }

    #[test]
    fn a_gpu_engine_states_its_cache_in_other_words() {
        let output = "INFO 1 [gpu_worker.py:1] Available KV cache memory: 55.30 GiB\n\
                      INFO 1 [kv.py:1] GPU KV cache size: 452,976 tokens\n\
                      INFO 1 [kv.py:1] Maximum concurrency for 8,192 tokens per request: 55.29x\n\
                      INFO 1 [entry.py:1] vLLM API server version 0.33.0\n";
        let start = read_engine_start(output);
        assert_eq!(start.kv_cache_memory_gib, Some(55.3));
        assert_eq!((start.kv_cache_tokens, start.concurrency_max), (Some(452_976), Some(55.29)));
        assert_eq!(start.engine_version.as_deref(), Some("vllm 0.33.0"));
        assert!(!start.serving && !is_cpu_engine(output));
    }

    #[test]
    fn what_was_not_printed_is_absent() {
        assert_eq!(read_engine_start(""), EngineStart::default());
        assert_eq!(read_engine_start("KV cache size: many tokens\nAuto set (/"), EngineStart::default());
        assert_eq!(read_engine_start("KV cache size: some tokens, KV cache size: 7 tokens").kv_cache_tokens, Some(7));
        assert_eq!(engine_version("engine (vX) vLLM API server version "), None);
    }

    #[test]
    fn either_mark_of_serving_counts() {
        assert!(has_started_serving("INFO:     Application startup complete."));
        assert!(has_started_serving("Starting vLLM server on http://0.0.0.0:8000"));
        assert!(!has_started_serving("Starting vLLM"));
        assert!(is_cpu_engine("(Worker pid=1) ERROR 1 [cpu_worker.py:241] x"));
        assert!(is_cpu_engine("CPU KV cache size: 1 tokens"));
    }

    #[test]
    fn secrets_are_not_kept() {
        let arguments = effective_arguments(
            "non-default args: {'api_key': ['hush'], 'hf_token': 'hush', 'tokenizer': 'x', 'max_num_batched_tokens': 1, \
             'my_secret': 'hush', 'db_password': 'hush'}",
        );
        assert!(!arguments.values().any(|value| value.contains("hush")), "{arguments:?}");
        assert_eq!(arguments["api-key"], "redacted");
        assert_eq!((arguments["tokenizer"].as_str(), arguments["max-num-batched-tokens"].as_str()), ("x", "1"));
    }
}
