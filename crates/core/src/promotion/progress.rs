//! What a promotion's status remembers: only what can't be observed again.

use jiff::Timestamp;

use super::{PromotionPhase, PromotionReason};
use crate::{
    prelude::*,
    value::{Uid, Verdict},
};

/// The status of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionProgress {
    /// Where it stands. Decisions read it only to see that a promotion has ended; all else is derived.
    pub phase: PromotionPhase,
    /// Why.
    pub reason: PromotionReason,
    /// Why, with names, values and instants.
    pub message: String,
    /// The patch that was sent and is not known to have landed.
    pub attempt: Option<ApplyAttempt>,
    /// The same for the patch of the ConfigMap, which goes before.
    pub config_map_attempt: Option<ConfigMapAttempt>,
    /// Since when the value is taken out of the ConfigMap, because a gate closed before the target was changed. It is
    /// remembered so that the value's absence is not taken for somebody's doing.
    pub taking_out_since: Option<Timestamp>,
    /// When the value was first seen in the target.
    pub applied_at: Option<Timestamp>,
    /// The target's template hash with our value and otherwise as the canary knew it: what a validating run must see.
    pub promoted_template_hash: Option<String>,
    /// When the rollout was first seen finished. Not earlier than it was, so no run before it can count.
    pub rolled_out_at: Option<Timestamp>,
    /// The decision to go back. Once remembered it holds, whatever a later run finds.
    pub rollback: Option<RollbackStart>,
    /// The run that decided.
    pub validation: Option<ValidatingRun>,
}

impl PromotionProgress {
    /// The status of a promotion that was just made.
    pub fn new() -> Self {
        Self {
            phase: PromotionPhase::Staged,
            reason: PromotionReason::JustMade,
            message: String::new(),
            attempt: None,
            config_map_attempt: None,
            taking_out_since: None,
            applied_at: None,
            promoted_template_hash: None,
            rolled_out_at: None,
            rollback: None,
            validation: None,
        }
    }

    /// The same memory, standing elsewhere.
    #[must_use]
    pub fn moved(&self, phase: PromotionPhase, reason: PromotionReason, message: String) -> Self {
        Self { phase, reason, message, ..self.clone() }
    }
}

impl Default for PromotionProgress {
    fn default() -> Self {
        Self::new()
    }
}

/// A patch that was sent, remembered before it was. It is bound to one resourceVersion, so it can land only as long as
/// the target still has that one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyAttempt {
    /// When it was sent.
    pub since: Timestamp,
    /// The resourceVersion that it tests.
    pub target_resource_version: String,
    /// The target's generation before it. Landing moves it on by one, so a target that looks untouched at two or more
    /// above it may have had our value and lost it.
    pub target_generation: i64,
}

/// The same for a ConfigMap. Having no generation, one that was touched since counts as having had our value, unless our own
/// fence shows that nothing came before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapAttempt {
    /// When it was sent.
    pub since: Timestamp,
    /// The resourceVersion that it tests.
    pub resource_version: String,
}

/// The decision to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStart {
    /// Why.
    pub cause: PromotionReason,
    /// When it was decided.
    pub since: Timestamp,
}

/// The run that decided whether the value stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatingRun {
    /// Its uid.
    pub uid: Uid,
    /// Its name.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
}
