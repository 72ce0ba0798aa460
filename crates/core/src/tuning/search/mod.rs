//! The search: which trial comes next, given the plan and the trials so far.
//!
//! **What lives here**: the rules that hold for every strategy (the incumbent first, stopping after failures, on spent
//! budgets and on a cluster that keeps failing), and one file per strategy. All are pure: the trials so far are the
//! only memory, so a search goes on after a restart, and in a later night, where it stood.
//!
//! **What must not**: making candidates (`candidate`), judging them (`outcome`, `rank`).

mod bisection;
mod list;

pub use bisection::edge_of;

use super::{
    candidate::{Candidate, CandidatePlan},
    fitness::Fitness,
    outcome::{TrialJudgement, TrialVerdict},
    strategy::Strategy,
};
use crate::{
    prelude::*,
    reasons,
    value::{ParameterSet, ParameterValue},
};

/// Infrastructure faults in a row that end a search: one may be chance, at the second the cluster is the patient.
pub const INFRASTRUCTURE_FAULTS_MAX: usize = 2;

/// One finished trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What it set; empty for the incumbent.
    pub parameters: ParameterSet,
    /// How it ended, as far as the search cares.
    pub ending: TrialEnding,
}

/// How a trial ended, as far as the search cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialEnding {
    /// It has a fitness.
    Passed(Fitness),
    /// It failed by its own configuration.
    Failed,
    /// It failed because it was given too little memory: that speaks against no higher value.
    Starved,
    /// Card, node or cluster were at fault.
    Infrastructure,
    /// The evidence is not enough, for another reason.
    Inconclusive,
    /// It was ended from outside.
    Aborted,
}

impl From<&TrialJudgement> for TrialEnding {
    fn from(judgement: &TrialJudgement) -> Self {
        match (judgement.verdict, judgement.fitness) {
            (TrialVerdict::Passed, Some(fitness)) => Self::Passed(fitness),
            (TrialVerdict::Failed, _) if judgement.is_starved() => Self::Starved,
            (TrialVerdict::Failed, _) => Self::Failed,
            (TrialVerdict::Aborted, _) => Self::Aborted,
            _ if judgement.is_infrastructure() => Self::Infrastructure,
            _ => Self::Inconclusive,
        }
    }
}

/// What bounds a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SearchLimits {
    /// Failures of candidates in a row that end it.
    pub stop_after_failures: usize,
    /// Trials that the budgets still hold, the incumbent's included; absent where nobody keeps a budget.
    pub trials_left: Option<u64>,
    /// Whether a further trial would end before the window closes, and may begin: a flag that has expired begins nothing.
    pub time_left: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextTrial {
    /// Measure the incumbent anew, under the same conditions as the candidates.
    TryIncumbent,
    /// Try this candidate.
    Try(Candidate),
    /// The search is over.
    Done(SearchEnd),
}

reasons! {
    /// Why a search is over.
    pub enum SearchEndReason {
        /// Everything that was planned was tried.
        EverythingTried,
        /// There was nothing to try.
        NothingPlanned,
        /// Too many candidates failed in a row.
        FailuresInARow,
        /// The cluster failed several times in a row, which says nothing of any candidate.
        InfrastructureFailing,
        /// As many candidates as allowed were tried.
        MaximumTried,
        /// The budgets hold no further trial.
        BudgetSpent,
        /// The window closes before a further trial could be measured, or the flag has expired.
        OutOfTime,
        /// The incumbent could not be measured, so there is nothing to compare with.
        IncumbentNotMeasured,
        /// A trial was ended from outside.
        Aborted,
    }
}

/// The end of a search.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchEnd {
    /// Why.
    pub reason: SearchEndReason,
    /// What was planned but not tried, each with the reason.
    pub untried: Vec<Untried>,
}

/// A candidate that was planned but not tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Untried {
    /// What it would have set.
    pub parameters: ParameterSet,
    /// Why not, in one line.
    pub message: String,
}

/// Which trial comes next. The trials are those of this tuning run, in order; candidates that an earlier night measured
/// in the same environment may stand before them, its incumbent may not.
///
/// The rules, in order: an abort ends everything; the incumbent comes first, and a search
/// without its measurement ends; what was planned and not tried decides whether anything is left; then failures in a
/// row, faults of the cluster, the most candidates, the budget, and the time.
pub fn next_trial(plan: &CandidatePlan, trials: &[Trial], limits: &SearchLimits) -> NextTrial {
    let done = |reason| NextTrial::Done(end(plan, trials, limits, reason));
    if trials.iter().any(|trial| trial.ending == TrialEnding::Aborted) {
        return done(SearchEndReason::Aborted);
    }
    if plan.candidates.is_empty() {
        return done(SearchEndReason::NothingPlanned);
    }
    let budget_spent = limits.trials_left == Some(0);
    let out_of_time = !limits.time_left;
    match trials.iter().find(|trial| trial.parameters.is_empty()).map(|trial| trial.ending) {
        None if budget_spent => return done(SearchEndReason::BudgetSpent),
        None if out_of_time => return done(SearchEndReason::OutOfTime),
        None => return NextTrial::TryIncumbent,
        Some(TrialEnding::Infrastructure | TrialEnding::Inconclusive) => {
            return done(SearchEndReason::IncumbentNotMeasured);
        }
        Some(_) => {}
    }
    let next = match plan.strategy {
        Strategy::List | Strategy::Grid => list::first_untried(plan, trials),
        Strategy::Bisection => bisection::next_probe(plan, trials),
    };
    let Some(next) = next else {
        return done(SearchEndReason::EverythingTried);
    };
    // A bisection lives on failures: each halves what is left.
    if plan.strategy != Strategy::Bisection && failures_in_a_row(trials) >= limits.stop_after_failures.max(1) {
        return done(SearchEndReason::FailuresInARow);
    }
    if faults_in_a_row(trials) >= INFRASTRUCTURE_FAULTS_MAX {
        return done(SearchEndReason::InfrastructureFailing);
    }
    if candidates_tried(trials) >= plan.max_candidates {
        return done(SearchEndReason::MaximumTried);
    }
    if budget_spent {
        return done(SearchEndReason::BudgetSpent);
    }
    if out_of_time {
        return done(SearchEndReason::OutOfTime);
    }
    NextTrial::Try(next.clone())
}

fn of_candidates(trials: &[Trial]) -> impl DoubleEndedIterator<Item = &Trial> {
    trials.iter().filter(|trial| !trial.parameters.is_empty())
}

fn candidates_tried(trials: &[Trial]) -> usize {
    of_candidates(trials).count()
}

/// Candidates that failed by themselves since the last that did not. Neither faults of the cluster count nor candidates
/// that got too little memory, which the lowest values of a ladder may: what comes after them asks for more. Nor do these
/// separate failures.
fn failures_in_a_row(trials: &[Trial]) -> usize {
    of_candidates(trials)
        .rev()
        .filter(|trial| !matches!(trial.ending, TrialEnding::Infrastructure | TrialEnding::Starved))
        .take_while(|trial| trial.ending == TrialEnding::Failed)
        .count()
}

fn faults_in_a_row(trials: &[Trial]) -> usize {
    of_candidates(trials).rev().take_while(|trial| trial.ending == TrialEnding::Infrastructure).count()
}

fn end(plan: &CandidatePlan, trials: &[Trial], limits: &SearchLimits, reason: SearchEndReason) -> SearchEnd {
    let untried = plan
        .candidates
        .iter()
        .filter(|candidate| trials.iter().all(|trial| trial.parameters != candidate.parameters))
        .map(|candidate| Untried {
            parameters: candidate.parameters.clone(),
            message: why_untried(plan, trials, limits, reason, candidate),
        })
        .collect();
    SearchEnd { reason, untried }
}

fn why_untried(
    plan: &CandidatePlan,
    trials: &[Trial],
    limits: &SearchLimits,
    reason: SearchEndReason,
    candidate: &Candidate,
) -> String {
    match reason {
        SearchEndReason::FailuresInARow => {
            let failures = format!("{} failures in a row", limits.stop_after_failures.max(1));
            if lies_above_a_failure(plan, trials, candidate) {
                format!("not tried: {failures}, and higher can only fail")
            } else {
                format!("not tried: {failures}")
            }
        }
        SearchEndReason::EverythingTried => "not tried: the bisection did not need it".to_owned(),
        SearchEndReason::InfrastructureFailing => "not tried: the cluster keeps failing".to_owned(),
        SearchEndReason::MaximumTried => format!("not tried: {} candidates were tried", plan.max_candidates),
        SearchEndReason::BudgetSpent => "not tried: the budgets hold no further trial".to_owned(),
        SearchEndReason::OutOfTime => "not tried: there was no time for a further trial".to_owned(),
        SearchEndReason::IncumbentNotMeasured => "not tried: the incumbent was not measured".to_owned(),
        SearchEndReason::Aborted => "not tried: the run was ended from outside".to_owned(),
        SearchEndReason::NothingPlanned => "not tried".to_owned(),
    }
}

/// Whether a trial that failed differs from the candidate only in asking for less of what takes memory.
fn lies_above_a_failure(plan: &CandidatePlan, trials: &[Trial], candidate: &Candidate) -> bool {
    of_candidates(trials).filter(|trial| trial.ending == TrialEnding::Failed).any(|failed| {
        failed.parameters.len() == candidate.parameters.len()
            && candidate.parameters.iter().all(|(name, value)| {
                let failed_at = failed.parameters.get(name);
                let both = value.as_number().zip(failed_at.and_then(ParameterValue::as_number));
                let above = both.is_some_and(|(value, failed_at)| value >= failed_at);
                failed_at == Some(value) || (above && plan.higher_can_only_fail.contains(name))
            })
    })
}

#[cfg(test)]
mod tests;
