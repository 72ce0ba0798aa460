//! The terms of a promotion: what its spec fixes for good when it is made.

use jiff::{SignedDuration, Timestamp};

use crate::{
    plan::{FieldChange, FieldValue, OwnedField},
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
    /// The fields of the target that carry them, each with its pre-image.
    pub owned_fields: Vec<OwnedField>,
    /// What carries the others, if any lie in a ConfigMap.
    pub config_map: Option<ConfigMapTerms>,
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

/// What of a promotion lies in the one ConfigMap that its target reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapTerms {
    /// Its name.
    pub name: String,
    /// The fields in it, each with its pre-image.
    pub owned_fields: Vec<OwnedField>,
    /// Uid in its promotion annotation before.
    pub annotation_before: Option<Uid>,
    /// What makes the target roll out, since a ConfigMap that changes restarts nothing: the hash in the target's pod template,
    /// before and with the promoted values in the ConfigMap.
    pub hash: FieldChange,
}

impl ConfigMapTerms {
    /// The ConfigMap as requests name it.
    pub fn reference(&self) -> TargetReference {
        TargetReference { api_version: "v1".into(), kind: "ConfigMap".into(), name: self.name.clone() }
    }

    /// The hash that the target bears while the value is in.
    pub fn promoted_hash(&self) -> Option<&str> {
        match &self.hash.to {
            FieldValue::Present(hash) => Some(hash),
            FieldValue::Absent => None,
        }
    }
}

impl PromotionTerms {
    /// The fields that carry the promoted values, wherever they lie.
    pub fn all_fields(&self) -> impl Iterator<Item = &OwnedField> {
        self.owned_fields.iter().chain(self.config_map.iter().flat_map(|map| &map.owned_fields))
    }

    /// The ConfigMap that we write to; absent where there is none, and for delivery Git, which writes to no cluster.
    pub fn patched_config_map(&self) -> Option<&ConfigMapTerms> {
        self.config_map.as_ref().filter(|_| self.delivery == Delivery::Patch)
    }

    /// What is written to in the end, in words.
    pub fn places(&self) -> String {
        match self.patched_config_map() {
            Some(map) => format!("{} or {}", self.target, map.reference()),
            None => self.target.to_string(),
        }
    }

    /// What the target's own patch changes.
    pub fn target_changes(&self) -> Vec<FieldChange> {
        let fields = self.owned_fields.iter().map(OwnedField::forward);
        fields.chain(self.config_map.iter().map(|map| map.hash.clone())).collect()
    }
}

/// How a promoted value gets into the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Delivery {
    /// One JSON Patch on the target; before it one on the ConfigMap that a value lies in.
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
