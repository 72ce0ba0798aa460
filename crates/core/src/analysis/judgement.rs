//! What judging a run gives: the verdict, and all that led to it.

use super::{
    change::EnvironmentChange,
    measurement::RunMeasurement,
    reason::{AnalysisReason, Finding},
};
use crate::{
    prelude::*,
    value::{Environment, Metric, RunFacts, Severity, Symptom, Uid, Verdict},
};

/// The judgement of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunJudgement {
    /// The run's uid.
    pub uid: Uid,
    /// The run's name.
    pub name: String,
    /// The verdict: the worst of its domains.
    pub verdict: Verdict,
    /// What differs from the baseline's runs; shown before all else.
    pub changed_since_baseline: Vec<EnvironmentChange>,
    /// Why, those that decided first.
    pub reasons: Vec<Finding>,
    /// The domains, in the order of the measurement.
    pub domains: Vec<DomainJudgement>,
    /// One symptom per degraded metric.
    pub symptoms: Vec<Symptom>,
    /// Whether the run may serve as baseline.
    pub admission: Admission,
    /// Share of requests that met the SLO, 0 to 1, weighted over the domains; absent if a domain has none or was not
    /// judged validly.
    pub fitness: Option<f64>,
    /// The run's environment, with what was taken over from an earlier run named in `inferred`.
    pub environment: Environment,
}

/// Whether a run may serve as baseline for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Admission {
    /// Judged healthy.
    Admitted,
    /// Valid and within the absolute limits, but there was too little to compare it with.
    Seed,
    /// It may not, and why.
    NotAdmitted(AnalysisReason),
}

impl Admission {
    /// Whether the run may serve.
    pub const fn may_serve(self) -> bool {
        matches!(self, Self::Admitted | Self::Seed)
    }
}

/// The judgement of one domain.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainJudgement {
    /// The domain's name.
    pub name: String,
    /// Its workload.
    pub workload_hash: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Whether its measurement says anything of the engine: false for invalid measurements, which add no symptom.
    pub valid: bool,
    /// Why, those that decided first.
    pub reasons: Vec<Finding>,
    /// Each metric against its baseline.
    pub metrics: Vec<MetricJudgement>,
    /// What a run must have in common with it to be compared.
    pub baseline_key: super::baseline::BaselineKey,
    /// The runs it was compared with.
    pub baseline: BaselineUse,
    /// What degraded.
    pub symptoms: Vec<Symptom>,
    /// Share of requests that met the SLO, 0 to 1; absent without an SLO or a valid measurement.
    pub fitness: Option<f64>,
}

/// The baseline as it served.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineUse {
    /// Runs that served, newest first.
    pub runs: Vec<RunName>,
    /// Earlier runs within reach that did not, newest first, and why.
    pub left_out: Vec<LeftOutRun>,
    /// Whether runs older than the window had to serve.
    pub reached_back: bool,
}

/// A run by uid and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunName {
    /// Its uid.
    pub uid: Uid,
    /// Its name.
    pub name: String,
}

/// A run that did not serve as baseline.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutRun {
    /// Which run.
    #[serde(flatten)]
    pub run: RunName,
    /// Why.
    pub reason: super::baseline::LeftOutReason,
    /// With the figures.
    pub message: String,
}

/// One metric against its baseline.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricJudgement {
    /// Which metric.
    pub metric: Metric,
    /// How it was judged.
    pub outcome: MetricOutcome,
    /// The run's figure (the mean), in the metric's unit.
    pub current: f64,
    /// How many samples it rests on.
    pub samples: u64,
    /// Where the figure is a lower bound: how many of the samples are of requests that were cut off while they waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<u64>,
    /// The median of the baseline's figures; absent without a baseline.
    pub baseline: Option<f64>,
    /// Change in percent, signed; absent where the baseline is absent or zero.
    pub delta_percent: Option<f64>,
    /// Worse by more than this is a warning, percent; absent for counted events.
    pub warning_percent: Option<f64>,
    /// Worse by more than this is critical, percent; absent for counted events.
    pub critical_percent: Option<f64>,
    /// The comparison with the noise; absent without a baseline and for counted events.
    pub significance: Option<SignificanceFigures>,
    /// The tails, shown and not judged; absent where the metric has none.
    pub tails: Option<Tails>,
}

/// How a metric was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub enum MetricOutcome {
    /// Compared, and not worse than its limit.
    WithinLimits,
    /// Worse than its limit, but within the noise.
    NotSignificant,
    /// Worse than its warning limit and beyond the noise.
    Warning,
    /// Worse than its critical limit and beyond the noise.
    Critical,
    /// Too few runs of the baseline have it.
    NoBaseline,
    /// Too few samples, in a run that is otherwise judged.
    TooFewSamples,
    /// The measurement is invalid, so the figure is only shown.
    NotJudged,
}

impl MetricOutcome {
    /// The severity of a degraded metric.
    pub const fn severity(self) -> Option<Severity> {
        match self {
            Self::Warning => Some(Severity::Warning),
            Self::Critical => Some(Severity::Critical),
            _ => None,
        }
    }
}

/// How a change compares with the noise.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignificanceFigures {
    /// Whether the change is beyond what the noise explains.
    pub significant: bool,
    /// Runs of the baseline that have the metric.
    pub runs: usize,
    /// Spread between runs, standard deviation in percent (of the value; for pass rates in points of the arcsine
    /// scale).
    pub spread_percent: f64,
    /// How much worse a run may be by noise alone at `confidence`, in percent of the baseline.
    pub noise_percent: f64,
    /// The figure at which the change would begin to be significant, in the metric's unit.
    pub limit: f64,
    /// One-sided confidence.
    pub confidence: f64,
}

/// Tails of a latency. They are shown and not judged: the 99th percentile of a few hundred requests rests on a handful
/// of them and moves from run to run several times as much as the mean.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tails {
    /// 95th percentile of this run.
    pub p95: f64,
    /// 99th percentile of this run.
    pub p99: f64,
    /// Median over the baseline's runs of their 95th percentiles.
    pub baseline_p95: Option<f64>,
    /// Median over the baseline's runs of their 99th percentiles.
    pub baseline_p99: Option<f64>,
}

/// Hashes of the target's pod template when a run began and when it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateHashes {
    /// When it began.
    pub at_start: Option<String>,
    /// When it ended.
    pub at_end: Option<String>,
}

impl RunJudgement {
    /// The run as counting, flags and validation see it. `counts` is the run's `spec.counts`.
    pub fn to_run_facts(&self, run: &RunMeasurement, counts: bool, templates: TemplateHashes) -> RunFacts {
        RunFacts {
            uid: self.uid.clone(),
            name: self.name.clone(),
            started_at: run.started_at,
            completed_at: run.completed_at,
            verdict: self.verdict,
            valid: self.domains.iter().any(|domain| domain.valid),
            counts,
            symptoms: self.symptoms.clone(),
            workloads: self
                .domains
                .iter()
                .filter(|domain| domain.valid)
                .map(|domain| (domain.name.clone(), domain.workload_hash.clone()))
                .collect(),
            template_hash_at_start: templates.at_start,
            template_hash_at_end: templates.at_end,
        }
    }
}
