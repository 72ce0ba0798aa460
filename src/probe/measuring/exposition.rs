//! The text in which an engine tells its metrics: Prometheus' exposition format, as far as vLLM's figures need it.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;

/// Beginning of the names of the engine's own metrics.
const OWN: &str = "vllm:";
/// The metric whose labels are the configuration of the cache.
const CACHE_CONFIGURATION: &str = "vllm:cache_config_info";
/// Labels of it that are flags of the engine, with the flag's canonical name.
const CACHE_FLAGS: [(&str, &str); 7] = [
    ("block_size", "block-size"),
    ("cache_dtype", "kv-cache-dtype"),
    ("enable_prefix_caching", "enable-prefix-caching"),
    ("gpu_memory_utilization", "gpu-memory-utilization"),
    ("kv_cache_memory_bytes", "kv-cache-memory-bytes"),
    ("num_gpu_blocks_override", "num-gpu-blocks-override"),
    ("prefix_caching_hash_algo", "prefix-caching-hash-algo"),
];
/// Shares of the cache in use: the name of today, and the one before vLLM 0.10.
const CACHE_USAGE: [&str; 2] = ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"];

/// How often something took time, and how long altogether.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct TimeSum {
    pub(super) count: f64,
    pub(super) sum_seconds: f64,
}

/// What an engine's metrics say at one instant, over all its engine cores. What is absent is not told.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct EngineMetrics {
    pub(super) time_to_first_token: Option<TimeSum>,
    pub(super) inter_token_latency: Option<TimeSum>,
    pub(super) end_to_end_latency: Option<TimeSum>,
    pub(super) queue_time: Option<TimeSum>,
    pub(super) preemptions: Option<f64>,
    /// Largest share of the cache in use of any engine core, 0 to 1.
    pub(super) kv_cache_usage: Option<f64>,
    /// The cache's configuration by canonical flag.
    pub(super) cache_configuration: BTreeMap<String, String>,
}

impl EngineMetrics {
    /// Reads the text of `/metrics`. Lines that are no samples say nothing.
    pub(super) fn read(text: &str) -> Self {
        let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
        let mut usage: BTreeMap<&str, f64> = BTreeMap::new();
        let mut cache_configuration = BTreeMap::new();
        for Sample { name, labels, value } in text.lines().filter_map(sample) {
            if !name.starts_with(OWN) || name.ends_with("_bucket") || !value.is_finite() {
                continue;
            }
            if name == CACHE_CONFIGURATION {
                cache_configuration.extend(cache_flags(labels));
            } else if CACHE_USAGE.contains(&name) {
                let most = usage.entry(name).or_insert(value);
                *most = most.max(value);
            } else {
                *totals.entry(name).or_default() += value;
            }
        }
        let total = |names: &[&str]| names.iter().find_map(|name| totals.get(name).copied());
        let times = |names: &[&str]| names.iter().find_map(|name| time_sum(&totals, name));
        Self {
            time_to_first_token: times(&["vllm:time_to_first_token_seconds"]),
            inter_token_latency: times(&["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"]),
            end_to_end_latency: times(&["vllm:e2e_request_latency_seconds"]),
            queue_time: times(&["vllm:request_queue_time_seconds"]),
            preemptions: total(&["vllm:num_preemptions_total", "vllm:num_preemptions"]),
            kv_cache_usage: CACHE_USAGE.iter().find_map(|name| usage.get(name).copied()),
            cache_configuration,
        }
    }
}

fn time_sum(totals: &BTreeMap<&str, f64>, name: &str) -> Option<TimeSum> {
    let figure = |ending: &str| totals.get(format!("{name}{ending}").as_str()).copied();
    Some(TimeSum { count: figure("_count")?, sum_seconds: figure("_sum")? })
}

/// The flags among the labels of the cache's configuration, values as the engine prints its arguments.
fn cache_flags(labels: &str) -> Vec<(String, String)> {
    let flag_of = |label: &str| CACHE_FLAGS.iter().find(|(name, _)| *name == label).map(|(_, flag)| (*flag).to_owned());
    let value_of = |value: String| match value.as_str() {
        "True" => Some("true".to_owned()),
        "False" => Some("false".to_owned()),
        "None" => None,
        _ => Some(value),
    };
    read_labels(labels).into_iter().filter_map(|(name, value)| Some((flag_of(&name)?, value_of(value)?))).collect()
}

/// One sample: `name{labels} value`, and perhaps a time.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = match line.split_once('{') {
        Some((name, rest)) => {
            let end = end_of_labels(rest)?;
            (name, rest.get(..end)?, rest.get(end + 1..)?)
        }
        None => line.split_once(char::is_whitespace).map(|(name, rest)| (name, "", rest))?,
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.trim(), labels, value })
}

/// Where the brace stands that ends the labels: one within a value does not.
fn end_of_labels(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let ends = byte == b'}' && !quoted;
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// The labels with their values, escapes undone.
fn read_labels(mut text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (mut value, mut end) = (String::new(), None);
        let mut letters = rest.char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(place);
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        let Some(end) = end else { break };
        labels.push((name.trim_matches([',', ' ']).to_owned(), value));
        text = rest.get(end + 1..).unwrap_or_default();
    }
    labels
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the figures stand in the text")]
mod tests {
    use super::*;

    const WARM: &str = include_str!("../../../crates/stand-in-engine/tests-data/vllm-0.32.0/metrics-warm.txt");
    const COLD: &str = include_str!("../../../crates/stand-in-engine/tests-data/vllm-0.32.0/metrics-cold.txt");

    #[test]
    fn recorded_metrics_of_a_warm_engine_are_read_whole() {
        let metrics = EngineMetrics::read(WARM);
        let sum = |count, sum_seconds| Some(TimeSum { count, sum_seconds });
        assert_eq!(metrics.time_to_first_token, sum(340.0, 3.993_639_945_983_886_7));
        assert_eq!(metrics.inter_token_latency, sum(10_540.0, 36.248_497_165_995_56));
        assert_eq!(metrics.end_to_end_latency, sum(340.0, 40.209_952_116_012_57));
        assert_eq!(metrics.queue_time, sum(340.0, 0.004_026_190_002_150_543));
        assert_eq!((metrics.preemptions, metrics.kv_cache_usage), (Some(0.0), Some(0.0)));
        let flags: Vec<(&str, &str)> =
            metrics.cache_configuration.iter().map(|(flag, value)| (&**flag, &**value)).collect();
        assert_eq!(
            flags,
            [
                ("block-size", "128"),
                ("enable-prefix-caching", "true"),
                ("gpu-memory-utilization", "0.2"),
                ("kv-cache-dtype", "auto"),
                ("prefix-caching-hash-algo", "sha256"),
            ]
        );
    }

    #[test]
    fn a_cold_engine_counts_from_nothing() {
        let metrics = EngineMetrics::read(COLD);
        assert_eq!(metrics.time_to_first_token.map(|sum| sum.count), Some(0.0));
        assert_eq!(metrics.preemptions, Some(0.0));
    }

    #[test]
    fn figures_of_several_engine_cores_add_up_and_the_fullest_cache_counts() {
        let text = "vllm:num_preemptions_total{engine=\"0\"} 2\nvllm:num_preemptions_total{engine=\"1\"} 3\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.5\n";
        let metrics = EngineMetrics::read(text);
        assert_eq!((metrics.preemptions, metrics.kv_cache_usage), (Some(5.0), Some(0.5)));
    }

    #[test]
    fn names_of_older_releases_are_known_and_those_of_today_go_first() {
        let old = "vllm:time_per_output_token_seconds_sum 1.5\nvllm:time_per_output_token_seconds_count 3\n\
                   vllm:gpu_cache_usage_perc 0.75\n";
        let metrics = EngineMetrics::read(old);
        assert_eq!(metrics.inter_token_latency, Some(TimeSum { count: 3.0, sum_seconds: 1.5 }));
        assert_eq!(metrics.kv_cache_usage, Some(0.75));
        let both = format!("{old}vllm:kv_cache_usage_perc 0.5\n");
        assert_eq!(EngineMetrics::read(&both).kv_cache_usage, Some(0.5));
    }

    #[test]
    fn what_is_no_sample_says_nothing() {
        for text in [
            "",
            "# HELP vllm:x y",
            "vllm:num_preemptions_total",
            "vllm:num_preemptions_total{a=\"b\" 1",
            "<html>",
            "vllm:num_preemptions_total NaN",
            "vllm:num_preemptions_total{a=\"}\"} x",
        ] {
            assert_eq!(EngineMetrics::read(text), EngineMetrics::default(), "{text}");
        }
    }

    #[test]
    fn labels_may_hold_braces_quotes_and_commas() {
        let line = r#"m{a="}",b="x\"y",c="1,2",d="\\n"} 1"#;
        let found = sample(line).unwrap();
        let labels = read_labels(found.labels);
        let expected = [("a", "}"), ("b", "x\"y"), ("c", "1,2"), ("d", "\\n")];
        assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(found.value, 1.0);
    }
}
