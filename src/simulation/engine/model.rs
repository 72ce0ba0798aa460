//! The shape of a language model: what decides over memory and arithmetic.

/// A decoder-only transformer by its shape. Presets with their sources are in [`preset`](super::preset).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelShape {
    /// Name, as it is served.
    pub name: String,
    /// Class name that vLLM resolves.
    pub architecture: String,
    /// Parameters that each token passes through.
    pub parameters: u64,
    /// Size of the weights in the card's memory, bytes.
    pub weight_bytes: u64,
    /// Layers.
    pub layers: u64,
    /// Width of the hidden state.
    pub hidden_size: u64,
    /// Width of the feed-forward part.
    pub intermediate_size: u64,
    /// Attention heads.
    pub attention_heads: u64,
    /// Heads whose keys and values are kept.
    pub kv_heads: u64,
    /// Width of one head.
    pub head_size: u64,
    /// Words of the vocabulary.
    pub vocabulary: u64,
    /// Longest sequence, tokens.
    pub max_length_tokens: u64,
}

/// Bytes of one activation: 16-bit floating point.
const ACTIVATION_BYTES: u64 = 2;
/// Bytes of one logit: sampling works in 32 bits.
const LOGIT_BYTES: u64 = 4;
/// Logits are held as the model gives them and as sampling changes them.
const LOGIT_COPIES: u64 = 2;
/// What the sampler holds at once for each word: logits, probabilities, their sum, and a sorted copy with 64-bit places.
const SAMPLER_COPIES: u64 = 6;
/// Bits of a byte.
const BYTE_BITS: u64 = 8;

impl ModelShape {
    /// Bytes of keys and values of one token, with elements of that many bits.
    pub const fn kv_bytes_per_token(&self, element_bits: u64) -> u64 {
        2 * self.layers * self.kv_heads * self.head_size * element_bits / BYTE_BITS
    }

    /// Largest memory that a forward pass holds at once, beside weights and cache: the residual stream and its normed
    /// copy, the two halves of the feed-forward part and their product, and the logits of the requests that get a token.
    /// Layers reuse it.
    pub const fn activation_bytes(&self, tokens: u64, sampled: u64) -> u64 {
        let width = 2 * self.hidden_size + 3 * self.intermediate_size;
        tokens * width * ACTIVATION_BYTES + sampled * self.vocabulary * LOGIT_BYTES * LOGIT_COPIES
    }

    /// What the sampler's warm-up holds for that many requests.
    pub const fn sampler_bytes(&self, requests: u64) -> u64 {
        requests * self.vocabulary * LOGIT_BYTES * SAMPLER_COPIES
    }

    /// Floating-point operations of a step: two per parameter and token, and four per layer, head element, token and
    /// token that it looks at (J. Kaplan et al., arXiv 2001.08361, table 1).
    pub const fn step_flops(&self, tokens: u64, attended: u64) -> f64 {
        let dense = 2.0 * self.parameters as f64 * tokens as f64;
        let head_elements = (self.layers * self.attention_heads * self.head_size) as f64;
        dense + 4.0 * head_elements * attended as f64
    }
}
