//! What an engine is, and what it finds on its card.

use super::{card::Card, model::ModelShape, release::EngineRelease, settings::EngineSettings};

/// Everything that an engine's behaviour follows from, but load and chance.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSpec {
    /// The card that it runs on.
    pub card: Card,
    /// The model that it serves.
    pub model: ModelShape,
    /// Its release.
    pub release: EngineRelease,
    /// Its arguments.
    pub settings: EngineSettings,
}

/// What else there is on the card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpuState {
    /// Memory that other processes hold, bytes.
    pub used_by_others_bytes: u64,
    /// By how much every step takes longer: 1 on a card of one's own, more where it is throttled or shared.
    pub slowdown: f64,
}

impl Default for GpuState {
    /// A card of one's own.
    fn default() -> Self {
        Self { used_by_others_bytes: 0, slowdown: 1.0 }
    }
}

impl EngineSpec {
    /// This engine with other arguments.
    #[must_use]
    pub fn with_settings(&self, settings: EngineSettings) -> Self {
        Self { settings, ..self.clone() }
    }
}
