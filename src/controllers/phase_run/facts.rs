//! Runs of a target as others read them: from stored statuses to what counting, validation, baselines and budgets see.
//! Every kind that reads PhaseRuns reads them here.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    analysis::{JudgedRun, measurement::RunMeasurement},
    value::{Environment, RunFacts, Symptom, TargetReference, Uid},
};

use crate::api::{
    PhaseRun, PhaseRunStatus, Promotion,
    phase_run::status::PhaseRunPhase,
    promotion::status::{PromotionPhase, PromotionStatus},
};

/// The target of a run.
pub fn target_of(run: &PhaseRun) -> TargetReference {
    TargetReference::from(&run.spec.target_ref)
}

/// Whether a run has ended, one way or the other.
pub fn has_ended(run: &PhaseRun) -> bool {
    run.status.as_ref().and_then(|status| status.phase).is_some_and(phase_has_ended)
}

/// Whether a run in this phase has ended.
pub const fn phase_has_ended(phase: PhaseRunPhase) -> bool {
    use PhaseRunPhase::{Aborted, Analyzing, Completed, Failed, Pending, Running};
    match phase {
        Completed | Failed | Aborted => true,
        Pending | Running | Analyzing => false,
    }
}

/// The runs of a target, in the order in which they are given.
pub fn runs_of<'a>(runs: &'a [Arc<PhaseRun>], target: &TargetReference) -> impl Iterator<Item = &'a Arc<PhaseRun>> {
    let target = target.clone();
    runs.iter().filter(move |run| target_of(run) == target)
}

/// A run as counting, flags and validation see it; `None` until it has ended with a verdict. A run that ended without a
/// measurement is not valid, so that it adds nothing anywhere.
pub fn run_facts(run: &PhaseRun) -> Option<RunFacts> {
    let status = run.status.as_ref()?;
    let completed_at = status.completed_at?;
    let valid = || status.domains.iter().filter(|domain| domain.valid == Some(true));
    let environment = status.environment.as_ref();
    Some(RunFacts {
        uid: uid_of(run),
        name: run.name_any(),
        started_at: status.started_at.unwrap_or(completed_at),
        completed_at,
        verdict: status.verdict?,
        valid: valid().next().is_some(),
        counts: run.spec.counts,
        symptoms: status.symptoms.iter().map(Symptom::from).collect(),
        workloads: valid().filter_map(|domain| Some((domain.name.clone(), domain.workload_hash.clone()?))).collect(),
        template_hash_at_start: environment.and_then(|environment| environment.template_hash.clone()),
        template_hash_at_end: environment.and_then(|environment| environment.template_hash_at_end.clone()),
    })
}

/// What a run measured, from its stored status, as if it had ended then; `None` where it began nothing.
pub fn run_measurement(run: &PhaseRun, completed_at: Timestamp) -> Option<RunMeasurement> {
    let status = run.status.as_ref()?;
    Some(RunMeasurement {
        uid: uid_of(run),
        name: run.name_any(),
        started_at: status.started_at?,
        completed_at,
        environment: environment_of(status),
        domains: status
            .domains
            .iter()
            .filter_map(crate::api::phase_run::status::DomainStatus::to_measurement)
            .collect(),
    })
}

/// A run as the history of its target keeps it; `None` until it has ended with a verdict, and where it measured nothing.
/// `promotions` are those of its target.
pub fn judged_run<'a>(run: &PhaseRun, promotions: impl IntoIterator<Item = &'a Promotion>) -> Option<JudgedRun> {
    let status = run.status.as_ref()?;
    let measurement = run_measurement(run, status.completed_at?).filter(|run| !run.domains.is_empty())?;
    Some(JudgedRun {
        target: target_of(run).to_string(),
        verdict: status.verdict?,
        admission: status.admission(),
        under_unvalidated_promotion: ran_under_unvalidated_promotion(run, promotions),
        measurement,
    })
}

/// Whether a promotion of the run's target was in force at any time of the run and is not validated: the run then shows
/// what was, or may yet be, taken back.
pub fn ran_under_unvalidated_promotion<'a>(
    run: &PhaseRun,
    promotions: impl IntoIterator<Item = &'a Promotion>,
) -> bool {
    let Some((began, ended)) = run.status.as_ref().and_then(span_of) else { return false };
    promotions.into_iter().any(|promotion| {
        TargetReference::from(&promotion.spec.target_ref) == target_of(run)
            && promotion.status.as_ref().is_some_and(|status| {
                status.phase != Some(PromotionPhase::Validated)
                    && in_force_from(status).is_some_and(|from| ended.is_none_or(|ended| from <= ended))
                    && in_force_until(status).is_none_or(|until| until > began)
            })
    })
}

/// From when to when a run tested: to now, while it has not ended.
fn span_of(status: &PhaseRunStatus) -> Option<(Timestamp, Option<Timestamp>)> {
    Some((status.started_at?, status.completed_at))
}

/// When a promotion's values were written; where only the attempt is on record, when that was decided.
fn in_force_from(status: &PromotionStatus) -> Option<Timestamp> {
    status.applied_at.or_else(|| entered(status, "Applying"))
}

/// When a promotion's values were taken back, or when it was seen that somebody else had; `None` while they may stand.
fn in_force_until(status: &PromotionStatus) -> Option<Timestamp> {
    let ended = match status.phase? {
        PromotionPhase::RolledBack => "RolledBack",
        PromotionPhase::Rejected => "Rejected",
        PromotionPhase::Superseded => "Superseded",
        PromotionPhase::Expired => "Expired",
        PromotionPhase::Conflict => "Conflict",
        _ => return None,
    };
    status.rolled_back_at.or_else(|| entered(status, ended))
}

/// When a promotion first entered a phase.
fn entered(status: &PromotionStatus, phase: &str) -> Option<Timestamp> {
    let records = &status.history.as_ref()?.records;
    records.iter().find(|record| record.to == phase).map(|record| record.at)
}

/// How long engines took to become ready, in the order of the runs: each domain that saw one start.
pub fn engine_starts<'a>(runs: impl IntoIterator<Item = &'a PhaseRun>) -> Vec<SignedDuration> {
    let domains = runs.into_iter().filter_map(|run| run.status.as_ref()).flat_map(|status| &status.domains);
    domains.filter_map(crate::api::phase_run::status::DomainStatus::engine_start).collect()
}

/// What the healthy runs of a target were configured with: the arguments of the newest run that may serve as baseline
/// and knows them. `promotions` are those of the target.
pub fn healthy_configuration<'a>(
    runs: impl IntoIterator<Item = &'a PhaseRun>,
    promotions: &[Arc<Promotion>],
) -> Option<BTreeMap<String, String>> {
    newest_first(runs)
        .filter_map(|run| judged_run(run, promotions.iter().map(Arc::as_ref)))
        .filter(|run| run.admission.may_serve() && !run.under_unvalidated_promotion)
        .map(|run| run.measurement.environment.configuration)
        .find(|configuration| !configuration.is_empty())
}

/// The environment of the newest run of a target that has ended and measured anything.
pub fn newest_environment<'a>(runs: impl IntoIterator<Item = &'a PhaseRun>) -> Option<Environment> {
    newest_first(runs).find_map(|run| judged_run(run, [])).map(|run| run.measurement.environment)
}

/// The runs that have begun, the newest first. Reading what a run measured is most of the work, and the first mostly serves.
fn newest_first<'a>(runs: impl IntoIterator<Item = &'a PhaseRun>) -> impl Iterator<Item = &'a PhaseRun> {
    let newness = |run: &'a PhaseRun| Some((run.status.as_ref()?.started_at?, run.metadata.uid.as_deref()));
    let mut begun: Vec<_> = runs.into_iter().filter_map(|run| Some((newness(run)?, run))).collect();
    begun.sort_by_key(|(newness, _)| Reverse(*newness));
    begun.into_iter().map(|(_, run)| run)
}

fn environment_of(status: &PhaseRunStatus) -> Environment {
    status.environment.as_ref().map(Environment::from).unwrap_or_default()
}

fn uid_of(run: &PhaseRun) -> Uid {
    Uid::new(run.uid().unwrap_or_default())
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
