//! The pods in which engines are tested: bare pods, built from a target's own template.
//!
//! **What lives here**: what of a template is kept, replaced, dropped or refused, as one table; planning a test pod from
//! it, building the pod, and reading a pod back: all pure functions.
//!
//! **What must not**: clients and clocks, when a pod may begin (`phaseloop_core::policy`), and any verdict on what it
//! measured. What runs inside the pods is `probe`.

pub mod contract;
mod refusal;
mod request;

pub use refusal::{Refusal, RefusalReason};
pub use request::{
    BoundParameter, ClaimFacts, GPUSharing, LABEL_GPU_SHARING, SHARED_GPU_LABELS, ServingLoad, TemplateFacts, TestKind,
    TestPodRequest, TestPodSettings, TestPodTimes,
};
