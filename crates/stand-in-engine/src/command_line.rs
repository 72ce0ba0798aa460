//! `vllm serve MODEL --flag value ...` as vLLM reads it and says it back.

use std::{collections::BTreeMap, iter::Peekable};

use crate::flag::{FLAGS, Flag, FlagKind, SHORT, flag_named};

/// What argparse prints before an error. Its list of flags is left out.
const USAGE: &str = "usage: vllm serve [model_tag] [options]\n";
/// vLLM's default where the flag is not given; 2048 stands for "the model's own".
const MODEL_LENGTH: u64 = 2_048;
const BATCHED_TOKENS: u64 = 2_048;
const SEQUENCES: u64 = 256;
const PORT: u16 = 8_000;
const UTILIZATION: f64 = 0.92;

/// A flag's value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Integer(i64),
    Decimal(f64),
    Switch(bool),
    List(Vec<String>),
}

impl Value {
    /// As Python's `repr` writes it.
    fn repr(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(number) => format!("{number:?}"),
            Self::Switch(true) => "True".to_owned(),
            Self::Switch(false) => "False".to_owned(),
            Self::List(texts) => format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// Python takes double quotes where the text has single ones.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if text.contains('\'') && !text.contains('"') {
        format!("\"{escaped}\"")
    } else {
        format!("'{}'", escaped.replace('\'', "\\'"))
    }
}

/// The arguments of one engine.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arguments {
    model_tag: Option<String>,
    values: BTreeMap<&'static str, Value>,
}

/// What argparse refuses, as it prints it. The exit code is 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(String);

impl Refusal {
    fn new(what: &str) -> Self {
        Self(format!("{USAGE}vllm serve: error: {what}\n"))
    }

    /// Usage and error.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl Arguments {
    /// Reads what follows the program's name. `serve` may be missing, as in images whose entry point has it.
    pub(crate) fn read(words: &[String]) -> Result<Self, Refusal> {
        let words = words.strip_prefix(&["serve".to_owned()]).unwrap_or(words);
        let mut arguments = Self { model_tag: None, values: BTreeMap::new() };
        let mut unknown = Vec::new();
        let mut rest = words.iter().peekable();
        while let Some(word) = rest.next() {
            match option(word) {
                Some((name, value)) => match found(&name) {
                    Some((flag, on)) => {
                        let value = read_value(flag, on, value, &mut rest)?;
                        arguments.values.insert(flag.name, value);
                    }
                    None => unknown.push(word.clone()),
                },
                None if arguments.model_tag.is_none() => arguments.model_tag = Some(word.clone()),
                None => unknown.push(word.clone()),
            }
        }
        if !unknown.is_empty() {
            return Err(Refusal::new(&format!("unrecognized arguments: {}", unknown.join(" "))));
        }
        if let Some(tag) = &arguments.model_tag {
            arguments.values.insert("model", Value::Text(tag.clone()));
        }
        arguments.check()?;
        Ok(arguments)
    }

    fn check(&self) -> Result<(), Refusal> {
        let positive = ["max_num_seqs", "max_num_batched_tokens", "max_model_len", "num_gpu_blocks_override"];
        for name in positive {
            if self.integer(name).is_some_and(|number| number < 1) {
                return Err(Refusal::new(&format!("argument {}: must be at least 1", spelt(name))));
            }
        }
        if u16::try_from(self.integer("port").unwrap_or_default()).is_err() {
            return Err(Refusal::new("argument --port: must be a port"));
        }
        let share = self.utilization();
        if share > 0.0 && share <= 1.0 {
            return Ok(());
        }
        Err(Refusal::new("argument --gpu-memory-utilization: must be greater than 0 and at most 1"))
    }

    /// The dictionary of arguments that differ from their defaults.
    pub(crate) fn non_default(&self) -> String {
        let tag = self.model_tag.iter().map(|tag| format!("'model_tag': {}", quoted(tag)));
        let changed = FLAGS.iter().filter_map(|flag| {
            let repr = self.values.get(flag.name)?.repr();
            (repr != flag.default).then(|| format!("'{}': {repr}", flag.name))
        });
        format!("{{{}}}", tag.chain(changed).collect::<Vec<_>>().join(", "))
    }

    /// The model's path or name.
    pub(crate) fn model(&self) -> &str {
        self.text("model").unwrap_or("Qwen/Qwen3-0.6B")
    }

    /// Names under which it is served; the first one is in answers and metrics.
    pub(crate) fn served_names(&self) -> Vec<String> {
        self.list("served_model_name").unwrap_or_else(|| vec![self.model().to_owned()])
    }

    /// Keys of which requests to `/v1` need one.
    pub(crate) fn api_keys(&self) -> Vec<String> {
        self.list("api_key").unwrap_or_default()
    }

    /// The address to listen on.
    pub(crate) fn address(&self) -> (String, u16) {
        let port = self.integer("port").and_then(|port| u16::try_from(port).ok());
        (self.text("host").unwrap_or("0.0.0.0").to_owned(), port.unwrap_or(PORT))
    }

    /// Share of memory that is the engine's.
    pub(crate) fn utilization(&self) -> f64 {
        match self.values.get("gpu_memory_utilization") {
            Some(Value::Decimal(share)) => *share,
            _ => UTILIZATION,
        }
    }

    /// Tokens of a sequence at most, prompt and answer.
    pub(crate) fn length_max(&self) -> u64 {
        self.positive("max_model_len").unwrap_or(MODEL_LENGTH)
    }

    /// Sequences in a step at most.
    pub(crate) fn sequences_max(&self) -> u64 {
        self.positive("max_num_seqs").unwrap_or(SEQUENCES)
    }

    /// Tokens in a step at most.
    pub(crate) fn batched_tokens_max(&self) -> u64 {
        self.positive("max_num_batched_tokens").unwrap_or(BATCHED_TOKENS)
    }

    /// Blocks of the cache, where they are not to follow from the memory.
    pub(crate) fn blocks_override(&self) -> Option<u64> {
        self.positive("num_gpu_blocks_override")
    }

    /// Bytes of the cache, where they are not to follow from the share.
    pub(crate) fn cache_bytes(&self) -> Option<u64> {
        self.positive("kv_cache_memory_bytes")
    }

    /// Cards that share the model.
    pub(crate) fn tensor_parallel(&self) -> u64 {
        self.positive("tensor_parallel_size").unwrap_or(1)
    }

    /// Whether nothing is compiled.
    pub(crate) fn is_eager(&self) -> bool {
        self.is_on("enforce_eager")
    }

    /// Whether requests are listed in the log.
    pub(crate) fn logs_access(&self) -> bool {
        !self.is_on("disable_uvicorn_access_log")
    }

    /// Whether a line tells of throughput from time to time.
    pub(crate) fn logs_figures(&self) -> bool {
        !self.is_on("disable_log_stats")
    }

    fn is_on(&self, name: &str) -> bool {
        self.values.get(name) == Some(&Value::Switch(true))
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        match self.values.get(name)? {
            Value::List(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn positive(&self, name: &str) -> Option<u64> {
        self.integer(name).and_then(|number| u64::try_from(number).ok())
    }
}

/// Name and value of a word that is an option: `--a=b`, `-tp`.
fn option(word: &str) -> Option<(String, Option<String>)> {
    if let Some((_, name)) = SHORT.iter().find(|(short, _)| *short == word) {
        return Some(((*name).to_owned(), None));
    }
    let rest = word.strip_prefix("--").or_else(|| word.strip_prefix('-').filter(|rest| !is_number(rest)))?;
    let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value.to_owned())));
    Some((name.to_owned(), value))
}

fn is_number(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
}

/// The flag of a name, and whether a switch is turned on by it.
fn found(name: &str) -> Option<(&'static Flag, bool)> {
    flag_named(name).map(|flag| (flag, true)).or_else(|| {
        let flag = flag_named(name.strip_prefix("no-").or_else(|| name.strip_prefix("no_"))?)?;
        (flag.kind == FlagKind::Switch).then_some((flag, false))
    })
}

fn spelt(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

fn read_value<'a>(
    flag: &Flag,
    on: bool,
    given: Option<String>,
    rest: &mut Peekable<impl Iterator<Item = &'a String>>,
) -> Result<Value, Refusal> {
    if flag.kind == FlagKind::Switch {
        return match given {
            None => Ok(Value::Switch(on)),
            Some(value) => {
                let what = format!("argument {}: ignored explicit argument {}", spelt(flag.name), quoted(&value));
                Err(Refusal::new(&what))
            }
        };
    }
    let mut texts: Vec<String> = given.into_iter().collect();
    let is_list = flag.kind == FlagKind::List && texts.is_empty();
    while let Some(next) = rest.next_if(|next| (is_list || texts.is_empty()) && option(next).is_none()) {
        texts.push(next.clone());
    }
    let Some(text) = texts.first() else {
        let wanted = if is_list { "at least one argument" } else { "one argument" };
        return Err(Refusal::new(&format!("argument {}: expected {wanted}", spelt(flag.name))));
    };
    let invalid =
        |kind: &str| Refusal::new(&format!("argument {}: invalid {kind} value: {}", spelt(flag.name), quoted(text)));
    match flag.kind {
        FlagKind::Integer => text.parse().map(Value::Integer).map_err(|_| invalid("int")),
        FlagKind::Decimal => text.parse().map(Value::Decimal).map_err(|_| invalid("float")),
        FlagKind::List => Ok(Value::List(texts)),
        FlagKind::Text | FlagKind::Switch => Ok(Value::Text(text.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, Refusal> {
        Arguments::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_in_each_of_their_spellings() {
        for line in [
            "serve /models/tiny --max-num-seqs 7 --enforce-eager --gpu-memory-utilization=0.5",
            "--enforce_eager --max_num_seqs=7 --gpu_memory_utilization 0.5 /models/tiny",
            "serve --max-num-seqs 7 --gpu-memory-utilization 0.5 --enforce-eager --model /models/tiny",
        ] {
            let arguments = read(line).unwrap();
            assert_eq!((arguments.model(), arguments.sequences_max()), ("/models/tiny", 7));
            assert!((arguments.utilization() - 0.5).abs() < 1e-9 && arguments.is_eager());
        }
        let lists = read("m --served-model-name a b --api-key k --no-enable-prefix-caching -tp 2").unwrap();
        assert_eq!(
            (lists.served_names(), lists.api_keys()),
            (vec!["a".to_owned(), "b".to_owned()], vec!["k".to_owned()])
        );
        assert_eq!(lists.tensor_parallel(), 2);
        assert!(lists.non_default().contains("'enable_prefix_caching': False"));
    }

    #[test]
    fn what_stands_at_its_default_is_not_listed() {
        assert_eq!(read("serve").unwrap().non_default(), "{}");
        assert_eq!(
            read("m --port 8000 --gpu-memory-utilization 0.92").unwrap().non_default(),
            "{'model_tag': 'm', 'model': 'm'}"
        );
        assert_eq!(
            read("m --gpu-memory-utilization 1").unwrap().non_default(),
            "{'model_tag': 'm', 'model': 'm', 'gpu_memory_utilization': 1.0}"
        );
    }

    #[test]
    fn what_argparse_refuses_is_refused_in_its_words() {
        for (line, words) in [
            ("m --speed 9 x", "vllm serve: error: unrecognized arguments: --speed 9 x"),
            ("m --max-num-seqs many", "vllm serve: error: argument --max-num-seqs: invalid int value: 'many'"),
            (
                "m --gpu-memory-utilization",
                "vllm serve: error: argument --gpu-memory-utilization: expected one argument",
            ),
            ("m --served-model-name --enforce-eager", "argument --served-model-name: expected at least one argument"),
            ("m --enforce-eager=yes", "argument --enforce-eager: ignored explicit argument 'yes'"),
            ("m --gpu-memory-utilization 1.2", "argument --gpu-memory-utilization: must be"),
            ("m --max-num-seqs 0", "argument --max-num-seqs: must be at least 1"),
            ("m --port 65536", "argument --port: must be a port"),
        ] {
            let refusal = read(line).unwrap_err();
            assert!(refusal.text().contains(words), "{line}: {}", refusal.text());
        }
    }
}
