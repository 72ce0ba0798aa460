//! The arguments that differ from their defaults, as the server prints them: a Python dictionary.

use std::collections::BTreeMap;

use phaseloop_core::{tuning::catalogue::find_actuator, value::ParameterName};

/// Flags whose value is a list.
const LISTS: [&str; 4] = ["served-model-name", "lora-modules", "middleware", "logits-processors"];

/// The dictionary of a configuration. Arguments that say what would be so without them are left out, as the server does.
pub(super) fn non_default_arguments(configuration: &BTreeMap<String, String>) -> String {
    let entries: Vec<String> = configuration
        .iter()
        .filter(|(flag, value)| !is_default(flag, value))
        .map(|(flag, value)| format!("'{}': {}", flag.replace('-', "_"), literal(flag, value)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

fn is_default(flag: &str, value: &str) -> bool {
    let Some(actuator) = find_actuator(&ParameterName::new(flag)) else { return false };
    actuator.engine_default.is_some_and(|default| actuator.read_value(default) == actuator.read_value(value))
}

fn literal(flag: &str, value: &str) -> String {
    if LISTS.contains(&flag) {
        let items: Vec<String> = value.split_ascii_whitespace().map(quoted).collect();
        return format!("[{}]", items.join(", "));
    }
    let read = find_actuator(&ParameterName::new(flag)).map(|actuator| actuator.read_value(value));
    if let Some(number) = read.as_ref().and_then(phaseloop_core::value::ParameterValue::as_number) {
        return number.to_string();
    }
    match value.to_ascii_lowercase().as_str() {
        "true" => "True".to_owned(),
        "false" => "False".to_owned(),
        _ if value.parse::<i64>().is_ok() => value.to_owned(),
        _ => quoted(value),
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\");
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{escaped}\"");
    }
    format!("'{}'", escaped.replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use phaseloop_core::analysis::engine_log::effective_arguments;

    use super::*;

    fn configuration(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn arguments_are_printed_as_python_prints_them() {
        let printed = non_default_arguments(&configuration(&[
            ("enforce-eager", "true"),
            ("gpu-memory-utilization", "0.70"),
            ("max-num-batched-tokens", "8K"),
            ("max-num-seqs", "32"),
            ("model", "/models/it's"),
            ("port", "8011"),
            ("served-model-name", "chat llama"),
        ]));
        assert_eq!(
            printed,
            "{'enforce_eager': True, 'gpu_memory_utilization': 0.7, 'max_num_batched_tokens': 8192, 'max_num_seqs': 32, \
             'model': \"/models/it's\", 'port': 8011, 'served_model_name': ['chat', 'llama']}"
        );
    }

    #[test]
    fn what_would_be_so_anyway_is_not_printed() {
        let same = configuration(&[("gpu-memory-utilization", "0.920"), ("enable-prefix-caching", "true")]);
        assert_eq!(non_default_arguments(&same), "{}");
        assert_ne!(non_default_arguments(&configuration(&[("gpu-memory-utilization", "0.93")])), "{}");
    }

    #[test]
    fn the_core_reads_back_what_was_printed() {
        let given = configuration(&[
            ("model", "a\\b'c"),
            ("gpu-memory-utilization", "0.75"),
            ("enable-chunked-prefill", "false"),
            ("quantization", "awq"),
        ]);
        let line = format!("non-default args: {}", non_default_arguments(&given));
        assert_eq!(effective_arguments(&line), given);
    }
}
