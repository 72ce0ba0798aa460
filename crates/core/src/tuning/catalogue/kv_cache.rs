//! How the KV cache is laid out and what it keeps.

use super::CATALOGUE_VERSIONS;
use crate::tuning::actuator::{Actuator, ActuatorKind};

/// Tokens of one cache block.
pub(super) const BLOCK_SIZE: Actuator = Actuator {
    name: "block-size",
    summary: "Tokens of one block of the KV cache; which sizes work depends on the attention backend.",
    kind: ActuatorKind::Choice(&["8", "16", "32", "64", "128"]),
    special: &[],
    engine_default: None,
    ladder_down: &["16", "32", "64", "128"],
    ladder_up: &["16", "32", "64", "128"],
    remedies: &[],
    grows_memory: false,
    only_where_set: false,
    administrator: None,
    versions: CATALOGUE_VERSIONS,
};

/// Reuse of shared beginnings.
pub(super) const ENABLE_PREFIX_CACHING: Actuator = Actuator {
    name: "enable-prefix-caching",
    summary: "Whether requests that begin alike share cache blocks.",
    kind: ActuatorKind::Flag,
    special: &[],
    engine_default: Some("true"),
    ladder_down: &["false", "true"],
    ladder_up: &["false", "true"],
    remedies: &[],
    grows_memory: false,
    only_where_set: false,
    administrator: Some("a shared cache lets one tenant time what another asked, so it is a matter of safety as well"),
    versions: CATALOGUE_VERSIONS,
};

/// Number format of the cache.
pub(super) const KV_CACHE_DTYPE: Actuator = Actuator {
    name: "kv-cache-dtype",
    summary: "Number format of the KV cache: a smaller one holds more requests.",
    kind: ActuatorKind::Choice(&["bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"]),
    special: &["auto"],
    engine_default: Some("auto"),
    ladder_down: &["auto", "fp8"],
    ladder_up: &["auto", "fp8"],
    remedies: &[],
    grows_memory: false,
    only_where_set: false,
    administrator: Some("it changes the quality of answers, which no canary measures"),
    versions: CATALOGUE_VERSIONS,
};
