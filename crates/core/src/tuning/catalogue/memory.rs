//! How much of the card's memory the engine takes.

use super::{CATALOGUE_VERSIONS, against_oom, against_slowness, both};
use crate::{
    tuning::actuator::{Actuator, ActuatorKind, Direction, Remedy},
    value::{Decimal, Diagnosis},
};

const UTILIZATION_REMEDIES: [Remedy; 5] = both(
    [
        against_oom(Diagnosis::MemoryOvercommitted, Direction::Lower),
        against_oom(Diagnosis::MemoryStarved, Direction::Raise),
    ],
    against_slowness(Diagnosis::CachePressure, Direction::Raise),
);

/// The engine's share of the card's memory.
pub(super) const GPU_MEMORY_UTILIZATION: Actuator = Actuator {
    name: "gpu-memory-utilization",
    summary: "Share of the card's memory that the engine takes; the KV cache gets what weights, activations and graphs leave.",
    kind: ActuatorKind::Number {
        // Below a tenth nothing but toy models starts; above 0.98 the engine starts and then dies under load, because
        // allocations outside its accounting (NCCL, fragmentation) find nothing left.
        minimum: Decimal::from_millionths(100_000),
        maximum: Decimal::from_millionths(980_000),
        step: Decimal::from_millionths(10_000),
    },
    special: &[],
    engine_default: Some("0.92"),
    ladder_down: &["0.40", "0.45", "0.50", "0.55", "0.60", "0.65", "0.70", "0.72", "0.75", "0.77", "0.80", "0.82"],
    ladder_up: &[
        "0.20", "0.30", "0.40", "0.50", "0.60", "0.70", "0.75", "0.80", "0.85", "0.88", "0.90", "0.92", "0.94", "0.95",
        "0.96", "0.97", "0.98",
    ],
    remedies: &UTILIZATION_REMEDIES,
    grows_memory: true,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// The KV cache's size, given outright.
pub(super) const KV_CACHE_MEMORY_BYTES: Actuator = Actuator {
    name: "kv-cache-memory-bytes",
    summary: "Size of the KV cache in bytes, given outright; where set, gpu-memory-utilization decides nothing.",
    kind: ActuatorKind::Number {
        // From what one short request needs to the memory of the largest card; in steps of 64 MiB.
        minimum: Decimal::from_integer(64 << 20),
        maximum: Decimal::from_integer(256 << 30),
        step: Decimal::from_integer(64 << 20),
    },
    special: &[],
    engine_default: None,
    // 1 to 128 GiB, doubling.
    ladder_down: &["1G", "2G", "4G", "8G", "16G", "32G", "64G", "128G"],
    ladder_up: &["1G", "2G", "4G", "8G", "16G", "32G", "64G", "128G"],
    remedies: &UTILIZATION_REMEDIES,
    grows_memory: true,
    only_where_set: true,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};
