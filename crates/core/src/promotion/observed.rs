//! What is observed of a target.

use core::fmt;

use crate::{
    plan::{FieldAddress, FieldValue},
    prelude::*,
    value::Uid,
};

/// A target as it was read, live, for this decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservedTarget {
    /// Its uid.
    pub uid: Uid,
    /// Its resourceVersion.
    pub resource_version: String,
    /// Its generation: moved on by every change of its spec, by nothing else.
    pub generation: i64,
    /// Hash of its pod template.
    pub template_hash: String,
    /// Hash that its pod template would have with the owned fields at the pre-image: equal to the hash in the
    /// promotion's terms exactly as long as nobody changed another part of the template.
    pub template_hash_with_pre_image: String,
    /// What stands at each owned address. An address that could not be read (its container is gone) is not listed, and
    /// then equals nothing.
    pub owned_values: BTreeMap<FieldAddress, FieldValue>,
    /// Uid in the promotion annotation.
    pub promotion_annotation: Option<Uid>,
    /// What else manages the target, if anything.
    pub managed_by: Option<TargetManager>,
    /// Whether a replica is borrowed from it now.
    pub borrowed: bool,
    /// How its pods are replaced, and how far that is.
    pub rollout: RolloutFacts,
}

/// The ConfigMap that promoted values lie in, as it was read, live, for this decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservedConfigMap {
    /// Its uid.
    pub uid: Uid,
    /// Its resourceVersion. It has no generation.
    pub resource_version: String,
    /// What stands at each owned address. An address that could not be read is not listed, and then equals nothing.
    pub owned_values: BTreeMap<FieldAddress, FieldValue>,
    /// Uid in the promotion annotation.
    pub promotion_annotation: Option<Uid>,
    /// The text of the last fence.
    pub fence: Option<String>,
    /// Hash that its data would have with the promoted values in: the one in the promotion's terms exactly as long as nobody
    /// changed other data.
    pub hash_with_promoted: Option<String>,
    /// What else manages it, if anything.
    pub managed_by: Option<TargetManager>,
}

/// What manages a target besides its users and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum TargetManager {
    /// Argo CD, known by its tracking annotation or label.
    ArgoCD,
    /// Flux, known by its labels.
    Flux,
    /// Helm, known by its labels.
    Helm,
}

impl fmt::Display for TargetManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgoCD => "Argo CD",
            Self::Flux => "Flux",
            Self::Helm => "Helm",
        })
    }
}

/// How a target replaces its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum RolloutStrategy {
    /// Some at a time.
    Rolling,
    /// All old pods end before the first new one starts.
    Recreate,
    /// Only when somebody deletes a pod.
    OnDelete,
}

/// How a target's pods are replaced, and how far that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a separate thing seen or not seen, and all can be true at once"
)]
pub struct RolloutFacts {
    /// The strategy.
    pub strategy: RolloutStrategy,
    /// Whether the rollout is paused.
    pub paused: bool,
    /// Whether a partition above 0 keeps some pods back.
    pub partitioned: bool,
    /// Pods that may be missing during a rollout, resolved to a number; a StatefulSet's is at least 1.
    pub unavailable_max: i64,
    /// Whether the last run on this target found a GPU without borrowing: what a surge would need.
    pub spare_gpu_seen: bool,
    /// Replicas that the spec demands.
    pub replicas_desired: i64,
    /// Pods there are, old and new.
    pub replicas_total: i64,
    /// Pods of the newest template.
    pub replicas_updated: i64,
    /// Ready pods.
    pub replicas_ready: i64,
    /// The generation that the figures above speak of.
    pub observed_generation: i64,
    /// Whether Kubernetes reports ProgressDeadlineExceeded.
    pub progress_deadline_exceeded: bool,
    /// Whether a container of a pod of the newest template ended with an error since the pod was made.
    pub new_pod_crashed: bool,
}
