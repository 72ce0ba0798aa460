//! List and grid: the plan's own order, one after the other.

use super::Trial;
use crate::tuning::candidate::{Candidate, CandidatePlan};

/// The first candidate of the plan that was not tried.
pub(super) fn first_untried<'a>(plan: &'a CandidatePlan, trials: &[Trial]) -> Option<&'a Candidate> {
    plan.candidates.iter().find(|candidate| trials.iter().all(|trial| trial.parameters != candidate.parameters))
}
