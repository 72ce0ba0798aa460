//! The terms of a promotion: what its spec fixes for good when it is made.

use jiff::{SignedDuration, Timestamp};

use crate::{
    plan::OwnedField,
    prelude::*,
    value::{ParameterSet, SymptomKind, TargetReference, Uid},
};

/// What is promoted, onto what, with which pre-image and under which conditions. Immutable: the pre-image is thereby
/// remembered before anything can be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionTerms {
    /// The target.
    pub target: TargetReference,
    /// Uid of the target that the canary was measured for.
    pub target_uid: Uid,
    /// Hash of the target's pod template that the canary was built from.
    pub template_hash: String,
    /// The promoted values by parameter.
    pub parameters: ParameterSet,
    /// The fields that carry them, each with its pre-image.
    pub owned_fields: Vec<OwnedField>,
    /// Uid in the target's promotion annotation before: that of the last promotion that stayed, if any.
    pub annotation_before: Option<Uid>,
    /// The kind of symptom that the promotion is to cure.
    pub symptom: SymptomKind,
    /// The domains that showed it, with their workload hash: what a validating run must cover alike.
    pub domains: BTreeMap<String, String>,
    /// How the value gets there.
    pub delivery: Delivery,
    /// Who has to agree.
    pub approval: ApprovalMode,
    /// Consent to patch a target that Argo CD, Flux or Helm manages.
    pub allow_managed: bool,
    /// Consent to a rollout during which no replica serves.
    pub allow_downtime: bool,
    /// How long the rollout may take.
    pub rollout_timeout: SignedDuration,
    /// The instant by which a run must have validated it.
    pub validate_by: Timestamp,
}

/// How a promoted value gets into the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Delivery {
    /// One JSON Patch on the target.
    Patch,
    /// One pull request; what syncs the repository brings the value to the target.
    Git,
}

/// Who has to agree before a promotion is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum ApprovalMode {
    /// Nobody: the gates decide.
    Automatic,
    /// A person, by `spec.decision` or by merging the pull request.
    Manual,
}
