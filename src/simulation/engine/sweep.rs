//! Brute force: every value of one flag is tried, and what it comes to.
//!
//! It is what a search is held against: whoever finds a best value must find the one that a sweep finds.

use phaseloop_core::{
    analysis::{bench::LatencyLimits, measurement::EngineFailure},
    tuning::outcome::{TrialJudgement, TrialLimits, judge_trial},
};

use super::{
    RequestSchedule,
    lives::{RunTerms, run_lives},
    measure::{MeasureWindow, ProbeFigures, measure},
    settings::{EngineSettings, SettingsError},
    spec::EngineSpec,
};

/// Under which terms values are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepTerms {
    /// The load.
    pub schedule: RequestSchedule,
    /// The limits that a request must meet.
    pub limits: LatencyLimits,
    /// Card, client, time and seed. Every value is tried with the same seed.
    pub run: RunTerms,
}

/// One value and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// The value.
    pub value: String,
    /// The judgement of the core on it.
    pub judgement: TrialJudgement,
    /// What the client reported.
    pub figures: ProbeFigures,
    /// Deaths and refusals.
    pub failures: Vec<EngineFailure>,
}

/// Tries each value of a flag on an engine that is otherwise the same.
///
/// # Errors
/// A value that no engine takes.
pub fn sweep(
    spec: &EngineSpec,
    flag: &str,
    values: &[&str],
    terms: &SweepTerms,
) -> Result<Vec<SweepPoint>, SettingsError> {
    values.iter().map(|value| try_value(spec, flag, value, terms)).collect()
}

fn try_value(spec: &EngineSpec, flag: &str, value: &str, terms: &SweepTerms) -> Result<SweepPoint, SettingsError> {
    let mut arguments = spec.settings.arguments.clone();
    arguments.insert(flag.to_owned(), value.to_owned());
    let spec = spec.with_settings(EngineSettings::from_configuration(&arguments)?);
    let run = run_lives(&spec, &terms.schedule, &terms.run);
    let window = MeasureWindow { from: run.beginning.unwrap_or(run.until), until: run.until };
    let figures = measure(&terms.schedule, &run, &terms.run.client, &terms.limits, window);
    let failures = run.outcome().failures;
    let judgement = judge_trial(&figures.trial(failures.clone()), &TrialLimits::default());
    Ok(SweepPoint { value: value.to_owned(), judgement, figures, failures })
}

/// The value of the highest fitness, the first of several; nothing where none has one.
pub fn best_of(points: &[SweepPoint]) -> Option<&SweepPoint> {
    points.iter().rev().filter(|point| point.judgement.fitness.is_some()).max_by_key(|point| point.judgement.fitness)
}
