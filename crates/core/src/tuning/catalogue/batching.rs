//! How requests are cut and packed into steps of the engine.

use super::{CATALOGUE_VERSIONS, against_oom, against_slowness, both, remedy};
use crate::{
    tuning::actuator::{Actuator, ActuatorKind, Direction, Remedy},
    value::{Decimal, Diagnosis, SymptomKind},
};

const BATCHED_TOKENS_REMEDIES: [Remedy; 4] = both(
    against_slowness(Diagnosis::ComputeBound, Direction::Either),
    [against_oom(Diagnosis::MemoryOvercommitted, Direction::Lower)],
);

/// Tokens of one step.
pub(super) const MAX_NUM_BATCHED_TOKENS: Actuator = Actuator {
    name: "max-num-batched-tokens",
    summary: "Most tokens of one engine step: more shortens the wait for the first token, fewer smooths the rest; more takes memory from the KV cache.",
    kind: ActuatorKind::Number {
        minimum: Decimal::from_integer(128),
        // Eight times the engine's largest default.
        maximum: Decimal::from_integer(131_072),
        step: Decimal::from_integer(1),
    },
    special: &[],
    engine_default: None,
    ladder_down: &["512", "1024", "2048", "4096", "8192", "16384", "32768"],
    ladder_up: &["512", "1024", "2048", "4096", "8192", "16384", "32768"],
    remedies: &BATCHED_TOKENS_REMEDIES,
    grows_memory: true,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// From where a prompt counts as long.
pub(super) const LONG_PREFILL_TOKEN_THRESHOLD: Actuator = Actuator {
    name: "long-prefill-token-threshold",
    summary: "Prompts longer than this are cut into pieces of this many tokens per step, so that short ones overtake; 0 switches it off.",
    kind: ActuatorKind::Number {
        minimum: Decimal::ZERO,
        maximum: Decimal::from_integer(131_072),
        step: Decimal::from_integer(1),
    },
    special: &[],
    engine_default: Some("0"),
    ladder_down: &["0", "512", "1024", "2048", "4096"],
    ladder_up: &["512", "1024", "2048", "4096"],
    remedies: &[remedy(SymptomKind::LatencyRegression, Diagnosis::ComputeBound, Direction::Raise)],
    grows_memory: false,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// The engine's own bundle of choices.
pub(super) const PERFORMANCE_MODE: Actuator = Actuator {
    name: "performance-mode",
    summary: "The engine's own bundle of choices, for short waits or for many requests.",
    kind: ActuatorKind::Choice(&["balanced", "interactivity", "throughput"]),
    special: &[],
    engine_default: Some("balanced"),
    ladder_down: &["balanced", "interactivity", "throughput"],
    ladder_up: &["balanced", "interactivity", "throughput"],
    remedies: &[
        remedy(SymptomKind::LatencyRegression, Diagnosis::ComputeBound, Direction::Either),
        remedy(SymptomKind::ThroughputDrop, Diagnosis::ComputeBound, Direction::Either),
    ],
    grows_memory: false,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// Cutting prompts.
pub(super) const ENABLE_CHUNKED_PREFILL: Actuator = Actuator {
    name: "enable-chunked-prefill",
    summary: "Whether long prompts may be worked on in pieces beside running answers.",
    kind: ActuatorKind::Flag,
    special: &[],
    engine_default: Some("true"),
    ladder_down: &["false", "true"],
    ladder_up: &["false", "true"],
    remedies: &[],
    grows_memory: false,
    only_where_set: false,
    administrator: Some("the engine's authors switch it off for debugging only"),
    versions: CATALOGUE_VERSIONS,
};
