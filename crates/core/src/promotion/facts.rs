//! Everything that a decision about a promotion looks at, gathered beforehand.

use jiff::Timestamp;

use super::{ObservedConfigMap, ObservedTarget, PromotionPhase, PromotionProgress, PromotionReason, PromotionTerms};
use crate::{
    plan::OwnObject,
    prelude::*,
    value::{ParameterSet, RunFacts, Uid},
};

/// The world as one promotion sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromotionFacts {
    /// The promotion itself.
    pub object: OwnObject,
    /// Its namespace, for the branch name.
    pub namespace: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its terms.
    pub terms: PromotionTerms,
    /// Its status, as last written.
    pub progress: PromotionProgress,
    /// Whether its deletion was requested.
    pub deletion_requested: bool,
    /// Whether our finalizer stands on it.
    pub finalizer_present: bool,
    /// What people decided.
    pub review: Review,
    /// What forbids delivering it, if anything does, whatever else holds.
    pub undeliverable: Option<Undeliverable>,
    /// The canary that it refers to; absent where it can't be read.
    pub canary: Option<CanaryEvidence>,
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// The ConfigMap that promoted values lie in; absent where there is none.
    pub config_map: Option<ObservedConfigMap>,
    /// What became of its pull requests; for delivery Git.
    pub git: GitFacts,
    /// Other promotions of the same target.
    pub others: Vec<RivalPromotion>,
    /// Judged runs of the target.
    pub runs: Vec<RunFacts>,
    /// Whether a promotion may be applied now.
    pub window: WindowFacts,
    /// Whether phaseloop is suspended for the target.
    pub suspended: bool,
}

/// Why a promotion is not delivered, as whoever writes the target found: its way, its fields or its spec do not allow it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Undeliverable {
    /// The reason.
    pub reason: PromotionReason,
    /// The reason with names and values.
    pub message: String,
}

/// What people decided about a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Review {
    /// `spec.decision`.
    pub decision: ReviewDecision,
    /// `spec.approvedBy`.
    pub approved_by: Option<String>,
    /// Whether the admission policy that guards approvals is in force: an update that it must refuse was refused.
    pub policy_in_force: bool,
}

/// `spec.decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum ReviewDecision {
    /// Nobody has decided.
    Pending,
    /// A person agreed.
    Approved,
    /// A person refused.
    Rejected,
}

/// The canary behind a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanaryEvidence {
    /// Whether its verdict is Passed.
    pub passed: bool,
    /// What it set.
    pub parameters: ParameterSet,
    /// The uid of the target that it was measured for.
    pub target_uid: Uid,
    /// The template hash that it was built from.
    pub template_hash: String,
}

/// The two pull requests that a promotion can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitFacts {
    /// The one that brings the value.
    pub change: PullRequestState,
    /// The one that takes it back.
    pub revert: PullRequestState,
}

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum PullRequestState {
    /// There is none.
    NotOpened,
    /// It is open.
    Open,
    /// It was merged, by whomever.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// Another promotion of the same target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RivalPromotion {
    /// Its uid.
    pub uid: Uid,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it stands.
    pub phase: PromotionPhase,
}

/// Whether a promotion window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowFacts {
    /// Whether one is open now.
    pub open: bool,
    /// When the next one opens; absent while one is open, or where none ever will.
    pub opens_at: Option<Timestamp>,
}
