//! What an Escalation does at an instant: counts, and at most one step of one tuning run.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    cycle::{CycleDecision, Permission, TuningReason},
    plan::{
        Intent, Plan, Wake,
        name::canary_name,
        record::{BudgetShare, CanaryRole, NewCanary, Notice, NoticeSeverity},
        target::ReplicaBorrow,
    },
    policy::{CONCLUSION_TIME, FlagReason, FlagState, GateReason, StartPermit, StartReason, SymptomCount},
    schedule::{earlier_by, later_by},
    tuning::{Candidate, NextTrial, SearchLimits, next_trial},
};

use super::{
    Basis, Standing, TargetBasis, ValidEscalation,
    borrow::{
        BeforeCanary, before_canary, borrow_intents, keeps_replica, lasting_objection, settle, told_objection,
        told_scaling,
    },
    conclude::{Conclusion, EndedSearch, broken_off, conclude, promoted},
    flag::{message, newly_expired},
    load::canary_load,
    prune::prunings,
    run::TuningRun,
    search::{NextStep, next_step},
    status,
};
use crate::{
    api::{EscalationStatus, escalation::status::FlagState as WireFlagState},
    cluster::{ClusterError, ClusterErrorKind, Effect},
    controllers::Report,
};

/// How soon what the cluster refused is tried again.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_mins(1);

type EscalationPlan = Plan<Report<EscalationStatus>>;

/// Where tuning stands, and the one step that is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TuningStep {
    /// No tuning run goes on, and none begins.
    Idle {
        /// The typed reason's name.
        reason: &'static str,
        /// The same with figures.
        message: String,
    },
    /// A tuning run goes on, and nothing is done for it now.
    Going {
        /// The typed reason's name.
        reason: &'static str,
        /// The same with figures.
        message: String,
    },
    /// A canary is made: the incumbent begins a run.
    Make(Box<NewCanary>),
    /// A replica is borrowed before this canary is made; without a request, our finalizer is put on before it.
    Borrow(Box<NewCanary>, Option<Box<ReplicaBorrow>>),
    /// A tuning run has ended.
    Ended(Box<Conclusion>),
}

/// Decides.
pub(super) fn decide(valid: &ValidEscalation, now: Timestamp) -> EscalationPlan {
    if valid.object.metadata.deletion_timestamp.is_some() {
        let settling = settle(valid, false, now);
        let wake = if settling.is_fencing() { Wake::At(now) } else { Wake::OnChange };
        return Plan { remember: None, intents: settling.intents, report: status::unchanged(valid), wake };
    }
    match &valid.standing {
        // What mends it is a change of another object, which wakes this one; the look in between costs little.
        Standing::Stalled { reason, message } => {
            let settling = settle(valid, false, now);
            let wake = if settling.is_fencing() { Wake::At(now) } else { Wake::poll() };
            let report = status::stalled(valid, reason, message);
            Plan { remember: None, intents: settling.intents, report, wake }
        }
        Standing::Working(basis) => working(valid, basis, now),
    }
}

fn working(valid: &ValidEscalation, basis: &Basis, now: Timestamp) -> EscalationPlan {
    let latest = unconcluded(valid, basis);
    let open = latest.as_ref().filter(|run| is_open(basis, run, now));
    let decision = basis.decide(&valid.object, open, now);
    let step = match &latest {
        Some(run) => go_on(valid, basis, run, &decision, now),
        None => begin(valid, basis, &decision, now),
    };
    let step = with_replica(valid, step, latest.is_some(), now);
    let settling = settle(valid, keeps_replica(&step, latest.as_ref(), &decision, now), now);
    let is_fencing = settling.is_fencing();
    let (mut intents, mut tail) = (Vec::new(), Vec::new());
    for intent in settling.intents {
        let is_last = matches!(intent, Intent::RemoveFinalizer(_) | Intent::RecordEvent(_));
        if is_last { tail.push(intent) } else { intents.push(intent) }
    }
    let mut borrowed = settling.borrowed;
    match &step {
        TuningStep::Make(canary) => intents.push(Intent::CreateCanary(canary.clone())),
        TuningStep::Ended(conclusion) => {
            intents.extend(conclusion.promotion.clone().map(Intent::CreatePromotion));
        }
        TuningStep::Borrow(_, borrow) => {
            let (asked, asking) = borrow_intents(valid, borrow.as_deref());
            borrowed = asked.or(borrowed);
            intents.extend(asking);
        }
        TuningStep::Idle { .. } | TuningStep::Going { .. } => {}
    }
    intents.extend(prunings(basis, now));
    intents.extend(tail);
    intents.extend(notices(valid, &decision, &step));
    let report = status::working(valid, basis, open, &decision, &step, borrowed, now);
    let remember = match &step {
        TuningStep::Make(_) => status::before_canary(valid, &report),
        TuningStep::Borrow(_, Some(_)) => Some(report.clone()),
        _ => None,
    };
    let wake = if is_fencing { Wake::At(now) } else { wake(basis, &decision, &step, now) };
    Plan { remember, intents, report, wake }
}

/// A canary of an Escalation that borrows is made once a replica was.
fn with_replica(valid: &ValidEscalation, step: TuningStep, is_going: bool, now: Timestamp) -> TuningStep {
    let TuningStep::Make(canary) = step else { return step };
    match before_canary(valid, now) {
        BeforeCanary::Nothing => TuningStep::Make(canary),
        BeforeCanary::Finalizer => TuningStep::Borrow(canary, None),
        BeforeCanary::Ask(borrow) => TuningStep::Borrow(canary, Some(borrow)),
        BeforeCanary::Refused(objection) => {
            let (reason, message) = told_objection(&objection);
            if is_going { TuningStep::Going { reason, message } } else { TuningStep::Idle { reason, message } }
        }
    }
}

/// The tuning run that was begun last, until what it came to has been told.
fn unconcluded<'a>(valid: &ValidEscalation, basis: &'a Basis) -> Option<TuningRun<'a>> {
    basis.latest_run().filter(|run| !is_concluded(valid, run))
}

/// Whether what a run came to has been told.
fn is_concluded(valid: &ValidEscalation, run: &TuningRun<'_>) -> bool {
    let last = valid.object.status.as_ref().and_then(|status| status.last_tuning.as_ref());
    last.is_some_and(|last| last.cycle == run.cycle) && run.going().is_none()
}

/// Whether a run that was not concluded is to go on: it has no promotion, and its night is not over.
fn is_open(basis: &Basis, run: &TuningRun<'_>, now: Timestamp) -> bool {
    basis.promotion_of(run.cycle).is_none() && (run.going().is_some() || !is_night_over(basis, run, now))
}

/// Whether the night of a run's last canary is over.
fn is_night_over(basis: &Basis, run: &TuningRun<'_>, now: Timestamp) -> bool {
    let windows = &basis.policy.safety.windows;
    let zone = crate::validate::windows_zone(windows);
    let night = crate::api::escalation::ledger::night_id(&run.last.spec.night, &zone);
    night.and_then(|night| windows.night_closes_at(&night)).is_none_or(|closes_at| now >= closes_at)
}

/// The next step of a run that was begun and not concluded.
fn go_on(
    valid: &ValidEscalation,
    basis: &Basis,
    run: &TuningRun<'_>,
    decision: &CycleDecision,
    now: Timestamp,
) -> TuningStep {
    let ended = |conclusion: Conclusion| TuningStep::Ended(Box::new(conclusion));
    let going = |reason: &'static str, message: String| TuningStep::Going { reason, message };
    if let Some(promotion) = basis.promotion_of(run.cycle) {
        return ended(promoted(run, promotion));
    }
    if let Some(canary) = run.going() {
        let (phase, name) = (canary.status.as_ref().and_then(|status| status.phase), canary.name_any());
        let phase = phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"));
        return going(TuningReason::Measuring.name(), format!("canary {name} is {phase}"));
    }
    if is_night_over(basis, run, now) {
        let message = format!("the night {} is over", run.last.spec.night);
        return ended(broken_off(run, TuningReason::WindowClosed, &message));
    }
    if !basis.policy.safety.windows.is_open(now) {
        return going(StartReason::GateClosed.name(), "the window is closed, and opens again this night".to_owned());
    }
    if let Some(message) = target_change(basis, run) {
        return ended(broken_off(run, TuningReason::TargetChanged, &message));
    }
    if run.incumbent().is_none() {
        let reason = TuningReason::IncumbentGone;
        return ended(broken_off(run, reason, reason.meaning()));
    }
    let Some(plan) = decision.candidates.as_ref().filter(|_| decision.permission.is_some()) else {
        let reason = TuningReason::EvidenceGone;
        return ended(broken_off(run, reason, reason.meaning()));
    };
    match next_step(&valid.object, basis, run, decision, plan, now) {
        NextStep::Wait { reason, message } => going(reason, message),
        NextStep::Done { end, trials } => {
            let search = EndedSearch { plan, end: &end, refusal: decision.start.as_ref().err() };
            ended(conclude(valid, basis, run, &search, &trials, now))
        }
        NextStep::Canary(candidate, permit) => match (&basis.target, &basis.active_run) {
            (_, Some(active)) => {
                going(TuningReason::PhaseRunActive.name(), format!("PhaseRun {active} tests the target"))
            }
            (Some(target), None) => {
                let consumes = if candidate.is_none() { run.consumes().into_iter().collect() } else { Vec::new() };
                let canary = Making { valid, basis, target, cycle: run.cycle, symptom: run.symptom(), consumes };
                TuningStep::Make(Box::new(canary.canary(candidate, &permit)))
            }
            (None, None) => ended(broken_off(run, TuningReason::TargetChanged, "the target is gone")),
        },
    }
}

/// In what the target differs from the one that a run measures.
fn target_change(basis: &Basis, run: &TuningRun<'_>) -> Option<String> {
    let (spec, reference) = (&run.last.spec, &basis.reference);
    match &basis.target {
        None => Some(format!("there is no {reference}")),
        Some(target) if target.uid.as_str() != spec.target_uid => Some(format!("{reference} was made anew")),
        Some(target) if target.template_hash != spec.template_hash => {
            Some(format!("the pod template of {reference} was changed"))
        }
        Some(_) => None,
    }
}

/// What of the spec and the target keeps every tuning run from beginning, until somebody changes it.
pub(super) fn blocker(valid: &ValidEscalation, basis: &Basis) -> Option<(&'static str, String)> {
    if let Some(name) = &basis.claims.ruling_escalation {
        let message = format!("escalation {name} is older and rules {}", basis.reference);
        return Some((GateReason::OtherEscalationRules.name(), message));
    }
    let Some(target) = &basis.target else {
        return Some((TuningReason::TargetNotFound.name(), format!("there is no {}", basis.reference)));
    };
    if let Err(refusal) = &target.gpus {
        return Some((TuningReason::TemplateRefused.name(), format!("{}: {}", refusal.reason, refusal.message)));
    }
    lasting_objection(valid)
}

/// Whether a tuning run begins. The checks stand in the order in which they are told.
fn begin(valid: &ValidEscalation, basis: &Basis, decision: &CycleDecision, now: Timestamp) -> TuningStep {
    let idle = |reason: &'static str, message: String| TuningStep::Idle { reason, message };
    let Some(permission) = decision.permission.as_ref().filter(|permission| now < permission.until) else {
        return idle(TuningReason::Counting.name(), status::counted(decision));
    };
    let cycle = Basis::cycle_of(&permission.armed_by);
    if basis.was_begun(&cycle) {
        let message = format!("run {} has had its tuning run", permission.armed_by.name);
        return idle(TuningReason::AlreadyTuned.name(), message);
    }
    let armed = format!("{} armed until {}", permission.symptom.name(), permission.until);
    if let Some((reason, message)) = blocker(valid, basis).or_else(|| useless(valid, basis, decision, permission)) {
        return idle(reason, format!("{armed}; {message}"));
    }
    if let Some(active) = &basis.active_run {
        let message = format!("{armed}; PhaseRun {active} tests the target");
        return idle(TuningReason::PhaseRunActive.name(), message);
    }
    match (&decision.start, &basis.target) {
        (Ok(permit), Some(target)) => {
            let consumes = permission.consumes.iter().cloned().collect();
            let canary = Making { valid, basis, target, cycle: &cycle, symptom: permission.symptom, consumes };
            TuningStep::Make(Box::new(canary.canary(None, permit)))
        }
        (Err(refusal), _) if refusal.reason == StartReason::GateClosed => {
            idle(TuningReason::AwaitingGates.name(), format!("{armed}; {}", refusal.message))
        }
        (Err(refusal), _) => idle(refusal.reason.name(), format!("{armed}; {}", refusal.message)),
        (Ok(_), None) => idle(TuningReason::TargetNotFound.name(), format!("there is no {}", basis.reference)),
    }
}

/// Why nothing would come of beginning: there is nothing to try, no budget for it, or no load.
fn useless(
    valid: &ValidEscalation,
    basis: &Basis,
    decision: &CycleDecision,
    permission: &Permission,
) -> Option<(&'static str, String)> {
    let plan = decision.candidates.as_ref()?;
    if let Some(nothing) = plan.nothing {
        let refused = plan.refused.first().map(|refused| format!(": {}", refused.message)).unwrap_or_default();
        return Some((nothing.name(), format!("{}{refused}", nothing.meaning())));
    }
    if let Some(Err(refusal)) = &decision.prediction {
        return Some((refusal.reason.name(), refusal.message.clone()));
    }
    let load = canary_load(&valid.object, basis, &permission.consumes, permission.symptom);
    if let Err((reason, message)) = load {
        return Some((reason.name(), message));
    }
    let limits = SearchLimits { stop_after_failures: 1, trials_left: None, time_left: true };
    match next_trial(plan, &[], &limits) {
        NextTrial::Done(end) => Some((end.reason.name(), end.reason.meaning().to_owned())),
        NextTrial::TryIncumbent | NextTrial::Try(_) => None,
    }
}

/// A canary that is about to be made.
struct Making<'a> {
    valid: &'a ValidEscalation,
    basis: &'a Basis,
    target: &'a TargetBasis,
    cycle: &'a str,
    symptom: phaseloop_core::value::SymptomKind,
    consumes: Vec<phaseloop_core::value::Uid>,
}

impl Making<'_> {
    /// The canary of a candidate, or the incumbent's. Its name and its part of the budgets are those of the permit.
    fn canary(self, candidate: Option<Candidate>, permit: &StartPermit) -> NewCanary {
        let spend = permit.reservation.spend;
        NewCanary {
            name: canary_name(&self.basis.reference, permit.night.date, permit.attempt),
            escalation: self.valid.identity(),
            cycle: self.cycle.to_owned(),
            symptom: self.symptom,
            night: permit.night.date,
            attempt: permit.attempt,
            role: if candidate.is_some() { CanaryRole::Candidate } else { CanaryRole::Incumbent },
            parameters: candidate.map(|candidate| candidate.parameters).unwrap_or_default(),
            target: self.basis.reference.clone(),
            target_uid: self.target.uid.clone(),
            template_hash: self.target.template_hash.clone(),
            consumes: self.consumes,
            not_after: permit.reservation.not_after,
            reserved: BudgetShare { measure: whole(spend.measure), hold: whole(spend.hold) },
        }
    }
}

/// To the millisecond, as durations are written, and never more than was permitted.
fn whole(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// What people are told: a flag that was armed, a run that begins, a run that has ended.
fn notices(valid: &ValidEscalation, decision: &CycleDecision, step: &TuningStep) -> Vec<Intent> {
    let notice = |severity, reason: &'static str, note: String| {
        let identity = note.clone();
        Intent::RecordEvent(Notice { object: valid.identity(), severity, reason, note, identity })
    };
    let before = valid.object.status.iter().flat_map(|status| &status.flags);
    let was_armed: Vec<_> =
        before.filter(|flag| flag.state == WireFlagState::Armed).map(|flag| (flag.symptom, flag.armed_at)).collect();
    // By when it was armed: one that expired and was armed anew while nobody looked is told again.
    let newly_armed = decision
        .flags
        .iter()
        .zip(&decision.counts)
        .filter(|(flag, _)| flag.state == FlagState::Armed && !was_armed.contains(&(flag.symptom, flag.armed_at)));
    let armed = newly_armed.map(|(flag, count)| {
        let domains: Vec<String> = count.domains.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let note = format!("{}: {}; by domain: {}", flag.symptom.name(), flag.message(), domains.join(", "));
        notice(NoticeSeverity::Warning, FlagReason::ThresholdReached.name(), note)
    });
    let expired = newly_expired(valid, decision).map(|flag| {
        let note = format!("{}: {}", flag.symptom.name(), message(valid, flag));
        notice(NoticeSeverity::Warning, FlagReason::ExpiredUnused.name(), note)
    });
    let stepped = match step {
        TuningStep::Make(canary) => {
            let values: Vec<String> = canary.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let what = if values.is_empty() { "the incumbent".to_owned() } else { values.join(", ") };
            Some(notice(
                NoticeSeverity::Normal,
                TuningReason::MakingCanary.name(),
                format!("canary {} measures {what}", canary.name),
            ))
        }
        TuningStep::Ended(conclusion) => {
            let outcome = &conclusion.outcome;
            let note = format!("tuning run {}: {}: {}", outcome.cycle, outcome.reason, outcome.message);
            Some(notice(NoticeSeverity::Normal, TuningReason::RunEnded.name(), note))
        }
        TuningStep::Borrow(canary, Some(borrow)) => {
            Some(notice(NoticeSeverity::Normal, TuningReason::BorrowingReplica.name(), told_scaling(canary, borrow)))
        }
        TuningStep::Idle { .. } | TuningStep::Going { .. } | TuningStep::Borrow(_, None) => None,
    };
    armed.chain(expired).chain(stepped).collect()
}

/// When time alone changes something: the next expiry, opening or closing, or the next run that no longer counts.
fn wake(basis: &Basis, decision: &CycleDecision, step: &TuningStep, now: Timestamp) -> Wake {
    if matches!(step, TuningStep::Ended(_) | TuningStep::Borrow(..)) {
        return Wake::At(now);
    }
    let flags = decision.flags.iter().filter(|flag| flag.state == FlagState::Armed).filter_map(|flag| flag.expires_at);
    let gates = decision.gates.gates.iter().flat_map(|gate| [gate.opens_at, gate.changes_at]).flatten();
    let counts = decision.counts.iter().filter_map(SymptomCount::changes_at);
    let closes_at = basis.policy.safety.windows.closes_at(now);
    let waits = matches!(step, TuningStep::Going { .. });
    let latest = closes_at.filter(|_| waits).map(|closes_at| latest_begins(basis, closes_at));
    let windows = closes_at.into_iter().chain(latest.into_iter().flatten());
    let suspended = basis.suspension.as_ref().and_then(|suspension| suspension.until);
    let next = flags.chain(gates).chain(counts).chain(windows).chain(suspended).filter(|instant| *instant > now).min();
    next.map_or_else(Wake::poll, Wake::At)
}

/// From when on no canary fits any more before the window closes, by its longest life and by its shortest. A search that waits
/// for something else must be concluded then: after the window's end nothing is promoted.
fn latest_begins(basis: &Basis, closes_at: Timestamp) -> [Timestamp; 2] {
    let request = &basis.policy.canary;
    [request.lifetime_wanted(), request.lifetime_least()].map(|lifetime| {
        let latest = earlier_by(closes_at, lifetime.saturating_add(CONCLUSION_TIME));
        later_by(latest, SignedDuration::from_secs(1))
    })
}

/// What follows where the cluster refuses a canary or a promotion: it is told, and tried again. A name that is taken means
/// that the view was stale: the next look reads again.
pub(super) fn decide_refused(
    valid: &ValidEscalation,
    effect: &Effect,
    error: &ClusterError,
    now: Timestamp,
) -> Option<EscalationPlan> {
    // A patch of ours borrows a replica or gives it back: the next look tries again what is still to be done.
    let is_ours = matches!(effect, Effect::CreateCanary(_) | Effect::CreatePromotion(_) | Effect::PatchTarget { .. });
    let is_going = valid.object.metadata.deletion_timestamp.is_some();
    if !is_ours || is_going || error.kind == ClusterErrorKind::NameTaken {
        return None;
    }
    let basis = valid.basis()?;
    let latest = unconcluded(valid, basis);
    let open = latest.as_ref().filter(|run| is_open(basis, run, now));
    let decision = basis.decide(&valid.object, open, now);
    let report = status::refused(valid, basis, open, &decision, &error.chain(), now);
    Some(Plan::report_only(report, Wake::after(now, RETRY_REFUSED)))
}

#[cfg(test)]
#[path = "decide_tests/mod.rs"]
mod tests;
