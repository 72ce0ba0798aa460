//! The end of a tuning run: a promotion, or nothing and why.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    cycle::TuningReason,
    plan::{
        OwnKind, OwnObject, OwnedField,
        name::promotion_name,
        record::{NewPromotion, Selection},
    },
    policy::StartRefusal,
    promotion::{ApprovalMode, Delivery as CoreDelivery, PromotionTerms},
    schedule::later_by,
    tuning::{
        CandidatePlan, Fitness, RefusalReason, SearchEnd, TrialResult, WinnerDecision, WinnerTerms, decide_winner,
        search::SearchEndReason, winner::WinnerReason,
    },
    value::{Decimal, ParameterSet, RunFacts, SymptomKind, Uid},
};

use super::{TargetBasis, ValidEscalation, basis::Basis, load::raised_by, run::TuningRun, search::MeasuredTrial};
use crate::{
    api::{
        Promotion,
        escalation::{
            Approval, Delivery,
            status::{TuningOutcome, UntriedCandidate},
        },
        phase_run::measured::cut,
    },
    delivery::config_map::split_fields,
};

/// Characters of an outcome's sentence.
const MESSAGE_LENGTH_MAX: usize = 1024;
/// Characters of an untried candidate's sentence.
const UNTRIED_LENGTH_MAX: usize = 256;
/// Untried candidates that an outcome lists.
const UNTRIED_MAX: usize = 32;

/// How a tuning run ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conclusion {
    /// What is told of it.
    pub(super) outcome: TuningOutcome,
    /// The promotion to make; absent where there is none, or where it is made already.
    pub(super) promotion: Option<Box<NewPromotion>>,
}

impl Conclusion {
    fn nothing(outcome: TuningOutcome) -> Self {
        Self { outcome, promotion: None }
    }
}

/// What is told of a run that ended for this reason, with nothing promoted.
fn outcome_of(run: &TuningRun<'_>, reason: &str, message: &str) -> TuningOutcome {
    TuningOutcome {
        cycle: run.cycle.to_owned(),
        symptom: run.symptom(),
        night: run.last.spec.night.clone(),
        ended_at: run.ended_at(),
        reason: reason.to_owned(),
        message: cut(message, MESSAGE_LENGTH_MAX),
        search_ended: None,
        winner: None,
        promotion_name: None,
        candidates_tried: i64::try_from(run.candidates().count()).unwrap_or(i64::MAX),
        untried: Vec::new(),
    }
}

/// The end of a run that was broken off.
pub(super) fn broken_off(run: &TuningRun<'_>, reason: TuningReason, message: &str) -> Conclusion {
    Conclusion::nothing(outcome_of(run, reason.name(), message))
}

/// The end of a run whose promotion exists. It is told as whoever made the promotion would have: what was tried is not
/// judged a second time.
pub(super) fn promoted(run: &TuningRun<'_>, promotion: &Promotion) -> Conclusion {
    let name = promotion.name_any();
    let mut outcome = match &promotion.spec.selection {
        None => outcome_of(run, TuningReason::Promoted.name(), &format!("promotion {name}")),
        Some(selection) => TuningOutcome {
            search_ended: selection.search_ended.clone(),
            candidates_tried: selection.candidates_tried,
            untried: selection.untried.clone(),
            ..outcome_of(run, &selection.reason, &selection.message)
        },
    };
    outcome.winner = Some(promotion.spec.parameters.clone());
    outcome.promotion_name = Some(name);
    Conclusion::nothing(outcome)
}

/// A search that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedSearch<'a> {
    /// What was planned.
    pub(super) plan: &'a CandidatePlan,
    /// Why it is over.
    pub(super) end: &'a SearchEnd,
    /// Why no further canary could be made, where that ended it.
    pub(super) refusal: Option<&'a StartRefusal>,
}

impl EndedSearch<'_> {
    /// What is told besides of a search that had no room to go on: how far it came, and what was in its way.
    fn ended_early(&self, trials: &[MeasuredTrial<'_>]) -> Option<String> {
        let no_room = matches!(self.end.reason, SearchEndReason::OutOfTime | SearchEndReason::BudgetSpent);
        let refusal = self.refusal.filter(|_| no_room)?;
        let tried = tried(trials);
        let planned = tried + self.end.untried.len();
        Some(format!("; concluded with {tried} of {planned} candidates: {}", refusal.message))
    }
}

/// Candidates among the trials.
fn tried(trials: &[MeasuredTrial<'_>]) -> usize {
    trials.iter().filter(|trial| !trial.result.parameters.is_empty()).count()
}

/// The end of a run whose search is over.
pub(super) fn conclude(
    valid: &ValidEscalation,
    basis: &Basis,
    run: &TuningRun<'_>,
    search: &EndedSearch<'_>,
    trials: &[MeasuredTrial<'_>],
    now: Timestamp,
) -> Conclusion {
    let EndedSearch { plan, end, .. } = *search;
    let told = |reason: &str, message: &str| with_search(outcome_of(run, reason, message), plan, end, trials);
    if end.reason == SearchEndReason::Aborted {
        let aborted = trials
            .iter()
            .rev()
            .find(|trial| trial.result.judgement.verdict == phaseloop_core::tuning::TrialVerdict::Aborted);
        let name = aborted.map(|trial| trial.canary.name_any()).unwrap_or_default();
        let why = aborted.and_then(|trial| trial.canary.status.as_ref()?.messages.first().cloned()).unwrap_or_default();
        return Conclusion::nothing(told(end.reason.name(), &format!("canary {name}: {why}")));
    }
    let mut decision = decide(valid, trials);
    decision.message.extend(search.ended_early(trials));
    let Some(winner) = decision.winner.clone() else {
        let reason = why_nothing(&decision, end);
        return Conclusion::nothing(told(reason, &decision.message));
    };
    let best = trials.iter().rev().find(|trial| trial.result.parameters == winner);
    let delivered = TuningOutcome { winner: Some(winner.clone()), ..told(decision.reason.name(), &decision.message) };
    let (Some(best), Some(target)) = (best, basis.target.as_ref()) else {
        return Conclusion::nothing(delivered);
    };
    if valid.object.spec.promotion.delivery == Delivery::None {
        let reason = TuningReason::WinnerNamed.name().to_owned();
        return Conclusion::nothing(TuningOutcome { reason, ..delivered });
    }
    match terms(valid, basis, run, target, &winner, now) {
        Err((reason, message)) => {
            let (reason, message) = (reason.name().to_owned(), cut(&message, MESSAGE_LENGTH_MAX));
            Conclusion::nothing(TuningOutcome { reason, message, ..delivered })
        }
        Ok(terms) => {
            let name = promotion_name(&basis.reference, run.cycle);
            let promotion = NewPromotion {
                name: name.clone(),
                escalation: valid.identity(),
                canary: OwnObject::new(
                    OwnKind::TuningCanary,
                    best.canary.name_any(),
                    Uid::new(best.canary.uid().unwrap_or_default()),
                ),
                cycle: run.cycle.to_owned(),
                fitness: best.result.judgement.fitness.map_or(Decimal::ZERO, share),
                selection: selection(&delivered),
                terms,
            };
            let outcome = TuningOutcome { promotion_name: Some(name), ..delivered };
            Conclusion { outcome, promotion: Some(Box::new(promotion)) }
        }
    }
}

/// The incumbent of this run against every candidate; a run without a valid incumbent has nothing to compare with.
fn decide(valid: &ValidEscalation, trials: &[MeasuredTrial<'_>]) -> WinnerDecision {
    let search = &valid.object.spec.search;
    let terms = WinnerTerms { minimum_gain: search.minimum_gain, minimum_fitness: search.minimum_fitness };
    let results = || trials.iter().map(|trial| &trial.result);
    let candidates: Vec<TrialResult> = results().filter(|result| !result.parameters.is_empty()).cloned().collect();
    let incumbent = trials.iter().map(|trial| &trial.result).rfind(|result| result.parameters.is_empty());
    match incumbent {
        Some(incumbent) => decide_winner(incumbent, &candidates, &terms),
        None => WinnerDecision {
            winner: None,
            reason: WinnerReason::IncumbentNotMeasured,
            message: "the incumbent was not measured: nothing to compare with".to_owned(),
            ranking: phaseloop_core::tuning::rank_trials(&[]),
        },
    }
}

/// Where nothing was tried at all, the reason is that of the search.
fn why_nothing(decision: &WinnerDecision, end: &SearchEnd) -> &'static str {
    let nothing_tried = decision.reason == WinnerReason::NoCandidatePassed && decision.ranking.trials.is_empty();
    match end.reason {
        SearchEndReason::NothingPlanned => end.reason.name(),
        SearchEndReason::BudgetSpent | SearchEndReason::OutOfTime | SearchEndReason::InfrastructureFailing
            if nothing_tried =>
        {
            end.reason.name()
        }
        _ => decision.reason.name(),
    }
}

/// With what was planned and not tried, and what was not even planned because it failed in production before.
fn with_search(
    outcome: TuningOutcome,
    plan: &CandidatePlan,
    end: &SearchEnd,
    trials: &[MeasuredTrial<'_>],
) -> TuningOutcome {
    let tried = tried(trials);
    let denied = plan.refused.iter().filter(|refused| refused.reason == RefusalReason::Denied);
    let denied = denied.map(|refused| (&refused.parameters, format!("not tried: {}", refused.message)));
    let untried = denied.chain(end.untried.iter().map(|untried| (&untried.parameters, untried.message.clone())));
    let untried = untried.take(UNTRIED_MAX).map(|(parameters, message)| UntriedCandidate {
        parameters: parameters.clone(),
        message: cut(&message, UNTRIED_LENGTH_MAX),
    });
    TuningOutcome {
        search_ended: Some(end.reason.name().to_owned()),
        candidates_tried: i64::try_from(tried).unwrap_or(i64::MAX),
        untried: untried.collect(),
        ..outcome
    }
}

/// What of a run's outcome its promotion keeps.
fn selection(outcome: &TuningOutcome) -> Selection {
    let untried = outcome.untried.iter().map(|untried| (untried.parameters.clone(), untried.message.clone()));
    Selection {
        reason: outcome.reason.clone(),
        message: outcome.message.clone(),
        search_ended: outcome.search_ended.clone(),
        candidates_tried: outcome.candidates_tried,
        untried: untried.collect(),
    }
}

/// A fitness as a decimal, cut to millionths.
fn share(fitness: Fitness) -> Decimal {
    const MILLION: u128 = 1_000_000;
    let millionths = u128::from(fitness.met()) * MILLION / u128::from(fitness.offered().max(1));
    Decimal::from_millionths(i64::try_from(millionths).unwrap_or(i64::MAX))
}

/// The domains that showed the symptom, each with the load under which it did.
fn domains_of(run: &RunFacts, symptom: SymptomKind) -> BTreeMap<String, String> {
    let showed = run.symptoms.iter().filter(|found| found.kind == symptom).map(|found| found.domain.as_str());
    showed.filter_map(|domain| Some((domain.to_owned(), run.workloads.get(domain)?.clone()))).collect()
}

/// What the promotion fixes for good.
fn terms(
    valid: &ValidEscalation,
    basis: &Basis,
    run: &TuningRun<'_>,
    target: &TargetBasis,
    winner: &ParameterSet,
    now: Timestamp,
) -> Result<PromotionTerms, (TuningReason, String)> {
    let policy = &valid.object.spec.promotion;
    let Some(raised) = raised_by(&basis.run_facts, &run.consumes(), run.symptom()) else {
        return Err((TuningReason::EvidenceGone, TuningReason::EvidenceGone.meaning().to_owned()));
    };
    let domains = domains_of(raised.run, run.symptom());
    if domains.is_empty() {
        let message = format!("run {} covered no domain validly that showed the symptom", raised.run.name);
        return Err((TuningReason::EvidenceGone, message));
    }
    let fields: Result<Vec<OwnedField>, _> = winner
        .iter()
        .map(|(name, value)| target.owned_field(&valid.object, valid.policy.policy(), name, value))
        .collect();
    let split = fields.and_then(|fields| split_fields(fields, &target.facts.template, &target.facts.config_maps));
    let (owned_fields, config_map) = split.map_err(|error| (TuningReason::WinnerNotSettable, error.to_string()))?;
    Ok(PromotionTerms {
        target: basis.reference.clone(),
        target_uid: target.uid.clone(),
        template_hash: target.template_hash.clone(),
        parameters: winner.clone(),
        owned_fields,
        config_map,
        annotation_before: target.promotion.clone(),
        symptom: run.symptom(),
        domains,
        delivery: if policy.delivery == Delivery::Git { CoreDelivery::Git } else { CoreDelivery::Patch },
        approval: match policy.approval {
            Approval::Automatic => ApprovalMode::Automatic,
            Approval::Manual => ApprovalMode::Manual,
        },
        allow_managed: policy.allow_managed,
        allow_downtime: policy.allow_downtime,
        rollout_timeout: policy.rollout_timeout.into(),
        validate_by: later_by(now, policy.validate_within.into()),
    })
}
