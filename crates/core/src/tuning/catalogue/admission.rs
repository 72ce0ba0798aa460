//! How many requests the engine works on, and what it does with those it can't take.

use super::{CATALOGUE_VERSIONS, against_oom, against_slowness, both};
use crate::{
    tuning::actuator::{Actuator, ActuatorKind, Direction, Remedy},
    value::{Decimal, Diagnosis},
};

const MORE_ADMITTED_OR_FEWER_EVICTED: [Remedy; 6] = both(
    against_slowness(Diagnosis::AdmissionLimited, Direction::Raise),
    against_slowness(Diagnosis::CachePressure, Direction::Lower),
);
const SEQUENCES_REMEDIES: [Remedy; 7] =
    both(MORE_ADMITTED_OR_FEWER_EVICTED, [against_oom(Diagnosis::MemoryOvercommitted, Direction::Lower)]);
const WATERMARK_REMEDIES: [Remedy; 3] = against_slowness(Diagnosis::CachePressure, Direction::Raise);

/// Powers of two: what the engine captures CUDA graphs for.
const SEQUENCES_LADDER: &[&str] = &["8", "16", "32", "64", "128", "256", "512", "1024"];

/// Requests in one batch.
pub(super) const MAX_NUM_SEQS: Actuator = Actuator {
    name: "max-num-seqs",
    summary: "Most requests the engine works on at a time; sizes its buffers and CUDA graphs.",
    kind: ActuatorKind::Number {
        minimum: Decimal::from_integer(1),
        // Twice the engine's own largest default; beyond it the warm-up of the sampler alone fills cards.
        maximum: Decimal::from_integer(2048),
        step: Decimal::from_integer(1),
    },
    special: &[],
    engine_default: None,
    ladder_down: SEQUENCES_LADDER,
    ladder_up: SEQUENCES_LADDER,
    remedies: &SEQUENCES_REMEDIES,
    grows_memory: true,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// Requests that run, without sizing anything.
pub(super) const MAX_NUM_ACTIVE_SEQS: Actuator = Actuator {
    name: "max-num-active-seqs",
    summary: "Most requests admitted to run, at most max-num-seqs; changes admission without compiling anew.",
    kind: ActuatorKind::Number {
        minimum: Decimal::from_integer(1),
        maximum: Decimal::from_integer(2048),
        step: Decimal::from_integer(1),
    },
    special: &[],
    engine_default: None,
    ladder_down: SEQUENCES_LADDER,
    ladder_up: SEQUENCES_LADDER,
    remedies: &MORE_ADMITTED_OR_FEWER_EVICTED,
    grows_memory: false,
    only_where_set: true,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// Cache kept free at admission.
pub(super) const WATERMARK: Actuator = Actuator {
    name: "watermark",
    summary: "Share of the KV cache kept free when a request is admitted, against evicting it at once.",
    kind: ActuatorKind::Number {
        minimum: Decimal::ZERO,
        // The engine takes [0, 1); above a half, most of the cache would lie idle.
        maximum: Decimal::from_millionths(500_000),
        step: Decimal::from_millionths(10_000),
    },
    special: &[],
    engine_default: Some("0"),
    ladder_down: &["0", "0.01", "0.02", "0.05", "0.10"],
    ladder_up: &["0.01", "0.02", "0.05", "0.10", "0.20"],
    remedies: &WATERMARK_REMEDIES,
    grows_memory: false,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// Requests that may wait.
pub(super) const MAX_NUM_QUEUED_REQS: Actuator = Actuator {
    name: "max-num-queued-reqs",
    summary: "Most requests that may wait before the engine answers 503.",
    kind: ActuatorKind::Number {
        minimum: Decimal::from_integer(1),
        maximum: Decimal::from_integer(65_536),
        step: Decimal::from_integer(1),
    },
    special: &[],
    engine_default: None,
    ladder_down: &["16", "32", "64", "128", "256", "512", "1024"],
    ladder_up: &["16", "32", "64", "128", "256", "512", "1024"],
    remedies: &[],
    grows_memory: false,
    only_where_set: true,
    administrator: Some("it decides which requests are refused, which users see"),
    versions: CATALOGUE_VERSIONS,
};
