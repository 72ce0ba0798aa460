//! How long a step of the engine takes: the roofline of the card, and what the host adds.
//!
//! Roofline: S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52(4), 2009. A step reads all weights
//! once, and the keys and values of every request in it; it computes on every token. The slower of the two decides.

use super::spec::EngineSpec;

/// What one step works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Tokens whose next one is computed: pieces of prompts, and one for each answer in progress.
    pub tokens: u64,
    /// Requests.
    pub sequences: u64,
    /// Pairs of a token and a token that it looks at.
    pub attended: u64,
    /// Tokens in the cache that are read: the context of each request.
    pub context_tokens: u64,
    /// Requests that came since the step before, whether or not they are in this one.
    pub arrivals: u64,
}

/// Seconds that a step takes, without chance.
pub fn step_seconds(spec: &EngineSpec, batch: &Batch) -> f64 {
    let EngineSpec { card, model, settings, .. } = spec;
    let flops = model.step_flops(batch.tokens, batch.attended);
    let cache_bytes = model.kv_bytes_per_token(settings.cache_element_bits) * batch.context_tokens;
    let bytes = model.weight_bytes as f64 + cache_bytes as f64;
    let compute = flops / (card.compute_flops_per_second * card.compute_efficiency);
    let transfer = bytes / (card.bandwidth_bytes_per_second * card.bandwidth_efficiency);
    let launch = if settings.enforce_eager { card.host.eager_layer_seconds * model.layers as f64 } else { 0.0 };
    let host = card.host.step_seconds
        + card.host.sequence_seconds * batch.sequences as f64
        + card.host.arrival_seconds * batch.arrivals as f64;
    compute.max(transfer) + launch + host
}
