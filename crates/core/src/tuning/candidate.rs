//! From what was found to an ordered list of candidates, with everything that was refused and why.

use super::{
    actuator::{Actuator, Cause, Direction},
    bounds::{AdminBounds, bounds},
    catalogue::ACTUATORS,
    combine::{combine, leave_out},
    deny::DeniedCandidate,
    error::TuningError,
    order::{OrderContext, order_values},
    strategy::Strategy,
    value_choice::choose_values,
    version::EngineVersion,
};
use crate::{
    prelude::*,
    reasons,
    value::{Decimal, Diagnosis, Environment, ParameterName, ParameterSet, ParameterValue, SymptomKind},
};

/// What the plan of candidates is made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CandidateRequest {
    /// What the runs found that armed the flag, in any order.
    pub causes: Vec<Cause>,
    /// What the user lets be tuned, in the user's order; empty: what the catalogue has for the causes.
    pub parameters: Vec<RequestedParameter>,
    /// Where the incumbent runs: its configuration, engine version, and what a denied candidate is told by.
    pub environment: Environment,
    /// The configuration of the baseline's newest run; absent without a baseline.
    pub healthy: Option<BTreeMap<String, String>>,
    /// The administrator's bounds.
    pub admin: BTreeMap<ParameterName, AdminBounds>,
    /// What failed before.
    pub denied: Vec<DeniedCandidate>,
    /// Most candidates to try.
    pub max_candidates: usize,
    /// How they are searched.
    pub strategy: Strategy,
}

/// A parameter that the user lets be tuned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedParameter {
    /// Its name.
    pub name: ParameterName,
    /// Which values.
    pub values: RequestedValues,
}

/// Which values of a parameter the user lets be tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RequestedValues {
    /// The catalogue's own, and what healthy runs had.
    #[default]
    Catalogue,
    /// These and no others.
    Listed(Vec<ParameterValue>),
    /// From the minimum to the maximum, both included, by the step.
    Range {
        /// The start.
        minimum: Decimal,
        /// The end.
        maximum: Decimal,
        /// The step; positive.
        step: Decimal,
    },
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// What it sets; everything else stays as the incumbent has it. Never empty.
    pub parameters: ParameterSet,
    /// Why it is tried, in one line.
    pub why: String,
}

reasons! {
    /// Why a candidate, or a whole parameter, is not tried.
    pub enum RefusalReason {
        /// The parameter may not be tuned on this engine, or not without the administrator's permission.
        NotTunable,
        /// The value is outside the bounds of the catalogue or of the administrator.
        OutsideBounds,
        /// The same parameters already failed in production in this environment.
        Denied,
        /// The engine would refuse the combination, or the candidate would change nothing.
        Conflicting,
        /// Memory is over-committed, and the value asks for as much or more: it can only fail.
        CanOnlyFail,
        /// It is the incumbent's own value, which is measured first and by itself.
        MeasuredAsIncumbent,
        /// It comes after as many candidates as may be tried.
        BeyondMaximum,
        /// It was changed since the baseline, but is not among the parameters that may be tuned here.
        ChangedButNotRequested,
        /// Healthy runs left the flag to the engine, whose default depends on the card or the model.
        HealthyValueUnset,
        /// Bisection works on one parameter that decides over memory; this one comes after it or decides nothing.
        NotForBisection,
    }
}

/// Something that is not tried, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCandidate {
    /// What would have been set; empty where a parameter was refused as a whole.
    pub parameters: ParameterSet,
    /// Why not.
    pub reason: RefusalReason,
    /// The figures, in one line.
    pub message: String,
}

reasons! {
    /// Why there is nothing to try at all.
    pub enum NothingToTry {
        /// No cause was given for which anything could be tuned; a crash that is no matter of memory is counted only so that people see it.
        NothingIsTunedForIt,
        /// The engine's version is not known, or not one that the catalogue covers.
        EngineVersionUnknown,
        /// The catalogue has no parameter for the cause, and nothing tunable changed since the baseline.
        NoParameterFits,
        /// Everything that came into question was refused; each refusal says why.
        EverythingRefused,
    }
}

/// On which side of the edge a bisection finds the values that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum FeasibleSide {
    /// Small values hold, large ones run out of memory: the edge is the largest that holds.
    Below,
    /// Large values hold, small ones are starved: the edge is the smallest that holds.
    Above,
}

/// What will be tried and in which order. The incumbent is not listed: it is always measured first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidatePlan {
    /// How the candidates are searched.
    pub strategy: Strategy,
    /// In the order in which they are tried; for a bisection, ascending.
    pub candidates: Vec<Candidate>,
    /// What is not tried, and why.
    pub refused: Vec<RefusedCandidate>,
    /// Why there are no candidates; absent where there are.
    pub nothing: Option<NothingToTry>,
    /// The parameters of which a value that runs out of memory rules out all above it.
    pub higher_can_only_fail: BTreeSet<ParameterName>,
    /// For a bisection: which side holds.
    pub feasible_side: Option<FeasibleSide>,
    /// Most candidates to try; fewer than `candidates` only in a bisection.
    pub max_candidates: usize,
}

/// The ordered values of one parameter.
pub(super) struct ParameterPlan {
    pub(super) actuator: &'static Actuator,
    pub(super) context: OrderContext,
    pub(super) values: Vec<ParameterValue>,
}

/// Plans what is tried against the causes.
pub fn plan_candidates(request: &CandidateRequest) -> CandidatePlan {
    let causes = leading_first(&request.causes);
    let mut refused = Vec::new();
    if causes.is_empty() {
        return nothing(request, refused, NothingToTry::NothingIsTunedForIt);
    }
    let version = request.environment.engine_version.as_deref().and_then(|text| text.parse().ok());
    let Some(version) = version.filter(|version| super::catalogue::CATALOGUE_VERSIONS.contains(*version)) else {
        return nothing(request, refused, NothingToTry::EngineVersionUnknown);
    };
    let wanted = wanted_parameters(request, &causes, &mut refused);
    if wanted.is_empty() {
        return nothing(request, refused, NothingToTry::NoParameterFits);
    }
    let mut plans: Vec<ParameterPlan> =
        wanted.iter().filter_map(|wanted| plan_parameter(request, wanted, version, &causes, &mut refused)).collect();
    // What someone changed since the baseline leads; the sort is stable.
    plans.sort_by_key(|plan| plan.context.healthy.is_none());
    let plan = combine(request, plans, refused);
    if plan.candidates.is_empty() {
        let why = if plan.refused.is_empty() { NothingToTry::NoParameterFits } else { NothingToTry::EverythingRefused };
        return CandidatePlan { nothing: Some(why), ..plan };
    }
    plan
}

fn nothing(request: &CandidateRequest, refused: Vec<RefusedCandidate>, why: NothingToTry) -> CandidatePlan {
    CandidatePlan {
        strategy: request.strategy,
        candidates: Vec::new(),
        refused,
        nothing: Some(why),
        higher_can_only_fail: BTreeSet::new(),
        feasible_side: None,
        max_candidates: request.max_candidates,
    }
}

/// Each cause once, the gravest symptom first and the unexplained last; without those for which nothing is tuned.
fn leading_first(causes: &[Cause]) -> Vec<Cause> {
    let gravity = |symptom: SymptomKind| SymptomKind::ALL.iter().position(|kind| *kind == symptom);
    let mut ordered: Vec<Cause> =
        causes.iter().copied().filter(|cause| cause.symptom != SymptomKind::EngineCrash).collect();
    ordered.sort_by_key(|cause| (cause.diagnosis == Diagnosis::Unexplained, gravity(cause.symptom), cause.diagnosis));
    ordered.dedup();
    ordered
}

/// The parameters that come into question: the user's, or the catalogue's for the causes and what changed.
fn wanted_parameters(
    request: &CandidateRequest,
    causes: &[Cause],
    refused: &mut Vec<RefusedCandidate>,
) -> Vec<RequestedParameter> {
    let changed = changed_since_baseline(request);
    if !request.parameters.is_empty() {
        for (name, was, now) in &changed {
            if request.parameters.iter().all(|parameter| parameter.name != *name) {
                let message =
                    format!("{name} was changed since the baseline ({was} -> {now}), but may not be tuned here");
                leave_out(refused, ParameterSet::new(), RefusalReason::ChangedButNotRequested, message);
            }
        }
        return request.parameters.clone();
    }
    let configuration = &request.environment.configuration;
    let permitted = |actuator: &Actuator| {
        let by_admin = request.admin.get(&actuator.parameter()).is_some_and(|admin| admin.permitted);
        actuator.administrator.is_none() || by_admin
    };
    let fits = |actuator: &Actuator| {
        let set = !actuator.only_where_set || configuration.contains_key(actuator.name);
        actuator.remedy_for(causes).is_some() && permitted(actuator) && set
    };
    let of_catalogue = ACTUATORS.iter().filter(|actuator| fits(actuator)).map(Actuator::parameter);
    let mut names: Vec<ParameterName> = of_catalogue.collect();
    for (name, ..) in changed {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| RequestedParameter { name, values: RequestedValues::Catalogue }).collect()
}

/// Flags that the incumbent has otherwise than the baseline had: name, was, now.
fn changed_since_baseline(request: &CandidateRequest) -> Vec<(ParameterName, String, String)> {
    let Some(healthy) = &request.healthy else {
        return Vec::new();
    };
    let now = &request.environment.configuration;
    let names: BTreeSet<&String> = healthy.keys().chain(now.keys()).collect();
    let text = |value: Option<&String>| value.map_or_else(|| "not set".to_owned(), Clone::clone);
    names
        .into_iter()
        .filter(|name| healthy.get(*name) != now.get(*name))
        .map(|name| (ParameterName::new(name), text(healthy.get(name)), text(now.get(name))))
        .collect()
}

fn plan_parameter(
    request: &CandidateRequest,
    wanted: &RequestedParameter,
    version: EngineVersion,
    causes: &[Cause],
    refused: &mut Vec<RefusedCandidate>,
) -> Option<ParameterPlan> {
    let limits = match bounds(&wanted.name, version, request.admin.get(&wanted.name)) {
        Ok(limits) => limits,
        Err(refusal) => {
            let message = why_not_tunable(request, wanted, &refusal);
            leave_out(refused, ParameterSet::new(), RefusalReason::NotTunable, message);
            return None;
        }
    };
    let actuator = limits.actuator();
    let incumbent = actuator.value_in(&request.environment.configuration);
    let healthy = healthy_value(request, actuator, incumbent.as_ref(), refused);
    // A parameter that the user names is tried even where the catalogue sees no remedy in it.
    let named = !request.parameters.is_empty() && wanted.values == RequestedValues::Catalogue;
    let remedy = actuator.remedy_for(causes).map(|remedy| (remedy.direction, remedy.diagnosis));
    let remedy = remedy.or_else(|| named.then_some((Direction::Either, Diagnosis::Unexplained)));
    let context = OrderContext::new(actuator, remedy, incumbent, healthy);
    let chosen = match choose_values(&wanted.values, &limits, &context, request.max_candidates) {
        Ok(chosen) => chosen,
        Err(refusal) => {
            let message = format!("{refusal}; {}", refusal.remedy());
            leave_out(refused, ParameterSet::new(), RefusalReason::OutsideBounds, message);
            return None;
        }
    };
    for (value, refusal) in chosen.refused {
        let message = format!("{refusal}; {}", refusal.remedy());
        leave_out(refused, [(wanted.name.clone(), value)].into(), RefusalReason::OutsideBounds, message);
    }
    for value in &chosen.allowed {
        refuse_pointless(&wanted.name, value, &context, refused);
    }
    let values = order_values(chosen.allowed, &context);
    Some(ParameterPlan { actuator, context, values })
}

/// The refusal; with what helps where the user named the parameter, else with the change that brought it up.
fn why_not_tunable(request: &CandidateRequest, wanted: &RequestedParameter, refusal: &TuningError) -> String {
    let changes = changed_since_baseline(request);
    match changes.iter().find(|(name, ..)| request.parameters.is_empty() && *name == wanted.name) {
        Some((_, was, now)) => format!("changed since the baseline ({was} -> {now}), but {refusal}"),
        None => format!("{refusal}; {}", refusal.remedy()),
    }
}

/// Says of a value that the order leaves out why it does.
fn refuse_pointless(
    name: &ParameterName,
    value: &ParameterValue,
    context: &OrderContext,
    refused: &mut Vec<RefusedCandidate>,
) {
    let set: ParameterSet = [(name.clone(), value.clone())].into();
    if context.incumbent.as_ref() == Some(value) {
        leave_out(
            refused,
            set,
            RefusalReason::MeasuredAsIncumbent,
            format!("{name} is {value} now, and measured first"),
        );
    } else if context.is_hopeless(value) {
        let now = context.incumbent.as_ref().map_or_else(String::new, ToString::to_string);
        let message = format!("memory is over-committed at {name} {now}: {value} can only fail");
        leave_out(refused, set, RefusalReason::CanOnlyFail, message);
    }
}

/// What healthy runs had, where it is another value than the incumbent's.
fn healthy_value(
    request: &CandidateRequest,
    actuator: &Actuator,
    incumbent: Option<&ParameterValue>,
    refused: &mut Vec<RefusedCandidate>,
) -> Option<ParameterValue> {
    let healthy = request.healthy.as_ref()?;
    let was = actuator.value_in(healthy);
    if was.is_none() && request.environment.configuration.contains_key(actuator.name) {
        let message = format!(
            "healthy runs did not set {}; the engine's default depends on the card or the model and can't be tried by name",
            actuator.name
        );
        leave_out(refused, ParameterSet::new(), RefusalReason::HealthyValueUnset, message);
    }
    was.filter(|was| Some(was) != incumbent)
}

#[cfg(test)]
mod tests;
