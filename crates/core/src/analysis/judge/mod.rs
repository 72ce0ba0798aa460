//! The verdict on a run.
//!
//! **What lives here**: the order in which evidence is weighed (`domain`), the comparison of one metric (`metric`), the
//! symptoms of failures that are counted (`counted`), and the run's verdict from its domains.
//!
//! **What must not**: statistics (`significance`), the choice of the baseline (`baseline`), counting over runs
//! (`policy`).

mod counted;
mod domain;
mod metric;

use super::{
    baseline::{Baseline, BaselineKey, inference::complete_environment, select_baseline},
    change::{EnvironmentChange, changes_since},
    history::JudgedRun,
    judgement::{Admission, DomainJudgement, RunJudgement},
    measurement::RunMeasurement,
    reason::{AnalysisReason, Finding},
    settings::AnalysisSettings,
};
use crate::{
    prelude::*,
    value::{Environment, Uid, Verdict},
};

/// Judges a run against the history of its target. Pure: the same arguments give the same judgement.
///
/// The run is `Degraded` if any domain is, else `Unknown` if any is, else `Healthy`; `Error` only where the measurement
/// contradicts itself.
pub fn judge_run(run: &RunMeasurement, history: &[JudgedRun], settings: &AnalysisSettings) -> RunJudgement {
    if let Some(message) = contradiction(run) {
        return undecided(run, Verdict::Error, AnalysisReason::MeasurementMalformed, message);
    }
    if run.domains.is_empty() {
        let message = "the run has no domain with a measurement".to_owned();
        return undecided(run, Verdict::Unknown, AnalysisReason::NoData, message);
    }
    let environment = complete_environment(run, &settings.target, history);
    let keys: Vec<BaselineKey> = run
        .domains
        .iter()
        .map(|domain| BaselineKey::new(&settings.target, &domain.name, &domain.workload_hash, &environment))
        .collect();
    let baselines: Vec<Baseline<'_>> = keys.iter().map(|key| select_baseline(run, key, history, settings)).collect();
    let changed_since_baseline = changes(&baselines, &environment);
    let domains: Vec<DomainJudgement> = run
        .domains
        .iter()
        .zip(&baselines)
        .zip(keys)
        .map(|((domain, baseline), key)| domain::judge_domain(domain, key, baseline, &changed_since_baseline, settings))
        .collect();
    RunJudgement {
        uid: run.uid.clone(),
        name: run.name.clone(),
        verdict: worst(&domains),
        changed_since_baseline,
        reasons: reasons(&domains, &environment),
        symptoms: domains.iter().flat_map(|domain| domain.symptoms.clone()).collect(),
        admission: admission(&domains),
        fitness: fitness(run, &domains),
        domains,
        environment,
    }
}

/// What makes a measurement impossible to judge by its own fault.
fn contradiction(run: &RunMeasurement) -> Option<String> {
    if run.completed_at < run.started_at {
        return Some(format!("it ended at {}, before it started at {}", run.completed_at, run.started_at));
    }
    let mut seen = BTreeSet::new();
    run.domains.iter().find_map(|domain| {
        let requests = domain.requests;
        let answered = super::figure::answered(requests);
        if !seen.insert(&domain.name) {
            Some(format!("domain {:?} appears twice", domain.name))
        } else if !(domain.weight.is_finite() && domain.weight > 0.0) {
            Some(format!("domain {:?} has weight {}; a weight is above 0", domain.name, domain.weight))
        } else if answered > requests.offered {
            Some(format!("domain {:?} answered {answered} of {} requests", domain.name, requests.offered))
        } else {
            None
        }
    })
}

/// A run without any domain to judge.
fn undecided(run: &RunMeasurement, verdict: Verdict, reason: AnalysisReason, message: String) -> RunJudgement {
    RunJudgement {
        uid: run.uid.clone(),
        name: run.name.clone(),
        verdict,
        changed_since_baseline: Vec::new(),
        reasons: vec![Finding::of_run(reason, message)],
        domains: Vec::new(),
        symptoms: Vec::new(),
        admission: Admission::NotAdmitted(reason),
        fitness: None,
        environment: run.environment.clone(),
    }
}

/// What differs from the runs that serve any domain as baseline.
fn changes(baselines: &[Baseline<'_>], environment: &Environment) -> Vec<EnvironmentChange> {
    let mut served: Vec<&JudgedRun> =
        baselines.iter().flat_map(|baseline| baseline.runs.iter().map(|serving| serving.run)).collect();
    let newest_first = |run: &&JudgedRun| -> (core::cmp::Reverse<jiff::Timestamp>, Uid) {
        (core::cmp::Reverse(run.measurement.started_at), run.measurement.uid.clone())
    };
    served.sort_by_key(newest_first);
    served.dedup_by(|a, b| a.measurement.uid == b.measurement.uid);
    let environments: Vec<&Environment> = served.iter().map(|run| &run.measurement.environment).collect();
    changes_since(&environments, environment)
}

fn worst(domains: &[DomainJudgement]) -> Verdict {
    let any = |verdict| domains.iter().any(|domain| domain.verdict == verdict);
    if any(Verdict::Degraded) {
        Verdict::Degraded
    } else if any(Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Healthy
    }
}

/// The reasons of all domains, those of degraded ones first, then those of undecided ones.
fn reasons(domains: &[DomainJudgement], environment: &Environment) -> Vec<Finding> {
    let mut ordered: Vec<&DomainJudgement> = domains.iter().collect();
    ordered.sort_by_key(|domain| match domain.verdict {
        Verdict::Degraded => 0,
        Verdict::Unknown | Verdict::Error => 1,
        Verdict::Healthy => 2,
    });
    let mut reasons: Vec<Finding> = ordered.into_iter().flat_map(|domain| domain.reasons.clone()).collect();
    if !environment.inferred.is_empty() {
        let message = format!("taken from the last run of the same image: {}", environment.inferred.join(", "));
        reasons.push(Finding::of_run(AnalysisReason::EnvironmentInferred, message));
    }
    reasons
}

/// A run may serve if every domain of it may.
fn admission(domains: &[DomainJudgement]) -> Admission {
    let each = domains.iter().map(|domain| {
        let reason = domain.reasons.first().map_or(AnalysisReason::NoData, |finding| finding.reason);
        match (domain.verdict, reason) {
            (Verdict::Healthy, _) => Admission::Admitted,
            (Verdict::Unknown, AnalysisReason::BaselineSeeding) => Admission::Seed,
            (_, reason) => Admission::NotAdmitted(reason),
        }
    });
    each.reduce(|so_far, next| match (so_far, next) {
        (refused @ Admission::NotAdmitted(_), _) => refused,
        (_, Admission::Admitted) => so_far,
        (_, next) => next,
    })
    .unwrap_or(Admission::NotAdmitted(AnalysisReason::NoData))
}

/// Mean of the domains' fitness by weight; absent if any has none.
fn fitness(run: &RunMeasurement, domains: &[DomainJudgement]) -> Option<f64> {
    let mut weighted = 0.0;
    let mut weights = 0.0;
    for (measured, judged) in run.domains.iter().zip(domains) {
        weighted += measured.weight * judged.fitness?;
        weights += measured.weight;
    }
    Some(weighted / weights)
}

#[cfg(test)]
mod tests;
