//! The search of a tuning run: which trials there are, and what the core says comes next.

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{
    cycle::CycleDecision,
    policy::{GateName, GateState, StartPermit, StartReason},
    schedule::earlier_by,
    tuning::{
        Candidate, CandidatePlan, NextTrial, SearchEnd, SearchLimits, Trial, TrialEnding, TrialResult, next_trial,
        search::edge_of,
    },
};

use super::{Basis, run::TuningRun};
use crate::{
    api::{
        Escalation, TuningCanary,
        phase_run::status::RunEnvironment,
        tuning_canary::{CanaryRole, status::CanaryVerdict},
    },
    controllers::tuning_canary::facts::{created_at, is_released, trial_result},
};

/// How old a measurement of an earlier night may be to be kept: as old as a run that may serve as baseline.
const KEPT_TRIAL_AGE_MAX: SignedDuration = SignedDuration::from_hours(168);

/// A canary that was judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MeasuredTrial<'a> {
    /// The canary.
    pub(super) canary: &'a TuningCanary,
    /// What it came to.
    pub(super) result: TrialResult,
}

/// What comes next in a tuning run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NextStep<'a> {
    /// One more canary: this candidate, or the incumbent.
    Canary(Option<Candidate>, StartPermit),
    /// Nothing, until something else has changed.
    Wait {
        /// The typed reason's name.
        reason: &'static str,
        /// The same with figures.
        message: String,
    },
    /// The search is over.
    Done {
        /// Why.
        end: SearchEnd,
        /// Everything that was measured, trials of earlier nights first.
        trials: Vec<MeasuredTrial<'a>>,
    },
}

/// What comes next.
pub(super) fn next_step<'a>(
    escalation: &Escalation,
    basis: &'a Basis,
    run: &TuningRun<'a>,
    decision: &CycleDecision,
    plan: &CandidatePlan,
    now: Timestamp,
) -> NextStep<'a> {
    let trials = trials(escalation, basis, run, plan, now);
    let limits = match limits(escalation, basis, decision, now) {
        Ok(limits) => limits,
        Err((reason, message)) => return NextStep::Wait { reason, message },
    };
    let candidate = match next_trial(plan, &of_search(&trials), &limits) {
        NextTrial::Done(end) => return NextStep::Done { end, trials },
        NextTrial::TryIncumbent => None,
        NextTrial::Try(candidate) => Some(candidate),
    };
    match &decision.start {
        Ok(permit) => NextStep::Canary(candidate, permit.clone()),
        Err(refusal) => NextStep::Wait { reason: refusal.reason.name(), message: refusal.message.clone() },
    }
}

/// How many candidates were measured, and how many are still to be, as far as is known.
pub(super) fn progress(
    escalation: &Escalation,
    basis: &Basis,
    run: &TuningRun<'_>,
    plan: Option<&CandidatePlan>,
    now: Timestamp,
) -> (usize, usize) {
    let Some(plan) = plan else { return (run.candidates().count(), 0) };
    let trials = trials(escalation, basis, run, plan, now);
    let tried = trials.iter().filter(|trial| !trial.result.parameters.is_empty()).count();
    let left = plan
        .candidates
        .iter()
        .filter(|candidate| trials.iter().all(|trial| trial.result.parameters != candidate.parameters));
    (tried, left.count().min(plan.max_candidates.saturating_sub(tried)))
}

/// What bounds the search, from what the core says of the next canary.
///
/// # Errors
/// What speaks against it may pass: wait.
fn limits(
    escalation: &Escalation,
    basis: &Basis,
    decision: &CycleDecision,
    now: Timestamp,
) -> Result<SearchLimits, (&'static str, String)> {
    let stop_after_failures = usize::try_from(escalation.spec.search.stop_after_failures).unwrap_or(usize::MAX);
    let limits = SearchLimits { stop_after_failures, trials_left: None, time_left: true };
    let spent = SearchLimits { trials_left: Some(0), ..limits };
    let is_budget = |name: GateName| matches!(name, GateName::MeasureBudget | GateName::GpuHoldBudget);
    let closed: Vec<&GateState> = decision.gates.gates.iter().filter(|gate| !gate.open).collect();
    if closed.iter().any(|gate| !is_budget(gate.name)) {
        let messages: Vec<&str> = closed.iter().map(|gate| gate.message.as_str()).collect();
        return Err((StartReason::GateClosed.name(), messages.join("; ")));
    }
    let Err(refusal) = &decision.start else { return Ok(limits) };
    match refusal.reason {
        // No gate but those of the budgets is closed.
        StartReason::MeasureBudgetExhausted | StartReason::GpuHoldBudgetExhausted | StartReason::GateClosed => {
            Ok(spent)
        }
        StartReason::WindowClosesTooSoon if opens_again_this_night(basis, now) => {
            Err((refusal.reason.name(), format!("{}; it opens again this night", refusal.message)))
        }
        StartReason::WindowClosesTooSoon | StartReason::PermissionExpired => {
            Ok(SearchLimits { time_left: false, ..limits })
        }
        StartReason::NotPermitted | StartReason::AttemptNotSeen => {
            Err((refusal.reason.name(), refusal.message.clone()))
        }
    }
}

/// Whether the night that is going on has another window after the one that is open.
fn opens_again_this_night(basis: &Basis, now: Timestamp) -> bool {
    let windows = &basis.policy.safety.windows;
    windows.current(now).is_some_and(|open| {
        windows.night_closes_at(&open.night).is_some_and(|night_closes_at| night_closes_at > open.closes_at)
    })
}

/// The trials as the search takes them.
fn of_search(trials: &[MeasuredTrial<'_>]) -> Vec<Trial> {
    let trial = |measured: &MeasuredTrial<'_>| Trial {
        parameters: measured.result.parameters.clone(),
        ending: TrialEnding::from(&measured.result.judgement),
    };
    trials.iter().map(trial).collect()
}

/// The trials of a run, and before them what an earlier night measured and this one need not repeat.
fn trials<'a>(
    escalation: &Escalation,
    basis: &'a Basis,
    run: &TuningRun<'a>,
    plan: &CandidatePlan,
    now: Timestamp,
) -> Vec<MeasuredTrial<'a>> {
    let measured = |canary: &'a TuningCanary| {
        let result = trial_result(canary, &basis.environment.configuration)?;
        Some(MeasuredTrial { canary, result })
    };
    let own: Vec<MeasuredTrial<'a>> = run.canaries.iter().filter_map(|canary| measured(canary)).collect();
    let kept = kept_trials(escalation, basis, run, plan, now).into_iter().filter_map(measured);
    let mut trials: Vec<MeasuredTrial<'a>> = kept.chain(own).collect();
    if let Some(edge) = edge_of(plan, &of_search(&trials)) {
        for trial in trials.iter_mut().filter(|trial| trial.result.parameters == edge) {
            trial.result.at_edge = true;
        }
    }
    trials
}

/// The candidates that earlier nights measured under the same conditions. They are kept where they leave something to try:
/// a search that had come to its end is not continued, but begun anew.
fn kept_trials<'a>(
    escalation: &Escalation,
    basis: &'a Basis,
    run: &TuningRun<'a>,
    plan: &CandidatePlan,
    now: Timestamp,
) -> Vec<&'a TuningCanary> {
    let Some(incumbent) = run.incumbent() else { return Vec::new() };
    let comparable = |canary: &&TuningCanary| {
        canary.spec.cycle != run.cycle
            && canary.spec.role == CanaryRole::Candidate
            && created_at(canary) >= earlier_by(now, KEPT_TRIAL_AGE_MAX)
            && is_released(canary)
            && is_conclusive(canary)
            && is_measured_alike(canary, incumbent)
            && basis.promotion_of(&canary.spec.cycle).is_none()
    };
    let kept: Vec<&TuningCanary> = basis.canaries.iter().map(AsRef::as_ref).filter(comparable).collect();
    let configuration = &basis.environment.configuration;
    let endings = kept.iter().chain([&incumbent]).filter_map(|canary| {
        let judgement = trial_result(canary, configuration)?.judgement;
        Some(Trial { parameters: canary.spec.parameters.clone(), ending: TrialEnding::from(&judgement) })
    });
    let endings: Vec<Trial> = endings.collect();
    let stop_after_failures = usize::try_from(escalation.spec.search.stop_after_failures).unwrap_or(usize::MAX);
    let unlimited = SearchLimits { stop_after_failures, trials_left: None, time_left: true };
    match next_trial(plan, &endings, &unlimited) {
        NextTrial::Try(_) | NextTrial::TryIncumbent => kept,
        NextTrial::Done(_) => Vec::new(),
    }
}

fn is_conclusive(canary: &TuningCanary) -> bool {
    let verdict = canary.status.as_ref().and_then(|status| status.verdict);
    matches!(verdict, Some(CanaryVerdict::Passed | CanaryVerdict::Failed))
}

/// Whether two canaries tested the same template on the same card under the same load and limits.
fn is_measured_alike(one: &TuningCanary, other: &TuningCanary) -> bool {
    let conditions = |canary: &TuningCanary| {
        let spec = canary.spec.clone();
        (spec.target_uid, spec.template_hash, spec.workload, spec.slo, spec.limits, spec.measure)
    };
    let environment = |canary: &TuningCanary| {
        let effective: Option<RunEnvironment> = canary.status.as_ref().and_then(|status| status.effective.clone());
        effective.map(|seen| (seen.image_digest, seen.model, seen.gpu_product, seen.driver_version))
    };
    conditions(one) == conditions(other) && environment(one) == environment(other)
}
