//! What a run ran on and with.

use crate::prelude::*;

/// The environment of a run. Only model, GPU product, GPU count and sharing mode belong to the baseline's key; the rest
/// is recorded so that the report can say what changed: a lowered flag, an upgrade and our own promotion must stay
/// comparable (`docs/adr/0006-what-is-comparable.md`).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Environment {
    /// Image reference as the pod names it.
    pub image: Option<String>,
    /// Digest that the kubelet resolved.
    pub image_digest: Option<String>,
    /// Engine and version, as in `vllm 0.32.0`.
    pub engine_version: Option<String>,
    /// Served model.
    pub model: Option<String>,
    /// GPU product name as NVML states it.
    pub gpu_product: Option<String>,
    /// GPUs the engine uses.
    pub gpu_count: Option<i64>,
    /// `none`, `time-slicing`, `mps` or `mig`.
    pub gpu_sharing: Option<String>,
    /// GPU driver version.
    pub driver_version: Option<String>,
    /// Engine arguments by canonical flag name without dashes, as `max-num-seqs` -> `32`.
    pub configuration: BTreeMap<String, String>,
    /// Hash of the target's pod template.
    pub template_hash: Option<String>,
    /// Names of fields that were not seen in this run but taken from the last run of the same image.
    pub inferred: Vec<String>,
}
