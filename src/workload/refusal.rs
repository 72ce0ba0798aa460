//! Why a test pod is not built.

use phaseloop_core::reasons;

reasons! {
    /// Why no test pod can be made of a template.
    pub enum RefusalReason {
        /// The template has no containers, or no specification at all.
        TemplateEmpty,
        /// No container of the template is known to run the engine. Name it in `targetRef.container`.
        EngineNotFound,
        /// Several containers of the template may run the engine. Name it in `targetRef.container`.
        EngineAmbiguous,
        /// The engine's container requests no GPU.
        NoGPU,
        /// The engine's GPUs are shared or time-sliced: another workload would disturb the measurement, and be disturbed.
        GPUShared,
        /// The GPUs are requested through resource claims, which can't be counted against a budget.
        DeviceClaims,
        /// The template uses the host's network, processes or IPC. A test pod never does.
        HostNamespace,
        /// The template names its node, which passes by the scheduler that knows which GPU is free.
        NodeNamed,
        /// The template bounds the resources of the pod as a whole; the probe would take its share of them.
        PodLevelResources,
        /// A volume claim is in use on another node, or by others in a way that no second pod can share.
        ClaimInUse,
        /// A volume claim of the template does not exist, or was not found.
        ClaimUnknown,
        /// A volume that is made for each pod names the PersistentVolume that it takes: only one pod can have that.
        VolumeNamed,
        /// The image is not one that the administrator's policy lets test pods run.
        ImageNotAllowed,
        /// A container or volume of the template has a name that is reserved for ours, or mounts at a path of ours.
        NameReserved,
        /// The template carries a label of ours with the value that the test pod has: what selects by it would select both.
        LabelTaken,
        /// The engine listens at one address of the pod or at a socket; the probe reaches it at the loopback address.
        EngineNotOnLoopback,
        /// A parameter can't be set in the template.
        ParameterNotSettable,
        /// The ConfigMap that carries a parameter was not found, or the template does not use it.
        ConfigMapNotUsed,
        /// The test side asks for more than `resources` of the run allows.
        TestSideTooLarge,
        /// The times contradict each other: nothing could be measured before the pod must have ended.
        NoTimeLeft,
    }
}

/// A test pod that is not built, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// Which rule.
    pub reason: RefusalReason,
    /// What exactly, and what to do, in one line.
    pub message: String,
}

pub(super) fn refuse<T>(reason: RefusalReason, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { reason, message: message.into() })
}
