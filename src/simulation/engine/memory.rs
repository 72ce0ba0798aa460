//! The account of the card's memory: what is claimed, what is left for the cache, and what is left beside it.

use super::{
    release::EngineRelease,
    settings::{EngineSettings, ResolvedSettings},
    spec::{EngineSpec, GpuState},
};

/// What an engine that started holds of its card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// All of the card's memory, bytes.
    pub total_bytes: u64,
    /// What a process could get when the engine started, bytes.
    pub free_at_start_bytes: u64,
    /// Weights, bytes.
    pub weight_bytes: u64,
    /// Largest activations that the profile run saw, bytes.
    pub activation_bytes: u64,
    /// Libraries' workspaces that the profile run saw, bytes.
    pub runtime_bytes: u64,
    /// CUDA graphs, bytes.
    pub graph_bytes: u64,
    /// What the KV cache was granted, bytes; whole blocks of it are used.
    pub cache_granted_bytes: u64,
    /// Bytes of one block of the cache.
    pub block_bytes: u64,
    /// Tokens of one block.
    pub block_tokens: u64,
    /// Blocks of the cache.
    pub blocks: u64,
    /// Longest sequence that was settled on, tokens.
    pub max_model_len: u64,
    /// What is left of the card for everything that is not resident: activations of a step, and all that the profile run
    /// did not see. Bytes.
    pub left_bytes: u64,
}

/// Why an engine does not come up on this card, in the order in which it finds out.
#[derive(Debug, Clone, PartialEq)]
pub enum MemoryRefusal {
    /// Less is free than the share of the card that it is to take.
    FreeMemory {
        /// Free, bytes.
        free_bytes: u64,
        /// Wanted, bytes.
        wanted_bytes: u64,
    },
    /// An allocation failed while weights were loaded, the profile run ran, or the cache was made.
    OutOfMemory {
        /// Where.
        stage: StartStage,
        /// The allocation that failed, bytes.
        tried_bytes: u64,
        /// What was free, bytes.
        free_bytes: u64,
    },
    /// Nothing is left for the cache.
    NoCacheBlocks {
        /// What is left, bytes; below zero, what is lacking.
        available_bytes: i128,
    },
    /// The longest permitted sequence does not fit the cache.
    ModelLength {
        /// The longest permitted sequence, tokens.
        max_model_len: u64,
        /// What it needs, bytes.
        needed_bytes: u64,
        /// What is left, bytes.
        available_bytes: u64,
        /// What would fit, tokens.
        fitting_tokens: u64,
    },
    /// The sampler's warm-up found too little left.
    SamplerWarmUp {
        /// Requests that it warmed up for.
        requests: u64,
        /// The allocation that failed, bytes.
        tried_bytes: u64,
        /// What was free, bytes.
        free_bytes: u64,
    },
}

/// A part of an engine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartStage {
    /// Weights come onto the card.
    LoadWeights,
    /// The largest step is run once and measured.
    Profile,
    /// The cache is made and graphs are captured.
    MakeCache,
}

/// Blocks that the longest sequence can't count on: the engine keeps one that stands for "none" (`BlockPool.null_block` of
/// vLLM). A recorded engine with four blocks of 128 tokens offers 384 tokens.
const NULL_BLOCKS: u64 = 1;

impl MemoryPlan {
    /// The account of an engine on a card with so much else on it.
    ///
    /// # Errors
    /// It does not come up, and why.
    pub fn of(spec: &EngineSpec, resolved: &ResolvedSettings, gpu: &GpuState) -> Result<Self, MemoryRefusal> {
        let EngineSpec { card, model, release, settings } = spec;
        let total_bytes = card.memory_bytes;
        let free = total_bytes.saturating_sub(card.context_bytes).saturating_sub(gpu.used_by_others_bytes);
        let wanted_bytes = share_of(total_bytes, settings);
        if settings.kv_cache_memory_bytes.is_none() && free < wanted_bytes {
            return Err(MemoryRefusal::FreeMemory { free_bytes: free, wanted_bytes });
        }
        let (weight_bytes, runtime_bytes) = (model.weight_bytes, release.profiled_runtime_bytes);
        let activation_bytes = model.activation_bytes(resolved.max_num_batched_tokens, resolved.max_num_seqs);
        check_fits(StartStage::LoadWeights, weight_bytes, free)?;
        check_fits(StartStage::Profile, activation_bytes, free.saturating_sub(weight_bytes + runtime_bytes))?;
        let graph_bytes = graph_bytes(spec, resolved);
        let cache_granted_bytes = match settings.kv_cache_memory_bytes {
            Some(bytes) => bytes,
            None => cache_share(wanted_bytes, [weight_bytes, runtime_bytes, activation_bytes, graph_bytes])?,
        };
        let block_bytes = settings.block_size * model.kv_bytes_per_token(settings.cache_element_bits);
        let blocks = cache_granted_bytes / block_bytes;
        if blocks <= NULL_BLOCKS {
            return Err(MemoryRefusal::NoCacheBlocks { available_bytes: i128::from(cache_granted_bytes) });
        }
        let max_model_len = length_that_fits(resolved, cache_granted_bytes, blocks, settings.block_size, block_bytes)?;
        let resident = weight_bytes + runtime_bytes + graph_bytes;
        check_fits(StartStage::MakeCache, blocks * block_bytes, free.saturating_sub(resident))?;
        let left_bytes = free.saturating_sub(resident + blocks * block_bytes);
        let sampler_bytes = model.sampler_bytes(resolved.max_num_seqs);
        if sampler_bytes > left_bytes {
            let requests = resolved.max_num_seqs;
            return Err(MemoryRefusal::SamplerWarmUp { requests, tried_bytes: sampler_bytes, free_bytes: left_bytes });
        }
        Ok(Self {
            total_bytes,
            free_at_start_bytes: free,
            weight_bytes,
            activation_bytes,
            runtime_bytes,
            graph_bytes,
            cache_granted_bytes,
            block_bytes,
            block_tokens: settings.block_size,
            blocks,
            max_model_len,
            left_bytes,
        })
    }

    /// Tokens that the cache holds.
    pub const fn cache_tokens(&self) -> u64 {
        self.blocks * self.block_tokens
    }

    /// What a step needs of what is left, bytes: its activations with what fragmentation adds, and everything that the
    /// release takes without having measured it.
    pub fn step_bytes(
        &self,
        release: &EngineRelease,
        step_activation_bytes: u64,
        sequences: u64,
        used_blocks: u64,
    ) -> f64 {
        let activations = step_activation_bytes as f64 * (1.0 + release.activation_fragmentation);
        let sequences = (release.unprofiled_sequence_bytes * sequences) as f64;
        let beside_cache = (used_blocks * self.block_bytes) as f64 * release.cache_workspace_share;
        release.unprofiled_bytes as f64 + activations + sequences + beside_cache
    }
}

/// The share of the card that the engine is to take, bytes.
pub(super) fn share_of(total_bytes: u64, settings: &EngineSettings) -> u64 {
    const MILLION: i128 = 1_000_000;
    let share = i128::from(total_bytes) * i128::from(settings.gpu_memory_utilization.millionths()) / MILLION;
    u64::try_from(share).unwrap_or(0)
}

fn graph_bytes(spec: &EngineSpec, resolved: &ResolvedSettings) -> u64 {
    if spec.settings.enforce_eager {
        return 0;
    }
    EngineRelease::graphs(resolved.max_num_seqs) * spec.model.layers * spec.release.graph_layer_bytes
}

fn check_fits(stage: StartStage, tried_bytes: u64, free_bytes: u64) -> Result<(), MemoryRefusal> {
    if tried_bytes > free_bytes {
        return Err(MemoryRefusal::OutOfMemory { stage, tried_bytes, free_bytes });
    }
    Ok(())
}

fn cache_share(wanted_bytes: u64, taken: [u64; 4]) -> Result<u64, MemoryRefusal> {
    let available_bytes = i128::from(wanted_bytes) - taken.into_iter().map(i128::from).sum::<i128>();
    match u64::try_from(available_bytes) {
        Ok(available) if available > 0 => Ok(available),
        _ => Err(MemoryRefusal::NoCacheBlocks { available_bytes }),
    }
}

fn length_that_fits(
    resolved: &ResolvedSettings,
    available_bytes: u64,
    blocks: u64,
    block_tokens: u64,
    block_bytes: u64,
) -> Result<u64, MemoryRefusal> {
    let fitting_tokens = (blocks - NULL_BLOCKS) * block_tokens;
    if resolved.max_model_len <= fitting_tokens {
        return Ok(resolved.max_model_len);
    }
    if resolved.fits_length {
        return Ok(fitting_tokens);
    }
    Err(MemoryRefusal::ModelLength {
        max_model_len: resolved.max_model_len,
        needed_bytes: resolved.max_model_len.div_ceil(block_tokens) * block_bytes,
        available_bytes,
        fitting_tokens,
    })
}
