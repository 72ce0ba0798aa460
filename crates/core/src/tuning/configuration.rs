//! The configuration that an argument list amounts to.

use super::flag::flags_of;
use crate::prelude::*;

/// Engine arguments as canonical flag name -> value: what `Environment.configuration` holds. The last of repeated flags
/// wins, as with the engine's own parser; a switch is `true`, its `--no-` form `false`; the model that follows `serve`
/// without a flag stands under `model`; a flag whose value is missing has an empty one.
pub fn configuration_of(arguments: &[String]) -> BTreeMap<String, String> {
    let mut configuration = BTreeMap::new();
    let mut words = arguments.iter().skip_while(|word| *word != "serve").skip(1);
    if let Some(model) = words.next().filter(|word| !word.starts_with('-')) {
        configuration.insert("model".to_owned(), model.clone());
    }
    for flag in flags_of(arguments) {
        let switch = flag.negated || super::flag::is_switch_name(flag.name.as_str());
        let value = match flag.value {
            Some(value) => value,
            None if switch => (!flag.negated).to_string(),
            None => String::new(),
        };
        configuration.insert(flag.name.as_str().to_owned(), value);
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str) -> Vec<(String, String)> {
        let arguments: Vec<String> = text.split_ascii_whitespace().map(ToOwned::to_owned).collect();
        configuration_of(&arguments).into_iter().collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_arguments_of_a_recorded_night_read_as_its_configuration() {
        assert_eq!(
            configuration("--max-model-len 1024 --enforce-eager --max-num-seqs 2 --gpu-memory-utilization 0.2"),
            pairs(&[
                ("enforce-eager", "true"),
                ("gpu-memory-utilization", "0.2"),
                ("max-model-len", "1024"),
                ("max-num-seqs", "2"),
            ])
        );
    }

    #[test]
    fn the_last_of_repeated_flags_wins_in_whatever_spelling() {
        assert_eq!(configuration("--max-num-seqs 2 --max_num_seqs=32"), pairs(&[("max-num-seqs", "32")]));
        assert_eq!(
            configuration("--enable-prefix-caching --no-enable-prefix-caching"),
            pairs(&[("enable-prefix-caching", "false")])
        );
        assert_eq!(
            configuration("--no-enable-prefix-caching --enable-prefix-caching"),
            pairs(&[("enable-prefix-caching", "true")])
        );
    }

    #[test]
    fn the_model_after_serve_needs_no_flag() {
        assert_eq!(configuration("vllm serve /models/a --port 1"), pairs(&[("model", "/models/a"), ("port", "1")]));
        assert_eq!(configuration("vllm serve --model b"), pairs(&[("model", "b")]));
        assert_eq!(configuration("serve"), pairs(&[]));
        assert_eq!(configuration("vllm bench a"), pairs(&[]));
    }

    #[test]
    fn a_missing_value_is_empty_and_no_switch() {
        assert_eq!(configuration("--seed"), pairs(&[("seed", "")]));
    }
}
