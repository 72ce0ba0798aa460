//! The account of memory: what the engine asks for, what is left for the cache, and whether that suffices.

use crate::{command_line::Arguments, environment::Environment, text::Parts, text::grouped};

/// Bytes that one token takes in the cache: two layers of two heads of 64, keys and values, two bytes each.
const TOKEN_BYTES: u64 = 1_024;
/// Tokens of a block; the recorded engine on a CPU takes 128.
const BLOCK_TOKENS: u64 = 128;
const GIB: f64 = 1_073_741_824.0;
/// Memory that the machine needs for itself, GiB. Recorded: 12.82 of 14.59 were free with 1.03 used by the engine.
const TAKEN_BY_OTHERS_GIB: f64 = 0.74;

/// What an engine holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Memory of the machine, GiB.
    pub(crate) total_gib: f64,
    /// What the share grants, GiB.
    pub(crate) asked_gib: f64,
    /// What the engine needs besides its cache, GiB.
    pub(crate) other_gib: f64,
    /// What is left for the cache, GiB; below zero where nothing is.
    pub(crate) cache_gib: f64,
    /// Blocks that fit.
    pub(crate) blocks: u64,
    /// Blocks that are used instead.
    pub(crate) blocks_override: Option<u64>,
    /// Tokens of the longest permitted sequence.
    pub(crate) length_max: u64,
}

/// Why an engine refuses to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing is left for the cache.
    NoMemory,
    /// The cache does not hold one sequence of the longest permitted length.
    TooShort,
}

impl Plan {
    /// What follows from arguments and machine.
    pub(crate) fn of(arguments: &Arguments, environment: &Environment) -> Self {
        let asked_gib = environment.memory_gib * arguments.utilization();
        let cache_gib = arguments.cache_bytes().map_or(asked_gib - environment.other_gib, |bytes| bytes as f64 / GIB);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a size is a size")]
        let cache_bytes = (cache_gib.max(0.0) * GIB) as u64;
        Self {
            total_gib: environment.memory_gib,
            asked_gib,
            other_gib: environment.other_gib,
            cache_gib,
            blocks: cache_bytes / (TOKEN_BYTES * BLOCK_TOKENS),
            blocks_override: arguments.blocks_override(),
            length_max: arguments.length_max(),
        }
    }

    /// Blocks of the cache.
    pub(crate) fn blocks_used(&self) -> u64 {
        self.blocks_override.unwrap_or(self.blocks)
    }

    /// Tokens that the cache holds.
    pub(crate) fn tokens(&self) -> u64 {
        self.blocks_used() * BLOCK_TOKENS
    }

    /// Sequences of the longest permitted length that it holds.
    pub(crate) fn concurrency(&self) -> f64 {
        self.tokens() as f64 / self.length_max as f64
    }

    /// Why it does not start; `None` where it does. vLLM keeps one block for itself.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        if self.cache_gib <= 0.0 {
            return Some(Refusal::NoMemory);
        }
        (self.fitting() < self.length_max).then_some(Refusal::TooShort)
    }

    fn fitting(&self) -> u64 {
        self.blocks_used().saturating_sub(1) * BLOCK_TOKENS
    }

    /// Its figures for the lines of a start and of a refusal.
    pub(crate) fn parts(&self) -> Parts {
        let gib = |gib: f64| format!("{gib:.2}");
        let tokens_gib = |tokens: u64| format!("{:.1}", (tokens * TOKEN_BYTES) as f64 / GIB);
        Parts::from([
            ("total_gib", gib(self.total_gib)),
            ("asked_gib", gib(self.asked_gib)),
            ("other_gib", gib(self.other_gib)),
            ("cache_gib", gib(self.cache_gib)),
            ("free_gib", gib((self.total_gib - self.other_gib - TAKEN_BY_OTHERS_GIB).max(0.0))),
            ("cache_tokens", grouped(self.tokens())),
            ("length_grouped", grouped(self.length_max)),
            ("concurrency", gib(self.concurrency())),
            ("blocks", self.blocks.to_string()),
            ("override", self.blocks_override.map_or_else(String::new, |blocks| blocks.to_string())),
            ("needed_gib", tokens_gib(self.length_max)),
            ("granted_gib", tokens_gib(self.tokens())),
            ("fitting", self.fitting().to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Plan {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Plan::of(&Arguments::read(&words).unwrap(), &Environment::read([]).unwrap())
    }

    #[test]
    fn the_recorded_share_gives_the_recorded_cache() {
        let plan = plan("m --max-model-len 1024 --gpu-memory-utilization 0.2");
        let parts = plan.parts();
        let of = |name: &str| parts[name].as_str();
        assert_eq!((of("cache_gib"), of("asked_gib"), of("other_gib")), ("1.89", "2.92", "1.03"));
        // 1,978,368 and 1,980,160 were recorded.
        assert!((1_975_000..1_983_000).contains(&plan.tokens()), "{}", plan.tokens());
        assert_eq!(plan.refusal(), None);
    }

    #[test]
    fn a_share_that_only_pays_for_the_engine_is_refused_and_one_above_it_is_not() {
        let of_share = |share: f64| plan(&format!("m --max-model-len 1024 --gpu-memory-utilization {share}"));
        let refused = of_share(0.01);
        assert_eq!(refused.refusal(), Some(Refusal::NoMemory));
        assert_eq!((refused.parts()["cache_gib"].as_str(), refused.parts()["asked_gib"].as_str()), ("-0.88", "0.15"));
        assert_eq!(refused.parts()["free_gib"], "12.82");
        assert_eq!(of_share(0.0705).refusal(), Some(Refusal::NoMemory));
        assert_eq!(of_share(0.0715).refusal(), None);
    }

    #[test]
    fn blocks_for_less_than_one_sequence_are_refused() {
        let of_blocks = |blocks: u64| {
            plan(&format!("m --max-model-len 1024 --gpu-memory-utilization 0.2 --num-gpu-blocks-override {blocks}"))
        };
        assert_eq!(of_blocks(4).refusal(), Some(Refusal::TooShort));
        assert_eq!(of_blocks(4).parts()["fitting"], "384");
        assert_eq!((of_blocks(8).refusal(), of_blocks(9).refusal()), (Some(Refusal::TooShort), None));
    }
}
