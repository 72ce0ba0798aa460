//! The answer itself: count, flag, gates, candidates.

use jiff::{SignedDuration, Timestamp};

use super::{CurrentRun, CyclePolicy, Permission, run::flags_of_run};
use crate::{
    policy::{
        CanaryFacts, CanaryRequest, Flag, FlagState, GateInputs, GateReport, Ledger, PolicyFinding, Spend, StartInputs,
        StartPermit, StartRefusal, Suspension, SymptomCount, TargetClaims, check_phase_fits_window, count_symptoms,
        decide_flag, decide_start, evaluate_gates, reservation::GRACES_PER_POD,
    },
    prelude::*,
    tuning::{
        BudgetPrediction, CandidatePlan, CandidateRequest, Cause, DeniedCandidate, PredictionError, PredictionRequest,
        RequestedParameter, RequestedValues,
        measuring::{canary_warmup, closing},
        plan_candidates, predict_budget,
    },
    value::{Environment, RunFacts},
};

/// What is known of a target at an instant.
#[derive(Debug, Clone, Copy)]
pub struct CycleFacts<'a> {
    /// Its judged runs, in any order.
    pub runs: &'a [RunFacts],
    /// The flags as they stood before.
    pub flags_before: &'a [Flag],
    /// What was folded.
    pub ledger: &'a Ledger,
    /// Its canaries that exist.
    pub canaries: &'a [CanaryFacts],
    /// What else lays claim to it.
    pub claims: &'a TargetClaims,
    /// The kill switch.
    pub suspension: Option<&'a Suspension>,
    /// What it runs on and with now.
    pub environment: &'a Environment,
    /// The configuration that its healthy runs had; absent without a baseline.
    pub healthy: Option<&'a BTreeMap<String, String>>,
    /// Candidates that failed in production.
    pub denied: &'a [DeniedCandidate],
    /// How long its engines took to start, in the runs that are kept.
    pub engine_starts: &'a [SignedDuration],
    /// The tuning run that is to go on; `None`: one may begin.
    pub current: Option<CurrentRun<'a>>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CycleDecision {
    /// How often each symptom was seen, in the order of the rules.
    pub counts: Vec<SymptomCount>,
    /// Where each flag stands, in the order of the rules.
    pub flags: Vec<Flag>,
    /// Where the gates stand.
    pub gates: GateReport,
    /// What would be tried, in which order; absent while no flag permits anything.
    pub candidates: Option<CandidatePlan>,
    /// What a whole night's budgets will hold, or why nothing useful would come of beginning; absent while no flag
    /// permits anything.
    #[serde(skip)]
    pub prediction: Option<Result<BudgetPrediction, PredictionError>>,
    /// What permits canaries: the armed flags, or those under which the current run began.
    #[serde(skip)]
    pub permission: Option<Permission>,
    /// Leave to make the next canary, or why none may be made.
    #[serde(skip)]
    pub start: Result<StartPermit, StartRefusal>,
    /// What is wrong with the policy, or will keep it from acting.
    pub findings: Vec<PolicyFinding>,
}

/// Decides at an instant.
///
/// Candidates are planned as soon as a flag is armed, whether or not the gates are open: people see what waits. Only
/// `start` permits anything to begin. A run that goes on has its candidates, its permission and its gates for itself.
pub fn decide_cycle(policy: &CyclePolicy, facts: &CycleFacts<'_>, now: Timestamp) -> CycleDecision {
    let period = policy.schedule.period();
    let consumed = facts.ledger.consumed_runs(facts.canaries);
    let (mut counts, mut flags, mut findings) = (Vec::new(), Vec::new(), policy.findings());
    for rule in &policy.rules {
        let count = count_symptoms(&rule.counting_rule(period, policy.run_timeout), facts.runs, &consumed, now);
        let before = facts.flags_before.iter().find(|flag| flag.symptom == rule.symptom);
        let flag = decide_flag(rule, &count, &consumed, &policy.safety.windows, before, now);
        // Of a flag that expired unused it is told as well, for as long as the flag shows it: that is when people ask.
        let is_of_note = flag.permits(now) || flag.state == FlagState::Expired;
        if let Some(armed_at) = flag.armed_at.filter(|_| is_of_note) {
            findings.extend(check_phase_fits_window(rule, &policy.safety.windows, armed_at));
        }
        counts.push(count);
        flags.push(flag);
    }
    let begun = facts.current.map(|run| flags_of_run(policy, facts.runs, &run));
    let permitting: Vec<&Flag> = begun
        .as_ref()
        .map_or_else(|| flags.iter().filter(|flag| flag.permits(now)).collect(), |flags| flags.iter().collect());
    let request = request_of(&policy.canary, facts.engine_starts);
    let gates = GateInputs {
        safety: &policy.safety,
        ledger: facts.ledger,
        canaries: facts.canaries,
        need: need(&request, facts.current.is_some()),
        current_cycle: facts.current.map(|run| run.cycle),
        claims: facts.claims,
        suspension: facts.suspension,
    };
    let permission = Permission::of(&permitting, facts.current.map(|run| run.symptom));
    let permitted_until = permission.as_ref().map(|permission| permission.until);
    let start = decide_start(&StartInputs { permitted_until, gates: gates.clone(), request }, now);
    let is_permitted = !permitting.is_empty();
    let candidates = is_permitted.then(|| plan_candidates(&candidate_request(policy, facts, &permitting)));
    let prediction = is_permitted.then(|| predict_budget(&prediction_request(policy, facts.engine_starts)));
    let gates = evaluate_gates(&gates, now);
    CycleDecision { counts, flags, gates, candidates, prediction, permission, start, findings }
}

/// What a night's whole budgets hold: the gates see to what is left of them.
fn prediction_request(policy: &CyclePolicy, engine_starts: &[SignedDuration]) -> PredictionRequest {
    PredictionRequest {
        starts_seen: engine_starts.to_vec(),
        start_timeout: policy.canary.start_timeout,
        measure: policy.canary.measure,
        warmup: canary_warmup(policy.canary.measure),
        closing: closing(policy.canary.measure, policy.load.answer_limit),
        // A reservation holds both graces of a pod, so the prediction does as well.
        grace: policy.canary.grace.saturating_mul(GRACES_PER_POD),
        gpus: u64::from(policy.canary.gpus.get()),
        measure_left: policy.safety.budget.measure,
        hold_left: policy.safety.budget.hold,
        rate_per_second: policy.load.rate_per_second,
        requests_max: policy.load.requests_max,
        samples_min: policy.load.samples_min,
        max_candidates: policy.max_candidates as u64,
    }
}

/// What one canary asks for, with a start as slow as the slowest that was seen.
fn request_of(canary: &CanaryRequest, engine_starts: &[SignedDuration]) -> CanaryRequest {
    let seen = engine_starts.iter().copied().max().unwrap_or_default();
    CanaryRequest { start_expected: canary.start_expected.max(seen), ..*canary }
}

/// The least that must be left of both budgets: to begin a tuning run, the incumbent and one candidate; to go on, one
/// canary.
fn need(request: &CanaryRequest, goes_on: bool) -> Spend {
    let one = request.least_spend();
    if goes_on { one } else { one.plus(one) }
}

fn candidate_request(policy: &CyclePolicy, facts: &CycleFacts<'_>, armed: &[&Flag]) -> CandidateRequest {
    CandidateRequest {
        causes: causes_of(facts.runs, armed),
        parameters: parameters_for(policy, armed),
        environment: facts.environment.clone(),
        healthy: facts.healthy.cloned(),
        admin: policy.admin.clone(),
        denied: facts.denied.to_vec(),
        max_candidates: policy.max_candidates,
        strategy: policy.strategy,
    }
}

/// What the runs behind the armed flags found, each kind with each diagnosis.
fn causes_of(runs: &[RunFacts], armed: &[&Flag]) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    for flag in armed {
        let evidence = flag.evidence_uids();
        let symptoms = runs.iter().filter(|run| evidence.contains(&run.uid)).flat_map(|run| &run.symptoms);
        for symptom in symptoms.filter(|symptom| symptom.kind == flag.symptom) {
            let cause = Cause { symptom: symptom.kind, diagnosis: symptom.diagnosis };
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
    }
    causes
}

/// What may be tuned for the armed symptoms: where every one of them names its parameters, those; else all of the
/// policy's. A name without values of its own takes the catalogue's.
fn parameters_for(policy: &CyclePolicy, armed: &[&Flag]) -> Vec<RequestedParameter> {
    let mut wanted = Vec::new();
    for flag in armed {
        match policy.rule_parameters.get(&flag.symptom).filter(|names| !names.is_empty()) {
            Some(names) => wanted.extend(names),
            None => return policy.parameters.clone(),
        }
    }
    let mut parameters: Vec<RequestedParameter> = Vec::new();
    for name in wanted {
        if parameters.iter().any(|parameter| parameter.name == *name) {
            continue;
        }
        let listed = policy.parameters.iter().find(|parameter| parameter.name == *name).cloned();
        parameters.push(
            listed.unwrap_or_else(|| RequestedParameter { name: name.clone(), values: RequestedValues::Catalogue }),
        );
    }
    parameters
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
