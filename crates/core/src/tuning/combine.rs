//! From ordered values per parameter to candidates: one after the other, every combination, or one line to halve.

use super::{
    candidate::{
        Candidate, CandidatePlan, CandidateRequest, FeasibleSide, ParameterPlan, RefusalReason, RefusedCandidate,
    },
    deny::is_denied,
    interaction::check_interactions,
    strategy::Strategy,
};
use crate::{
    prelude::*,
    value::{Diagnosis, ParameterSet},
};

/// Most points of a grid that are looked at: a product of a few ranges is millions, of which no budget tries more than
/// a handful, and those come first.
pub const GRID_POINTS_MAX: usize = 4096;

/// Notes something that is not tried.
pub(super) fn leave_out(
    refused: &mut Vec<RefusedCandidate>,
    parameters: ParameterSet,
    reason: RefusalReason,
    message: String,
) {
    refused.push(RefusedCandidate { parameters, reason, message });
}

/// Makes the plan of the request's strategy.
pub(super) fn combine(
    request: &CandidateRequest,
    plans: Vec<ParameterPlan>,
    mut refused: Vec<RefusedCandidate>,
) -> CandidatePlan {
    let (plans, feasible_side) = match request.strategy {
        Strategy::List | Strategy::Grid => (plans, None),
        Strategy::Bisection => only_bisectable(plans, &mut refused),
    };
    let higher_can_only_fail =
        plans.iter().filter(|plan| plan.context.higher_can_only_fail).map(|plan| plan.actuator.parameter()).collect();
    let proposed = match request.strategy {
        Strategy::List => one_after_the_other(&plans),
        Strategy::Grid => every_combination(&plans),
        Strategy::Bisection => ascending(&plans),
    };
    let mut candidates = Vec::new();
    for candidate in proposed {
        match refusal_of(request, &candidate) {
            Some((reason, message)) => leave_out(&mut refused, candidate.parameters, reason, message),
            None => candidates.push(candidate),
        }
    }
    if request.strategy != Strategy::Bisection {
        cut(&mut candidates, request, &mut refused);
    }
    CandidatePlan {
        strategy: request.strategy,
        candidates,
        refused,
        nothing: None,
        higher_can_only_fail,
        feasible_side,
        max_candidates: request.max_candidates,
    }
}

fn refusal_of(request: &CandidateRequest, candidate: &Candidate) -> Option<(RefusalReason, String)> {
    if let Some(denied) = is_denied(&candidate.parameters, &request.environment, &request.denied) {
        return Some((RefusalReason::Denied, denied.reason.clone()));
    }
    check_interactions(&request.environment.configuration, &candidate.parameters)
        .map(|found| (RefusalReason::Conflicting, found.message))
}

/// Cuts to the most that may be tried. What the user named is reported, the rest of a ladder is not.
fn cut(candidates: &mut Vec<Candidate>, request: &CandidateRequest, refused: &mut Vec<RefusedCandidate>) {
    let places = request.max_candidates.min(candidates.len());
    for beyond in candidates.split_off(places) {
        let named = beyond.parameters.keys().all(|name| request.parameters.iter().any(|wanted| wanted.name == *name));
        if named {
            let message = format!("comes after the first {} candidates", request.max_candidates);
            leave_out(refused, beyond.parameters, RefusalReason::BeyondMaximum, message);
        }
    }
}

/// The value of healthy runs of every parameter first, then parameter by parameter.
fn one_after_the_other(plans: &[ParameterPlan]) -> Vec<Candidate> {
    let single = |plan: &ParameterPlan, position: usize| {
        let value = plan.values.get(position)?;
        let why = plan.context.why(plan.actuator.name, value);
        Some(Candidate { parameters: [(plan.actuator.parameter(), value.clone())].into(), why })
    };
    let leads = |plan: &ParameterPlan| {
        !plan.context.higher_can_only_fail && plan.values.first() == plan.context.healthy.as_ref()
    };
    let leading = |plan: &&ParameterPlan| !plan.values.is_empty() && leads(plan);
    let first = plans.iter().filter(leading).filter_map(|plan| single(plan, 0));
    let rest = plans.iter().flat_map(|plan| {
        let start = usize::from(leading(&plan));
        (start..plan.values.len()).filter_map(move |position| single(plan, position))
    });
    first.chain(rest).collect()
}

/// Every combination; those whose values stand first in their own orders come first.
fn every_combination(plans: &[ParameterPlan]) -> Vec<Candidate> {
    let mut points: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new())];
    for plan in plans.iter().filter(|plan| !plan.values.is_empty()) {
        let mut next: Vec<(usize, Vec<usize>)> = points
            .iter()
            .flat_map(|(sum, point)| {
                (0..plan.values.len()).map(move |position| {
                    let mut longer = point.clone();
                    longer.push(position);
                    (sum + position, longer)
                })
            })
            .collect();
        next.sort();
        next.truncate(GRID_POINTS_MAX);
        points = next;
    }
    let plans: Vec<&ParameterPlan> = plans.iter().filter(|plan| !plan.values.is_empty()).collect();
    points
        .into_iter()
        .map(|(_, point)| {
            let chosen =
                plans.iter().zip(point).filter_map(|(plan, position)| Some((*plan, plan.values.get(position)?)));
            let (mut parameters, mut reasons) = (ParameterSet::new(), Vec::new());
            for (plan, value) in chosen {
                reasons.push(plan.context.why(plan.actuator.name, value));
                parameters.insert(plan.actuator.parameter(), value.clone());
            }
            Candidate { parameters, why: reasons.join("; ") }
        })
        .filter(|candidate| !candidate.parameters.is_empty())
        .collect()
}

/// The first parameter that decides over memory, and on which side its values hold.
fn only_bisectable(
    plans: Vec<ParameterPlan>,
    refused: &mut Vec<RefusedCandidate>,
) -> (Vec<ParameterPlan>, Option<FeasibleSide>) {
    let mut chosen: Option<(ParameterPlan, FeasibleSide)> = None;
    for plan in plans {
        match (feasible_side(&plan), &chosen) {
            (Some(side), None) => chosen = Some((plan, side)),
            (side, _) => {
                let name = plan.actuator.name;
                let message = if side.is_some() {
                    format!("a bisection works on one parameter, and {name} is not the first")
                } else {
                    format!("more or less of {name} does not decide whether the memory holds; use List")
                };
                leave_out(refused, ParameterSet::new(), RefusalReason::NotForBisection, message);
            }
        }
    }
    match chosen {
        Some((plan, side)) => (vec![plan], Some(side)),
        None => (Vec::new(), None),
    }
}

fn feasible_side(plan: &ParameterPlan) -> Option<FeasibleSide> {
    let numbers = plan.values.iter().all(|value| value.as_number().is_some());
    match plan.context.diagnosis {
        _ if !plan.actuator.grows_memory || !numbers => None,
        Diagnosis::MemoryStarved => Some(FeasibleSide::Above),
        Diagnosis::MemoryOvercommitted | Diagnosis::CachePressure => Some(FeasibleSide::Below),
        Diagnosis::Unexplained | Diagnosis::AdmissionLimited | Diagnosis::ComputeBound => None,
    }
}

fn ascending(plans: &[ParameterPlan]) -> Vec<Candidate> {
    let mut candidates = one_after_the_other(plans);
    candidates.sort_by(|one, other| one.parameters.cmp(&other.parameters));
    candidates
}
