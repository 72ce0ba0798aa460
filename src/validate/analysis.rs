//! How runs are judged: `run.analysis` and the thresholds of its domains.

use phaseloop_core::{
    analysis::{
        settings::{AnalysisSettings, SignificanceSettings, ValidityLimits},
        threshold::{Limits, Thresholds},
    },
    value::TargetReference,
};

use crate::api::{analysis as wire, phase_run::PhaseRunSpec};

/// The settings under which the runs of a spec are judged.
pub fn analysis_settings(spec: &PhaseRunSpec) -> AnalysisSettings {
    let analysis = &spec.analysis;
    let serving = spec.domains.iter().filter_map(|domain| domain.serving.as_ref());
    let limits = serving.filter_map(|serving| serving.slo.as_ref());
    let failed_percent = limits.map(|slo| slo.max_failed_requests_percent.to_f64());
    let default_validity = ValidityLimits::default();
    AnalysisSettings {
        target: TargetReference::from(&spec.target_ref).to_string(),
        baseline_window: analysis.baseline_window.into(),
        minimum_runs: usize::try_from(analysis.minimum_runs).unwrap_or(usize::MAX),
        thresholds: thresholds(&analysis.thresholds),
        domain_thresholds: spec
            .domains
            .iter()
            .filter_map(|domain| Some((domain.name.clone(), thresholds(domain.thresholds.as_ref()?))))
            .collect(),
        significance: SignificanceSettings {
            confidence: analysis.significance.confidence.to_f64(),
            ..SignificanceSettings::default()
        },
        validity: ValidityLimits {
            failed_requests_percent_max: failed_percent
                .reduce(f64::min)
                .unwrap_or(default_validity.failed_requests_percent_max),
            ..default_validity
        },
        ..AnalysisSettings::default()
    }
}

fn thresholds(wire: &wire::Thresholds) -> Thresholds {
    Thresholds {
        oom_events_warning_percent: wire.oom_events.warning_percent as f64,
        latency: Limits {
            warning_percent: wire.latency.warning_percent as f64,
            critical_percent: wire.latency.critical_percent as f64,
        },
        throughput: drop_limits(&wire.throughput),
        pass_rate: drop_limits(&wire.pass_rate),
    }
}

fn drop_limits(wire: &wire::DropThresholds) -> Limits {
    Limits { warning_percent: wire.warning_percent as f64, critical_percent: wire.critical_percent as f64 }
}
