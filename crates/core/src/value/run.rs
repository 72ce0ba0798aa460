//! What the rest of the loop needs to know of a judged run.

use jiff::Timestamp;

use super::{Symptom, Uid, Verdict};
use crate::prelude::*;

/// A judged PhaseRun as counting, flags and validation see it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFacts {
    /// The run's uid.
    pub uid: Uid,
    /// The run's name.
    pub name: String,
    /// When its first pod started.
    pub started_at: Timestamp,
    /// When it was judged.
    pub completed_at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the measurement was valid: an invalid run adds no symptom anywhere.
    pub valid: bool,
    /// `spec.counts`: a run may opt out of counting.
    pub counts: bool,
    /// What degraded.
    pub symptoms: Vec<Symptom>,
    /// Workload hash by the name of each domain that the run covered validly.
    pub workloads: BTreeMap<String, String>,
    /// Hash of the target's pod template when the run began.
    pub template_hash_at_start: Option<String>,
    /// Hash of the target's pod template when the run ended.
    pub template_hash_at_end: Option<String>,
}
