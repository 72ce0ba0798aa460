//! The pods in which engines are tested: bare pods, built from a target's own template.
//!
//! **What lives here**: what of a template is kept, replaced, dropped or refused, as one table; planning a test pod from
//! it, building the pod, and reading a pod back: all pure functions.
//!
//! **What must not**: clients and clocks, when a pod may begin (`phaseloop_core::policy`), and any verdict on what it
//! measured. What runs inside the pods is `probe`.

mod binding;
mod build;
mod check;
pub mod contract;
mod digest;
mod engine;
#[cfg(test)]
mod fixture;
mod isolation;
mod label;
mod network;
mod own_claim;
mod phase_pod;
mod plan;
pub mod reading;
mod refusal;
mod request;
mod serving_replica;
mod table;
mod test_side;
pub mod told;
mod valid;

pub use binding::{place_of, refers_to_config_map};
pub use build::build_test_pod;
pub use digest::{slo_hash, template_hash, workload_hash};
pub use engine::{configuration, engine_container, gpus_of, target_view};
pub use label::{MESH_ANNOTATIONS, own_test_pods_selector, owner_reference, test_pod_labels, test_pods_selector};
pub use network::TargetNetwork;
pub use plan::{plan_gpus, plan_test_pod};
pub use reading::{NodeState, TestPodReading, read_test_pod};
pub use refusal::{Refusal, RefusalReason};
pub use request::{
    BoundParameter, ClaimFacts, GPUSharing, LABEL_GPU_SHARING, SHARED_GPU_LABELS, ServingLoad, TemplateFacts, TestKind,
    TestPodRequest, TestPodSettings, TestPodTimes,
};
pub use table::{TEMPLATE_TABLE, TemplatePart, TemplateRow, Treatment, test_pod_markdown};
pub use test_side::TestSide;
pub use valid::ValidTestPod;
