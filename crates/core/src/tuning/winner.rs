//! Whether a candidate is promoted, and which: it must beat the incumbent that was measured anew in the same run.

use super::{
    fitness::Fitness,
    outcome::TrialVerdict,
    rank::{Ranking, Standing, TrialResult, compare, rank_trials},
};
use crate::{
    prelude::*,
    reasons,
    value::{Decimal, ParameterSet},
};

/// What a winner must bring. Both are shares, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WinnerTerms {
    /// Fitness by which a candidate must beat an incumbent that passed.
    pub minimum_gain: Decimal,
    /// Fitness that is enough where the incumbent failed by its own configuration.
    pub minimum_fitness: Decimal,
}

reasons! {
    /// Why a candidate is promoted, or none.
    pub enum WinnerReason {
        /// A candidate beats the incumbent by the minimum gain, and by more than noise.
        BeatsIncumbent,
        /// The incumbent failed by its own configuration, and a candidate has the minimum fitness.
        IncumbentFailed,
        /// The incumbent was not measured, or not validly: nothing to compare with, so nothing is promoted.
        IncumbentNotMeasured,
        /// No candidate passed the gates.
        NoCandidatePassed,
        /// No candidate beats the incumbent by the minimum gain: the configuration stays, which is a valid end.
        GainTooSmall,
        /// The candidates that gain enough can't be told from the incumbent: the configuration stays.
        GainWithinNoise,
        /// The incumbent failed, but no candidate has the minimum fitness either.
        FitnessTooLow,
    }
}

/// The end of a tuning run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WinnerDecision {
    /// What is promoted; absent where nothing is.
    pub winner: Option<ParameterSet>,
    /// Why.
    pub reason: WinnerReason,
    /// The figures, in one line.
    pub message: String,
    /// The candidates that passed, the winner first.
    pub ranking: Ranking,
}

/// Decides which candidate is promoted. All trials ran in one tuning run, under one workload and one SLO.
///
/// The value at the edge of a bisection is chosen only where no candidate inside it comes into question: it held for
/// the seconds of a trial, with the next step known to fail.
pub fn decide_winner(incumbent: &TrialResult, candidates: &[TrialResult], terms: &WinnerTerms) -> WinnerDecision {
    let passed: Vec<&TrialResult> =
        candidates.iter().filter(|candidate| candidate.judgement.fitness.is_some()).collect();
    let nothing = |reason, message| WinnerDecision { winner: None, reason, message, ranking: rank_trials(&passed) };
    let verdict = incumbent.judgement.verdict;
    let now = match (verdict, incumbent.judgement.fitness) {
        (TrialVerdict::Passed, Some(fitness)) => Some(fitness),
        (TrialVerdict::Failed, _) => None,
        _ => {
            let message = format!("the incumbent's trial is {}: nothing to compare with", verdict.name());
            return nothing(WinnerReason::IncumbentNotMeasured, message);
        }
    };
    if passed.is_empty() {
        let message = format!("none of {} candidates passed", candidates.len());
        return nothing(WinnerReason::NoCandidatePassed, message);
    }
    let enough = |trial: &&TrialResult| match (trial.judgement.fitness, now) {
        (Some(fitness), Some(now)) => fitness.beats_by(now, terms.minimum_gain),
        (Some(fitness), None) => fitness.is_at_least(terms.minimum_fitness),
        (None, _) => false,
    };
    let gaining: Vec<&TrialResult> = passed.iter().copied().filter(enough).collect();
    if gaining.is_empty() {
        let (reason, message) = not_enough(&passed, now, terms);
        return nothing(reason, message);
    }
    let distinct: Vec<&TrialResult> = gaining
        .iter()
        .copied()
        .filter(|trial| now.is_none() || compare(trial, incumbent).is_some_and(|comparison| !comparison.is_tie()))
        .collect();
    if distinct.is_empty() {
        return nothing(WinnerReason::GainWithinNoise, within_noise(&gaining, incumbent));
    }
    choose(&passed, &distinct, now)
}

fn choose(passed: &[&TrialResult], eligible: &[&TrialResult], now: Option<Fitness>) -> WinnerDecision {
    let inner: Vec<&TrialResult> = eligible.iter().copied().filter(|trial| !trial.at_edge).collect();
    let contest = rank_trials(if inner.is_empty() { eligible } else { &inner });
    let best = contest.trials.first();
    let tie = contest.tie_break.map_or_else(String::new, |tie_break| format!("; {}", tie_break.phrase()));
    let reached = best.map_or_else(String::new, |best| best.fitness.to_string());
    let (reason, message) = match now {
        Some(now) => (WinnerReason::BeatsIncumbent, format!("fitness {now} -> {reached}{tie}")),
        None => (WinnerReason::IncumbentFailed, format!("the incumbent failed, fitness {reached}{tie}")),
    };
    let winner = best.map(|best| best.parameters.clone());
    // Those that were out of the contest follow; the winner stays the only best.
    let contested: BTreeSet<&ParameterSet> = contest.trials.iter().map(|trial| &trial.parameters).collect();
    let rest: Vec<&TrialResult> =
        passed.iter().copied().filter(|trial| !contested.contains(&trial.parameters)).collect();
    let mut trials = contest.trials.clone();
    trials.extend(rank_trials(&rest).trials.into_iter().map(|mut trial| {
        trial.standing = Standing::Behind;
        trial
    }));
    WinnerDecision { winner, reason, message, ranking: Ranking { trials, tie_break: contest.tie_break } }
}

fn best_fitness(trials: &[&TrialResult]) -> String {
    let best = trials.iter().filter_map(|trial| trial.judgement.fitness).max();
    best.map_or_else(String::new, |fitness| fitness.to_string())
}

fn not_enough(passed: &[&TrialResult], now: Option<Fitness>, terms: &WinnerTerms) -> (WinnerReason, String) {
    let best = best_fitness(passed);
    if let Some(now) = now {
        let gain = terms.minimum_gain;
        (WinnerReason::GainTooSmall, format!("best fitness {best}, incumbent {now}, minimum gain {gain}"))
    } else {
        let least = terms.minimum_fitness;
        (WinnerReason::FitnessTooLow, format!("best fitness {best}, minimum {least} where the incumbent failed"))
    }
}

fn within_noise(gaining: &[&TrialResult], incumbent: &TrialResult) -> String {
    let probabilities = gaining.iter().filter_map(|trial| compare(trial, incumbent));
    let lowest = probabilities.map(|comparison| comparison.probability).fold(1.0, f64::min);
    let (best, now) = (best_fitness(gaining), best_fitness(&[incumbent]));
    format!(
        "best fitness {best}, incumbent {now}: a difference like that comes by chance {:.0} times in 100",
        lowest * 100.0
    )
}

#[cfg(test)]
mod tests;
