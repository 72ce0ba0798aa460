//! What a run found to be worse than before, and which way the diagnosis points.

use core::fmt;

use super::Metric;
use crate::prelude::*;

/// The kind of a degradation. Symptoms of one kind are counted together per target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymptomKind {
    /// The engine ran out of GPU memory, or refused to start for want of it.
    VllmOom,
    /// A latency rose.
    LatencyRegression,
    /// A throughput fell.
    ThroughputDrop,
    /// Fewer requests or tests passed.
    PassRateDrop,
    /// The engine died for another reason than memory. Nothing is tuned for it: it is counted so that people see it.
    EngineCrash,
}

impl SymptomKind {
    /// Every kind, gravest first.
    pub const ALL: [Self; 5] =
        [Self::VllmOom, Self::EngineCrash, Self::PassRateDrop, Self::LatencyRegression, Self::ThroughputDrop];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VllmOom => "vllm_oom",
            Self::LatencyRegression => "latency_regression",
            Self::ThroughputDrop => "throughput_drop",
            Self::PassRateDrop => "pass_rate_drop",
            Self::EngineCrash => "engine_crash",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for SymptomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How grave a symptom is. `Critical` is above `Warning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Beyond the first threshold.
    Warning,
    /// Beyond the second threshold.
    Critical,
}

impl Severity {
    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the evidence says of the cause, as far as it can: it orders the candidates. One symptom kind can have opposite
/// remedies (an over-committed card wants less memory for the engine, a starved cache wants more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Diagnosis {
    /// The evidence does not point anywhere.
    Unexplained,
    /// Out of memory under load, or the card had less free memory than the engine wanted: give the engine less.
    MemoryOvercommitted,
    /// No memory left for the KV cache, or too little for one request: give the engine more.
    MemoryStarved,
    /// Requests wait before the engine admits them although it has cache to spare: admit more at a time.
    AdmissionLimited,
    /// Requests are pushed out of a full KV cache: admit fewer, or give the cache more.
    CachePressure,
    /// Waiting is short, the work itself is slow: look at batch size and at the hardware.
    ComputeBound,
}

impl Diagnosis {
    /// Every diagnosis.
    pub const ALL: [Self; 6] = [
        Self::Unexplained,
        Self::MemoryOvercommitted,
        Self::MemoryStarved,
        Self::AdmissionLimited,
        Self::CachePressure,
        Self::ComputeBound,
    ];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unexplained => "Unexplained",
            Self::MemoryOvercommitted => "MemoryOvercommitted",
            Self::MemoryStarved => "MemoryStarved",
            Self::AdmissionLimited => "AdmissionLimited",
            Self::CachePressure => "CachePressure",
            Self::ComputeBound => "ComputeBound",
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One degraded metric of one domain of one run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Symptom {
    /// What kind of degradation.
    pub kind: SymptomKind,
    /// The domain that showed it.
    pub domain: String,
    /// How grave.
    pub severity: Severity,
    /// The metric that degraded.
    pub metric: Metric,
    /// The run's figure, in the metric's unit.
    pub current: f64,
    /// The baseline's figure; absent where there is no baseline and an absolute limit spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Change against the baseline in percent, signed; absent where the baseline is zero or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_percent: Option<f64>,
    /// Which way the evidence points.
    pub diagnosis: Diagnosis,
    /// The evidence in short sentences with figures, limits and sources.
    pub evidence: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_the_name_it_is_serialised_with() {
        for kind in SymptomKind::ALL {
            assert_eq!(SymptomKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
        }
        assert_eq!(SymptomKind::from_name("vllm_ooms"), None);
        for diagnosis in Diagnosis::ALL {
            assert_eq!(serde_json::to_value(diagnosis).unwrap(), diagnosis.to_string());
        }
    }

    #[test]
    fn critical_is_graver_than_warning() {
        assert!(Severity::Critical > Severity::Warning);
        assert_eq!(Severity::Critical.to_string(), "critical");
        assert_eq!(Severity::Warning.to_string(), "warning");
    }
}
