//! The lines of a story, as values.

use std::collections::BTreeMap;

use jiff::Timestamp;
use phaseloop_core::value::{Metric, SymptomKind, Verdict};
use serde::Serialize;

use crate::api::phase_run::status::Borrowed;

/// One run, and what followed from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NightLine {
    /// The night: 1 is the first that is told.
    pub night: i64,
    /// The run's name.
    pub run: String,
    /// The target's name.
    pub target: String,
    /// When its first pod was asked for.
    pub started_at: Option<Timestamp>,
    /// When it was judged.
    pub completed_at: Option<Timestamp>,
    /// The verdict; absent while there is none.
    pub verdict: Option<Verdict>,
    /// Why, in a sentence.
    pub why: String,
    /// The replica of the target whose place the test took; absent where it took a spare GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub borrowed: Option<Borrowed>,
    /// What differs from the baseline's runs, as `image a -> b`.
    pub changed: Vec<String>,
    /// Share of requests within their limits.
    pub fitness: Option<f64>,
    /// The domains of the run with their verdicts, in the order of the run.
    pub domains: Vec<DomainLine>,
    /// What degraded.
    pub symptoms: Vec<SymptomLine>,
    /// Flags as they stood right after the verdict, those that count anything.
    pub flags: Vec<FlagLine>,
    /// Gates as they stood right after the verdict.
    pub gates: Vec<GateLine>,
    /// What the tuning run that followed came to; absent where there was none.
    pub tuning: Option<TuningLine>,
    /// Candidates that were denied from then on, each with the reason.
    pub denied: Vec<String>,
}

/// A domain of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainLine {
    /// Its name.
    pub name: String,
    /// Its verdict; absent while there is none.
    pub verdict: Option<Verdict>,
}

/// A symptom.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SymptomLine {
    /// Its kind.
    pub kind: SymptomKind,
    /// The domain.
    pub domain: String,
    /// The metric that showed it.
    pub metric: Metric,
    /// How grave.
    pub severity: String,
    /// The figure.
    pub current: f64,
    /// What it was compared with.
    pub baseline: Option<f64>,
    /// Which way the evidence points, as one word.
    pub diagnosis: String,
    /// The evidence, in short sentences.
    pub evidence: Vec<String>,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagLine {
    /// The symptom.
    pub symptom: SymptomKind,
    /// Its state.
    pub state: String,
    /// Every state that it had until the next run.
    pub states: Vec<String>,
    /// Runs that counted.
    pub count: i64,
    /// The same by domain.
    pub domains: BTreeMap<String, i64>,
    /// Runs that arm it.
    pub threshold: i64,
    /// How far back runs count.
    pub window: String,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// That it expired unused before the next run, and why; absent where it did not.
    pub expired: Option<String>,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateLine {
    /// Which.
    pub name: String,
    /// Whether it is open.
    pub open: bool,
    /// Why, and until when.
    pub message: String,
}

/// What a tuning run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TuningLine {
    /// Why it ended, as one word.
    pub reason: String,
    /// With figures.
    pub message: String,
    /// The winner, as `gpu-memory-utilization=0.75`; absent where nothing won.
    pub winner: Option<String>,
    /// What was planned and not tried, each with the reason.
    pub untried: Vec<String>,
    /// Used of both budgets, and the budgets.
    pub spent: String,
}

/// One canary.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryLine {
    /// Its name.
    pub name: String,
    /// The night that it belongs to.
    pub night: i64,
    /// The run of the target that was judged last before it began.
    pub run: String,
    /// Incumbent or Candidate.
    pub role: String,
    /// What it sets, as `gpu-memory-utilization=0.75`; empty for the incumbent.
    pub parameters: String,
    /// What it came to; absent while it goes on.
    pub verdict: Option<String>,
    /// Share of requests within every limit; absent where it did not pass.
    pub fitness: Option<f64>,
    /// 95th percentile of the end-to-end latency, milliseconds.
    pub e2e_ms_p95: Option<f64>,
    /// The decisive reason.
    pub reason: String,
    /// The decisive reason with figures.
    pub message: String,
    /// Used of the measure budget.
    pub measured: String,
    /// Used of the GPU-hold budget.
    pub held: String,
}

/// One promotion.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionLine {
    /// Its name.
    pub name: String,
    /// The night that it was made in.
    pub night: i64,
    /// The change, as `gpu-memory-utilization 0.92 -> 0.75`.
    pub change: String,
    /// What it sets, as `gpu-memory-utilization=0.75`.
    pub parameters: String,
    /// Where it stands at the end.
    pub phase: String,
    /// Why it stands there.
    pub message: String,
    /// Where it stood, with the reason, and who decided; in order.
    pub steps: Vec<StepLine>,
    /// When the value was first seen in the target.
    pub applied_at: Option<Timestamp>,
    /// When the rollout was seen finished.
    pub rolled_out_at: Option<Timestamp>,
    /// By when a run must validate it.
    pub validate_by: Timestamp,
    /// The run that decided.
    pub decided_by: Option<String>,
}

/// Something that happened to a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLine {
    /// When.
    pub at: Timestamp,
    /// What: the phase that it came to, `Approved`, `Rejected`, or `Refused` for a decision that the API server refused.
    pub what: String,
    /// Why, or by whom.
    pub message: String,
}
