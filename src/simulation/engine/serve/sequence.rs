//! A request inside the engine.

use super::super::{pool::Holding, units::Micros};

/// A request that waits or runs.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    /// Its place among the outcomes.
    pub(super) slot: usize,
    /// When it reached the engine.
    pub(super) arrived_at: Micros,
    /// Tokens of its prompt.
    pub(super) prompt_tokens: u64,
    /// Tokens of its answer when it is whole.
    pub(super) output_tokens: u64,
    /// Tokens of its answer so far.
    pub(super) generated: u64,
    /// Tokens whose keys and values are in the cache.
    pub(super) computed: u64,
    /// Tokens that this step computes.
    pub(super) scheduled: u64,
    /// Blocks.
    pub(super) holding: Holding,
    /// When its last token came.
    pub(super) last_token_at: Micros,
}

impl Sequence {
    /// Tokens that must be computed before it gets its next one.
    pub(super) const fn missing(&self) -> u64 {
        self.prompt_tokens + self.generated - self.computed
    }
}
