//! The life of a promotion: from the staged winner to `Validated` or back to exactly what was there before.
//!
//! **What lives here**: the phases and the edges between them, what is observed of the target, and the pure functions
//! that decide when a value is applied, when a rollout has failed, whether a run validates it, and how it is undone.
//! [`decide_promotion`] is the one entry: read it first, then [`standing`], which every decision rests on.
//!
//! **What must not**: which candidate wins (`tuning`), how a target is written (the shell carries out the intents), the
//! reckoning of windows (facts say whether one is open), counting (a promotion consumes no run: see [`validation`]).

pub mod admission;
pub mod apply;
pub mod config_map;
pub mod decide;
pub mod facts;
pub mod fence;
pub mod git;
pub mod landed;
pub mod observed;
pub mod phase;
pub mod progress;
pub mod reason;
pub mod rollback;
pub mod rollout;
pub mod standing;
pub mod terms;
pub mod validation;

#[cfg(test)]
mod exploration;
#[cfg(test)]
mod fixture;

pub use decide::{PromotionPlan, decide_promotion};
pub use facts::{PromotionFacts, Undeliverable};
pub use observed::{ObservedConfigMap, ObservedTarget};
pub use phase::PromotionPhase;
pub use progress::PromotionProgress;
pub use reason::{PromotionConditionReason, PromotionReason};
pub use rollback::cause_told;
pub use terms::{ApprovalMode, ConfigMapTerms, Delivery, PromotionTerms};
