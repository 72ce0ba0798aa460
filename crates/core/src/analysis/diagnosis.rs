//! Which way the evidence points: it orders the candidates of a search, it decides no verdict.
//!
//! Everything is compared as shares and growths of the engine's own figures, so that units and the speed of the machine
//! play no part.

use super::{
    baseline::Baseline,
    measurement::{DomainMeasurement, EngineFailure, EngineFailureClass, EngineView, MemoryFault},
    significance::median,
};
use crate::{
    prelude::*,
    value::{Diagnosis, Metric, metric::MetricFamily},
};

/// Share of a latency's growth from which on waiting is its main part: more than all else together.
const WAITING_SHARE_MIN: f64 = 0.5;
/// KV cache use from which on the cache, not the admission limit, makes requests wait: the last tenth is what a few
/// growing sequences take between two looks at it.
const KV_CACHE_FULL: f64 = 0.9;

/// A diagnosis with the sentence that tells its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Which way the evidence points.
    pub diagnosis: Diagnosis,
    /// The figures.
    pub evidence: String,
}

impl Explained {
    fn new(diagnosis: Diagnosis, evidence: impl Into<String>) -> Self {
        Self { diagnosis, evidence: evidence.into() }
    }
}

/// The direction of memory failures. Out of memory under load means too much was given away; a refused start says which
/// way itself. Failures that point both ways point nowhere.
pub fn diagnose_memory(failures: &[EngineFailure]) -> Explained {
    let directions: BTreeSet<MemoryFault> = failures
        .iter()
        .filter_map(|failure| match (failure.class, failure.memory) {
            (EngineFailureClass::OutOfMemory, None) => Some(MemoryFault::Overcommitted),
            (EngineFailureClass::OutOfMemory | EngineFailureClass::StartRefusedForMemory, direction) => direction,
            _ => None,
        })
        .collect();
    let overcommitted = directions.contains(&MemoryFault::Overcommitted);
    let starved = directions.contains(&MemoryFault::Starved);
    match (overcommitted, starved) {
        (true, false) => {
            Explained::new(Diagnosis::MemoryOvercommitted, "the engine claimed more memory than there is: give it less")
        }
        (false, true) => {
            Explained::new(Diagnosis::MemoryStarved, "the engine had too little memory for its cache: give it more")
        }
        (true, true) => Explained::new(Diagnosis::Unexplained, "the failures point both ways: too much and too little"),
        (false, false) => Explained::new(Diagnosis::Unexplained, "nothing says which way memory was wrong"),
    }
}

/// The direction of a degraded metric, from what the engine says of itself against what it said in the baseline.
pub fn diagnose_metric(metric: Metric, domain: &DomainMeasurement, baseline: &Baseline<'_>) -> Explained {
    if metric.family() == MetricFamily::PassRate {
        return Explained::new(Diagnosis::Unexplained, "a pass rate says nothing of its cause");
    }
    let Some(view) = domain.engine_view else {
        return Explained::new(Diagnosis::Unexplained, "the engine was not observed");
    };
    let usual = |figure: fn(&EngineView) -> Option<f64>| usual_figure(baseline, figure);
    if let Some(preemptions) = view.preemptions
        && preemptions > usual(|view| view.preemptions).unwrap_or(0.0)
    {
        return Explained::new(
            Diagnosis::CachePressure,
            format!("{preemptions} requests were pushed out of a full KV cache"),
        );
    }
    if metric == Metric::TimePerOutputToken {
        return Explained::new(Diagnosis::ComputeBound, "each token takes longer, and no preemptions explain it");
    }
    let whole: fn(&EngineView) -> Option<f64> = match metric {
        Metric::EndToEndLatency | Metric::Latency => |view| view.end_to_end_latency_ms_mean,
        _ => |view| view.time_to_first_token_ms_mean,
    };
    let growth = |figure: fn(&EngineView) -> Option<f64>| {
        let now = figure(&view)?;
        Some(usual(figure).map_or(now, |usual| now - usual))
    };
    let (Some(waiting), Some(whole)) = (growth(|view| view.queue_time_ms_mean), growth(whole)) else {
        return Explained::new(Diagnosis::Unexplained, "the engine did not say how long requests waited");
    };
    if whole <= 0.0 {
        return Explained::new(Diagnosis::Unexplained, "the engine's own latency did not grow");
    }
    explain_waiting(waiting / whole, &view)
}

fn explain_waiting(share: f64, view: &EngineView) -> Explained {
    let told = format!("waiting for admission makes up {:.0}% of the growth", share * 100.0);
    if share < WAITING_SHARE_MIN {
        return Explained::new(Diagnosis::ComputeBound, format!("{told}: the work itself takes longer"));
    }
    let Some(usage) = view.kv_cache_usage_max else {
        let cache = view.preemptions.map_or("", |_| ", and no more than usual were pushed out of the cache");
        return Explained::new(Diagnosis::AdmissionLimited, format!("{told}{cache}"));
    };
    let diagnosis = if usage >= KV_CACHE_FULL { Diagnosis::CachePressure } else { Diagnosis::AdmissionLimited };
    Explained::new(diagnosis, format!("{told}, with at most {:.0}% of the KV cache in use", usage * 100.0))
}

/// The median of a figure over the baseline's runs that have it.
fn usual_figure(baseline: &Baseline<'_>, figure: fn(&EngineView) -> Option<f64>) -> Option<f64> {
    let figures: Vec<f64> =
        baseline.runs.iter().filter_map(|run| run.domain.engine_view.as_ref().and_then(figure)).collect();
    (!figures.is_empty()).then(|| median(&figures))
}

#[cfg(test)]
mod tests;
