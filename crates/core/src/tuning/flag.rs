//! Flags in an argument list, in every spelling that vLLM's parser takes.

use crate::{prelude::*, value::ParameterName};

/// One flag where it stands in an argument list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagOccurrence {
    /// Canonical name; of a `--no-x` the `x`.
    pub name: ParameterName,
    /// Its value; absent for a switch, and for a flag whose value is missing.
    pub value: Option<String>,
    /// Whether it was written `--no-x`.
    pub negated: bool,
    /// Whether flag and value are one element (`--x=1`, `-O3`).
    pub joined: bool,
    /// Position of the flag in the list.
    pub start: usize,
    /// Elements that flag and value take up.
    pub length: usize,
}

/// One-dash flags of vLLM and what they stand for.
const SHORT_NAMES: [(&str, &str); 8] = [
    ("-tp", "tensor-parallel-size"),
    ("-pp", "pipeline-parallel-size"),
    ("-dp", "data-parallel-size"),
    ("-dcp", "decode-context-parallel-size"),
    ("-ep", "enable-expert-parallel"),
    ("-cc", "compilation-config"),
    ("-q", "quantization"),
    ("-O", "optimization-level"),
];

/// Beginnings of names of switches, which take no value.
const SWITCH_PREFIXES: [&str; 3] = ["enable-", "disable-", "no-"];

/// Switches of other names.
const SWITCHES: [&str; 10] = [
    "enforce-eager",
    "trust-remote-code",
    "async-scheduling",
    "skip-tokenizer-init",
    "calculate-kv-scales",
    "headless",
    "kv-sharing-fast-prefill",
    "return-tokens-as-token-ids",
    "multi-step-stream-outputs",
    "show-hidden-metrics",
];

/// Flags that take several values in a row.
const SEVERAL_VALUES: [&str; 4] = ["served-model-name", "lora-modules", "middleware", "logits-processors"];

/// Every flag of the list, in order. What is neither a flag nor its value is passed over.
pub fn flags_of(arguments: &[String]) -> Vec<FlagOccurrence> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(argument) = arguments.get(position) {
        let Some(head) = read_head(argument) else {
            position += 1;
            continue;
        };
        let rest = arguments.get(position + 1..).unwrap_or_default();
        let values = if head.value.is_some() || is_switch(&head) { 0 } else { values_after(&head.name, rest) };
        let value = head.value.or_else(|| {
            let words = rest.get(..values).filter(|words| !words.is_empty())?;
            Some(words.join(" "))
        });
        let length = 1 + values;
        found.push(FlagOccurrence {
            name: head.name,
            value,
            negated: head.negated,
            joined: head.joined,
            start: position,
            length,
        });
        position += length;
    }
    found
}

/// Whether a name is that of a switch: a flag that takes no value.
pub fn is_switch_name(name: &str) -> bool {
    SWITCHES.contains(&name) || SWITCH_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

struct Head {
    name: ParameterName,
    value: Option<String>,
    negated: bool,
    joined: bool,
}

fn read_head(argument: &str) -> Option<Head> {
    if !argument.starts_with('-') || is_number(argument) || argument.trim_start_matches('-').is_empty() {
        return None;
    }
    let (spelling, value) = match argument.split_once('=') {
        Some((spelling, value)) => (spelling, Some(value)),
        None => (argument, None),
    };
    let joined = value.is_some();
    if spelling.starts_with("--") {
        let full = ParameterName::new(spelling);
        let (name, negated) = match full.as_str().strip_prefix("no-") {
            Some(positive) => (ParameterName::new(positive), true),
            None => (full, false),
        };
        return Some(Head { name, value: value.map(ToOwned::to_owned), negated, joined });
    }
    if let Some(level) = argument.strip_prefix("-O").filter(|level| is_number(level)) {
        let name = ParameterName::new("optimization-level");
        return Some(Head { name, value: Some(level.to_owned()), negated: false, joined: true });
    }
    let dotted = spelling.find('.').unwrap_or(spelling.len());
    let (short, tail) = spelling.split_at(dotted);
    let (_, long) = SHORT_NAMES.iter().find(|(name, _)| *name == short)?;
    let name = ParameterName::new(&format!("{long}{tail}"));
    Some(Head { name, value: value.map(ToOwned::to_owned), negated: false, joined })
}

fn is_switch(head: &Head) -> bool {
    head.negated || is_switch_name(head.name.as_str())
}

fn values_after(name: &ParameterName, rest: &[String]) -> usize {
    let plain = rest.iter().take_while(|word| !word.starts_with('-') || is_number(word)).count();
    if SEVERAL_VALUES.contains(&name.as_str()) { plain } else { plain.min(1) }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
    }

    fn seen(text: &str) -> Vec<(String, Option<String>, bool, bool, usize, usize)> {
        let flags = flags_of(&list(text)).into_iter();
        flags
            .map(|flag| (flag.name.to_string(), flag.value, flag.negated, flag.joined, flag.start, flag.length))
            .collect()
    }

    fn entry(
        name: &str,
        value: Option<&str>,
        negated: bool,
        joined: bool,
        start: usize,
        length: usize,
    ) -> (String, Option<String>, bool, bool, usize, usize) {
        (name.to_owned(), value.map(ToOwned::to_owned), negated, joined, start, length)
    }

    #[test]
    fn every_spelling_is_seen_where_it_stands() {
        assert_eq!(
            seen("vllm serve /m --max-num-seqs 32 --max_model_len=1024 --enforce-eager --no-enable-prefix-caching x"),
            vec![
                entry("max-num-seqs", Some("32"), false, false, 3, 2),
                entry("max-model-len", Some("1024"), false, true, 5, 1),
                entry("enforce-eager", None, false, false, 6, 1),
                entry("enable-prefix-caching", None, true, false, 7, 1),
            ]
        );
    }

    #[test]
    fn a_negative_number_is_a_value_and_a_flag_is_not() {
        assert_eq!(seen("--max-model-len -1"), vec![entry("max-model-len", Some("-1"), false, false, 0, 2)]);
        assert_eq!(
            seen("--seed --port 8000"),
            vec![entry("seed", None, false, false, 0, 1), entry("port", Some("8000"), false, false, 1, 2)]
        );
        assert_eq!(seen("--watermark -.5"), vec![entry("watermark", Some("-.5"), false, false, 0, 2)]);
    }

    #[test]
    fn short_flags_are_known_by_their_long_names() {
        assert_eq!(
            seen("-tp 2 -O3 -O 1 -cc.mode=3 -dp=4 -x 9 - --"),
            vec![
                entry("tensor-parallel-size", Some("2"), false, false, 0, 2),
                entry("optimization-level", Some("3"), false, true, 2, 1),
                entry("optimization-level", Some("1"), false, false, 3, 2),
                entry("compilation-config.mode", Some("3"), false, true, 5, 1),
                entry("data-parallel-size", Some("4"), false, true, 6, 1),
            ]
        );
    }

    #[test]
    fn only_flags_known_for_it_take_several_values() {
        assert_eq!(
            seen("--served-model-name a b --port 1 2"),
            vec![
                entry("served-model-name", Some("a b"), false, false, 0, 3),
                entry("port", Some("1"), false, false, 3, 2),
            ]
        );
    }

    #[test]
    fn switches_are_known_by_their_beginnings_or_their_names() {
        for (name, switch) in [
            ("enable-x", true),
            ("disable-x", true),
            ("no-x", true),
            ("headless", true),
            ("model", false),
            ("enabled", false),
        ] {
            assert_eq!(is_switch_name(name), switch, "{name}");
        }
    }
}
