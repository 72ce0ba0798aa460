//! Bisection: halving towards the edge beyond which memory fails, then the two values one and two steps inside it.
//!
//! On a line of n values, of which those up to an unknown edge hold, the edge is found in at most ceil(log2(n + 1))
//! trials. The edge itself is a bad place to stay, so the values inside it are measured as well.

use super::{Trial, TrialEnding};
use crate::{
    prelude::*,
    tuning::candidate::{Candidate, CandidatePlan, FeasibleSide},
    value::ParameterSet,
};

/// What the trials say of the line of candidates, from the safest to the riskiest.
struct Line<'a> {
    candidates: Vec<&'a Candidate>,
    /// How many from the safe end hold, as far as is known.
    held: usize,
    /// Position of the first that fails, as far as is known; the length of the line where none does.
    failed: usize,
    /// How many from the safe end got too little memory: safe from asking for too much, and of no use.
    starved: usize,
}

impl<'a> Line<'a> {
    fn new(plan: &'a CandidatePlan, trials: &[Trial]) -> Self {
        let mut candidates: Vec<&Candidate> = plan.candidates.iter().collect();
        if plan.feasible_side == Some(FeasibleSide::Above) {
            candidates.reverse();
        }
        let endings: Vec<Option<TrialEnding>> =
            candidates.iter().map(|candidate| ending_of(trials, &candidate.parameters)).collect();
        // Where large values hold, too little memory is what the edge is about.
        let starving_fails = plan.feasible_side == Some(FeasibleSide::Above);
        let is_starved = |ending: &Option<TrialEnding>| !starving_fails && matches!(ending, Some(TrialEnding::Starved));
        let fails = |ending: &Option<TrialEnding>| {
            matches!(ending, Some(TrialEnding::Failed | TrialEnding::Starved)) && !is_starved(ending)
        };
        let failed = endings.iter().position(fails).unwrap_or(endings.len());
        let holds = |ending: &Option<TrialEnding>| matches!(ending, Some(TrialEnding::Passed(_))) || is_starved(ending);
        let after_last = |is: &dyn Fn(&Option<TrialEnding>) -> bool| {
            endings.iter().take(failed).rposition(is).map_or(0, |position| position + 1)
        };
        let (held, starved) = (after_last(&holds), after_last(&is_starved));
        Self { candidates, held, failed, starved }
    }

    fn untried(&self, position: usize, trials: &[Trial]) -> Option<&'a Candidate> {
        let candidate = *self.candidates.get(position)?;
        ending_of(trials, &candidate.parameters).is_none().then_some(candidate)
    }
}

fn ending_of(trials: &[Trial], parameters: &ParameterSet) -> Option<TrialEnding> {
    trials.iter().find(|trial| trial.parameters == *parameters).map(|trial| trial.ending)
}

/// The value that halves what is not known; once the edge is found, those one and two steps inside it. A value whose
/// trial was inconclusive is passed over for its nearest neighbour.
pub(super) fn next_probe<'a>(plan: &'a CandidatePlan, trials: &[Trial]) -> Option<&'a Candidate> {
    let line = Line::new(plan, trials);
    let middle = usize::midpoint(line.held, line.failed.saturating_sub(1));
    let unknown = (line.held..line.failed).filter_map(|position| Some((position, line.untried(position, trials)?)));
    if let Some((_, nearest)) = unknown.min_by_key(|(position, _)| position.abs_diff(middle)) {
        return Some(nearest);
    }
    let edge = line.held.checked_sub(1)?;
    let mut inside = (1..=2).filter_map(|steps| edge.checked_sub(steps)).filter(|inside| *inside >= line.starved);
    inside.find_map(|inside| line.untried(inside, trials))
}

/// The last value that held, where its neighbour is known to fail.
pub fn edge_of(plan: &CandidatePlan, trials: &[Trial]) -> Option<ParameterSet> {
    let line = Line::new(plan, trials);
    let edge = line.held.checked_sub(1)?;
    let known = plan.feasible_side.is_some()
        && line.failed == line.held
        && line.failed < line.candidates.len()
        && edge >= line.starved;
    known.then(|| line.candidates.get(edge).map(|candidate| candidate.parameters.clone())).flatten()
}
