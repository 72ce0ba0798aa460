//! Intents about test pods: the bare pods of a PHASE and of a canary.

use jiff::{SignedDuration, Timestamp};

use super::OwnObject;
use crate::{
    prelude::*,
    value::{ParameterSet, Uid},
};

/// Grace of a hard abort. Never 0: that removes the Pod before the kubelet has reported its containers' end, and a Pod
/// that is gone from the API is no proof of a free GPU.
pub const ABORT_GRACE: SignedDuration = SignedDuration::from_secs(1);

/// A test pod to begin. Created by POST under a name that is a pure function of its owner, never applied: when the name
/// is taken, the pod there is read and its owner and spec digest are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewTestPod {
    /// The pod's name.
    pub name: String,
    /// The run or the canary that it belongs to; it becomes the owner reference.
    pub owner: OwnObject,
    /// What it is for.
    pub purpose: TestPodPurpose,
    /// The NetworkPolicy that must hold for it, by its name: made before the pod where it is not there, and without it there is
    /// no pod.
    pub network_policy: String,
    /// What the engine is to be started with in place of the target's own values; empty for the target as it stands.
    pub parameters: ParameterSet,
    /// The instant by which the pod must have ended, whoever is alive then. Past it the pod refuses to start.
    pub not_after: Timestamp,
    /// Digest of all that shapes the pod; it stands on the pod as an annotation.
    pub spec_digest: String,
}

/// What a test pod is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TestPodPurpose {
    /// One domain of a PHASE, by its name.
    Domain(String),
    /// One candidate, or the incumbent.
    Canary,
}

/// A test pod to end, by DELETE with its uid as precondition and [`ABORT_GRACE`]. Idempotent, so any replica may do it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TestPodDeletion {
    /// The pod's name.
    pub name: String,
    /// The pod's uid: another pod under the name is left alone.
    pub uid: Uid,
    /// Why it ends.
    pub cause: TestPodEnd,
}

crate::reasons! {
    /// Why a test pod is deleted.
    pub enum TestPodEnd {
        /// The pod has ended and its result is stored.
        ResultStored,
        /// The run or the canary was aborted by hand.
        Aborted,
        /// The engine restarted, which a canary does not endure.
        EngineRestarted,
        /// The engine was not ready within its start timeout.
        StartTimedOut,
        /// No GPU became free within the waiting time.
        NoSpareGPU,
        /// No node took the pod within the waiting time, and it was not a GPU that lacked.
        Unschedulable,
        /// The instant by which the pod must have ended has passed.
        PastNotAfter,
        /// The operator is being removed.
        Leaving,
    }
}
