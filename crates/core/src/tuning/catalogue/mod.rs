//! The catalogue: which flags of vLLM are tunable, and which never are.
//!
//! **What lives here**: data, one small file per group of flags, and the look-up by name. Sources: vLLM 0.33's argument
//! parser and configuration classes (`vllm/engine/arg_utils.py`, `vllm/config/cache.py`, `vllm/config/scheduler.py`).
//!
//! **What must not**: decisions. Bounds are narrowed in `bounds`, values are ordered in `order`.

mod admission;
mod batching;
mod forbidden;
mod kv_cache;
mod memory;
mod model;

pub use forbidden::{FORBIDDEN, FORBIDDEN_ENVIRONMENT, Forbidden, REMOVED, Removed, find_forbidden};

use super::{
    actuator::{Actuator, Direction, Remedy},
    error::TuningError,
    version::{EngineVersion, VersionRange},
};
use crate::value::{Diagnosis, ParameterName, SymptomKind, nearest_name};

/// The versions that the catalogue was written for and checked against.
pub const CATALOGUE_VERSIONS: VersionRange =
    VersionRange { first: EngineVersion::new(0, 30), last: EngineVersion::new(0, 33) };

/// Every tunable flag. Where several can help, the earlier one leads.
pub const ACTUATORS: &[Actuator] = &[
    memory::GPU_MEMORY_UTILIZATION,
    memory::KV_CACHE_MEMORY_BYTES,
    admission::MAX_NUM_SEQS,
    admission::MAX_NUM_ACTIVE_SEQS,
    batching::MAX_NUM_BATCHED_TOKENS,
    batching::LONG_PREFILL_TOKEN_THRESHOLD,
    admission::WATERMARK,
    admission::MAX_NUM_QUEUED_REQS,
    batching::PERFORMANCE_MODE,
    kv_cache::BLOCK_SIZE,
    kv_cache::ENABLE_PREFIX_CACHING,
    batching::ENABLE_CHUNKED_PREFILL,
    kv_cache::KV_CACHE_DTYPE,
    model::MAX_MODEL_LEN,
];

/// The actuator of that name, whatever the engine's version.
pub fn find_actuator(name: &ParameterName) -> Option<&'static Actuator> {
    ACTUATORS.iter().find(|actuator| actuator.name == name.as_str())
}

/// The actuator of that name for that engine.
///
/// # Errors
/// Never tuned, removed, unknown (with the nearest name), or an engine the catalogue doesn't cover.
pub fn actuator_for(name: &ParameterName, version: EngineVersion) -> Result<&'static Actuator, TuningError> {
    if let Some(forbidden) = FORBIDDEN.iter().find(|forbidden| forbidden.name == name.as_str()) {
        return Err(TuningError::NeverTuned { name: name.clone(), why: forbidden.why });
    }
    if let Some(removed) = REMOVED.iter().find(|removed| removed.name == name.as_str()) {
        return Err(TuningError::Removed { name: name.clone(), version, instead: removed.instead });
    }
    let Some(actuator) = find_actuator(name) else {
        let names = ACTUATORS.iter().map(|actuator| actuator.name);
        let nearest = nearest_name(name.as_str(), names).map(Into::into);
        return Err(TuningError::UnknownParameter { name: name.clone(), nearest, versions: CATALOGUE_VERSIONS });
    };
    if !actuator.versions.contains(version) {
        return Err(TuningError::VersionNotCovered { version, known: actuator.versions });
    }
    Ok(actuator)
}

/// A remedy, written short for the tables of this folder.
const fn remedy(symptom: SymptomKind, diagnosis: Diagnosis, direction: Direction) -> Remedy {
    Remedy { symptom, diagnosis, direction }
}

/// Against memory failures: less where the card is over-committed, more where the cache is starved.
const fn against_oom(diagnosis: Diagnosis, direction: Direction) -> Remedy {
    remedy(SymptomKind::VllmOom, diagnosis, direction)
}

/// Against slowness: the three symptoms in which one cause shows.
const fn against_slowness(diagnosis: Diagnosis, direction: Direction) -> [Remedy; 3] {
    [
        remedy(SymptomKind::LatencyRegression, diagnosis, direction),
        remedy(SymptomKind::ThroughputDrop, diagnosis, direction),
        remedy(SymptomKind::PassRateDrop, diagnosis, direction),
    ]
}

/// Two lists of remedies as one, in the order given.
const fn both<const A: usize, const B: usize, const SUM: usize>(
    first: [Remedy; A],
    second: [Remedy; B],
) -> [Remedy; SUM] {
    let mut all = [against_oom(Diagnosis::Unexplained, Direction::Either); SUM];
    let mut position = 0;
    while position < SUM {
        #[allow(clippy::indexing_slicing, reason = "evaluated while compiling: a wrong length doesn't build")]
        {
            all[position] = if position < A { first[position] } else { second[position - A] };
        }
        position += 1;
    }
    all
}

#[cfg(test)]
mod tests;
