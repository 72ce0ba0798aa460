//! Which of the trials that passed is best, and which can't be told from it.

use super::{
    actuator::Actuator,
    catalogue::find_actuator,
    exact_test::{MetRequests, NOISE_PROBABILITY_MIN, fisher_exact, mcnemar_exact},
    fitness::Fitness,
    outcome::TrialJudgement,
};
use crate::{
    prelude::*,
    value::{Decimal, ParameterSet, ParameterValue},
};

/// Throughputs and latencies closer than this share are equal: benchmarks of one configuration on one card move by 5 %
/// and more by themselves.
pub const TIE_SHARE: f64 = 0.05;

/// One trial with what the ranking needs.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    /// What it set; empty for the incumbent.
    pub parameters: ParameterSet,
    /// What the gates said.
    pub judgement: TrialJudgement,
    /// Which requests met their limits.
    pub met: Option<MetRequests>,
    /// Completed requests per second.
    pub throughput: Option<f64>,
    /// 95th percentile of the end-to-end latency, milliseconds.
    pub latency_ms_p95: Option<f64>,
    /// How far it is from the incumbent.
    pub change: ChangeSize,
    /// Whether it is the last value of a bisection that held: one step further, memory ran out.
    pub at_edge: bool,
}

/// How much a candidate changes: first how many parameters, then by how much altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeSize {
    /// Parameters that get another value.
    pub parameters: usize,
    /// Sum of the changes relative to the old values, in millionths; a word, and a number whose old value is not known
    /// or zero, counts as a whole.
    pub relative_millionths: u64,
}

const WHOLE_MILLIONTHS: u64 = 1_000_000;

/// How much the parameters change a configuration.
pub fn change_size(parameters: &ParameterSet, configuration: &BTreeMap<String, String>) -> ChangeSize {
    let mut size = ChangeSize::default();
    for (name, value) in parameters {
        let text = configuration.get(name.as_str());
        let old = match find_actuator(name) {
            Some(actuator) => Actuator::value_in(actuator, configuration),
            None => text.map(|text| ParameterValue::from(text.as_str())),
        };
        if old.as_ref() == Some(value) {
            continue;
        }
        let numbers = old.as_ref().and_then(ParameterValue::as_number).zip(value.as_number());
        let relative = numbers.and_then(|(old, new)| relative_millionths(old, new)).unwrap_or(WHOLE_MILLIONTHS);
        size.parameters += 1;
        size.relative_millionths = size.relative_millionths.saturating_add(relative);
    }
    size
}

fn relative_millionths(old: Decimal, new: Decimal) -> Option<u64> {
    let (old, difference) = (old.millionths().unsigned_abs(), new.minus(old).millionths().unsigned_abs());
    let share = (u128::from(difference) * u128::from(WHOLE_MILLIONTHS)).checked_div(u128::from(old))?;
    u64::try_from(share).ok()
}

/// On what a comparison of two trials rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum ComparisonBasis {
    /// The same requests were sent to both: exact McNemar test.
    Paired,
    /// It is not known how each request fared in both: Fisher's exact test on the counts, which finds fewer differences.
    Unpaired,
}

/// How likely a difference as large as that of two trials is, if there is none.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The probability.
    pub probability: f64,
    /// The test.
    pub basis: ComparisonBasis,
}

impl Comparison {
    /// Whether the difference is within the noise.
    pub fn is_tie(self) -> bool {
        self.probability >= NOISE_PROBABILITY_MIN
    }
}

/// Compares two trials that have a fitness.
pub fn compare(one: &TrialResult, other: &TrialResult) -> Option<Comparison> {
    let (fitness, against) = (one.judgement.fitness?, other.judgement.fitness?);
    if let Some((gained, lost)) = paired(one, fitness, other, against) {
        return Some(Comparison { probability: mcnemar_exact(gained, lost), basis: ComparisonBasis::Paired });
    }
    let probability = fisher_exact(fitness.met(), fitness.offered(), against.met(), against.offered());
    Some(Comparison { probability, basis: ComparisonBasis::Unpaired })
}

/// The discordant pairs, where both trials hold an answer for each request and the answers agree with the fitness.
fn paired(one: &TrialResult, fitness: Fitness, other: &TrialResult, against: Fitness) -> Option<(u64, u64)> {
    let (answers, others) = (one.met.as_ref()?, other.met.as_ref()?);
    let agrees = |met: &MetRequests, fitness: Fitness| {
        met.met.len() as u64 == fitness.offered() && met.met.iter().filter(|met| **met).count() as u64 == fitness.met()
    };
    if !agrees(answers, fitness) || !agrees(others, against) {
        return None;
    }
    answers.discordant(others)
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Standing {
    /// Chosen among those that come into question.
    Best,
    /// Can't be told from the trial of the highest fitness; another was chosen.
    Tied,
    /// Worse than the trial of the highest fitness, by more than noise.
    Behind,
}

/// One line of the ranking.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedTrial {
    /// What it set.
    pub parameters: ParameterSet,
    /// Its fitness.
    pub fitness: Fitness,
    /// Where it stands.
    pub standing: Standing,
    /// Its comparison with the trial of the highest fitness; absent for that trial itself.
    pub comparison: Option<Comparison>,
}

/// What decided among trials that can't be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum TieBreak {
    /// More requests per second.
    Throughput,
    /// A lower 95th percentile of the latency.
    LatencyP95,
    /// Less of a change.
    SmallerChange,
    /// Nothing told them apart but the order in which they were tried.
    TriedFirst,
}

impl TieBreak {
    /// How output puts it.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Throughput => "tie, chosen for throughput",
            Self::LatencyP95 => "tie, chosen for p95 latency",
            Self::SmallerChange => "tie, chosen for the smaller change",
            Self::TriedFirst => "tie, chosen as the first that was tried",
        }
    }
}

/// The ranking of some trials.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranking {
    /// The chosen one first, then those tied with it, then the others, by falling fitness.
    pub trials: Vec<RankedTrial>,
    /// What decided where several are tied; absent without a tie.
    pub tie_break: Option<TieBreak>,
}

/// Ranks the trials that passed: the highest fitness, and among those that can't be told from it the one with the
/// higher throughput, the lower p95, the smaller change. Trials without a fitness are left out.
pub fn rank_trials(trials: &[&TrialResult]) -> Ranking {
    let mut passed: Vec<(&TrialResult, Fitness)> =
        trials.iter().filter_map(|trial| Some((*trial, trial.judgement.fitness?))).collect();
    // Stable: of equals the one that was tried first leads.
    passed.sort_by_key(|(_, fitness)| core::cmp::Reverse(*fitness));
    let Some((top, _)) = passed.first().copied() else {
        return Ranking { trials: Vec::new(), tie_break: None };
    };
    let compared: Vec<(usize, &TrialResult, Fitness, Option<Comparison>)> = passed
        .iter()
        .enumerate()
        .map(|(position, (trial, fitness))| {
            (position, *trial, *fitness, (position > 0).then(|| compare(top, trial)).flatten())
        })
        .collect();
    let tied: Vec<(usize, &TrialResult)> = compared
        .iter()
        .filter(|(.., comparison)| comparison.is_none_or(Comparison::is_tie))
        .map(|(position, trial, ..)| (*position, *trial))
        .collect();
    let (chosen, tie_break) = settle(&tied);
    let mut ranked: Vec<RankedTrial> = compared
        .iter()
        .map(|(position, trial, fitness, comparison)| RankedTrial {
            parameters: trial.parameters.clone(),
            fitness: *fitness,
            standing: match comparison {
                _ if *position == chosen => Standing::Best,
                Some(comparison) if !comparison.is_tie() => Standing::Behind,
                _ => Standing::Tied,
            },
            comparison: *comparison,
        })
        .collect();
    ranked.sort_by_key(|trial| trial.standing);
    Ranking { trials: ranked, tie_break }
}

/// Chooses among tied trials, and says by what; the position is that of the chosen one.
fn settle(tied: &[(usize, &TrialResult)]) -> (usize, Option<TieBreak>) {
    let first = tied.first().map_or(0, |(position, _)| *position);
    if tied.len() < 2 {
        return (first, None);
    }
    let mut left = tied.to_vec();
    let highest = left.iter().filter_map(|(_, trial)| trial.throughput).reduce(f64::max);
    if let Some(highest) = highest {
        left.retain(|(_, trial)| trial.throughput.is_some_and(|seen| seen >= highest * (1.0 - TIE_SHARE)));
        if let [(chosen, _)] = left.as_slice() {
            return (*chosen, Some(TieBreak::Throughput));
        }
    }
    let lowest = left.iter().filter_map(|(_, trial)| trial.latency_ms_p95).reduce(f64::min);
    if let Some(lowest) = lowest {
        left.retain(|(_, trial)| trial.latency_ms_p95.is_some_and(|seen| seen <= lowest * (1.0 + TIE_SHARE)));
        if let [(chosen, _)] = left.as_slice() {
            return (*chosen, Some(TieBreak::LatencyP95));
        }
    }
    let smallest = left.iter().map(|(_, trial)| trial.change).min();
    left.retain(|(_, trial)| Some(trial.change) == smallest);
    let tie_break = if left.len() == 1 { TieBreak::SmallerChange } else { TieBreak::TriedFirst };
    (left.iter().map(|(position, _)| *position).min().unwrap_or(first), Some(tie_break))
}

#[cfg(test)]
pub(super) mod tests;
