//! The status of an Escalation.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    audit::EvidenceReference,
    cycle::{CycleDecision, TuningReason},
    plan::record::NewCanary,
    policy::{FindingReason, Flag, FlagState, GateName as CoreGateName, GateState},
    value::Uid,
};

use super::{
    Basis, ValidEscalation,
    borrow::told_borrow,
    decide::{TuningStep, blocker},
    ledger,
    run::TuningRun,
    search::progress,
    summary::summary,
};
use crate::{
    api::{
        EscalationStatus,
        condition::{Condition, ConditionStatus, ConditionType},
        escalation::status::{ActiveTuning, EscalationState, GateName, GateStatus},
        phase_run::{measured::cut, status::Borrowed},
    },
    controllers::{Report, condition},
};

crate::kind_status!(EscalationStatus, lives_on: true, state: |status| status.state.map(|state| format!("{state:?}")));

/// Characters of a gate's sentence.
const GATE_LENGTH_MAX: usize = 1024;
/// Characters of a condition's sentence.
const MESSAGE_LENGTH_MAX: usize = 4096;

/// What is durable before a canary is made: the armed flag on which it rests, and that tuning begins, so that whoever goes
/// on after a restart tells the beginning as it was. `None` where it is already.
pub(super) fn before_canary(
    valid: &ValidEscalation,
    report: &Report<EscalationStatus>,
) -> Option<Report<EscalationStatus>> {
    let status = valid.object.status.as_ref();
    let is_begun = status.is_some_and(|status| status.state == Some(EscalationState::Tuning));
    // The cluster refuses it, perhaps for hours: each try would tell a beginning that is none.
    let refused = TuningReason::ObjectRefused.name();
    let was_refused =
        status.is_some_and(|status| status.conditions.iter().any(|condition| condition.reason == refused));
    if !is_begun && !was_refused {
        return Some(report.clone());
    }
    let mut remembered = unchanged(valid);
    if remembered.status.flags == report.status.flags {
        return None;
    }
    remembered.status.flags.clone_from(&report.status.flags);
    Some(remembered)
}

/// Nothing new is said: the Escalation is going.
pub(super) fn unchanged(valid: &ValidEscalation) -> Report<EscalationStatus> {
    let mut status = valid.status();
    status.conditions.retain(|condition| !matches!(condition.type_, ConditionType::Foreign(_)));
    Report::new(status, TuningReason::Deleting.name(), TuningReason::Deleting.meaning())
}

/// Nothing can be decided: what stood there stands, and why.
pub(super) fn stalled(valid: &ValidEscalation, reason: &'static str, message: &str) -> Report<EscalationStatus> {
    let mut status = valid.status();
    status.state = Some(EscalationState::Stalled);
    status.tuning = None;
    status.summary = Some(super::summary::stalled(reason));
    let message = cut(message, MESSAGE_LENGTH_MAX);
    status.conditions = vec![
        condition(ConditionType::Ready, ConditionStatus::False, reason, &message),
        condition(ConditionType::Stalled, ConditionStatus::True, reason, &message),
        valid.policy.condition(),
    ];
    Report::new(status, reason, message)
}

/// Where everything stands after a look that could decide. `open` is the tuning run that goes on.
pub(super) fn working(
    valid: &ValidEscalation,
    basis: &Basis,
    open: Option<&TuningRun<'_>>,
    decision: &CycleDecision,
    step: &TuningStep,
    borrowed: Option<Borrowed>,
    now: Timestamp,
) -> Report<EscalationStatus> {
    let mut status = valid.status();
    status.flags = super::flag::flags(valid, decision);
    status.gates = gates(decision);
    status.all_gates_open_at = decision.gates.all_open_at.filter(|_| !decision.gates.all_open);
    status.ledger = Some(ledger::written(basis, now));
    status.denied.clone_from(&basis.denied);
    status.tuning = match step {
        TuningStep::Ended(_) => None,
        TuningStep::Make(canary) | TuningStep::Borrow(canary, _) if open.is_none() && borrowed.is_some() => {
            Some(beginning(canary, decision, borrowed, now))
        }
        _ => open.map(|run| ActiveTuning { borrowed, ..active(valid, basis, run, decision, now) }),
    };
    if let TuningStep::Ended(conclusion) = step {
        status.last_tuning = Some(conclusion.outcome.clone());
    }
    let blocked = blocker(valid, basis).or_else(|| prediction_refused(decision));
    let is_suspended = decision.gates.gates.iter().any(|gate| gate.name == CoreGateName::NotSuspended && !gate.open);
    let is_armed = decision.flags.iter().any(|flag| flag.permits(now));
    status.state = Some(if blocked.is_some() {
        EscalationState::Stalled
    } else if is_suspended {
        EscalationState::Suspended
    } else if status.tuning.is_some() || matches!(step, TuningStep::Make(_) | TuningStep::Borrow(..)) {
        EscalationState::Tuning
    } else if is_armed {
        EscalationState::Armed
    } else {
        EscalationState::Counting
    });
    let (reason, message) = told(step, &status);
    let stalled_by = blocked.as_ref().map(|(reason, _)| *reason);
    status.summary = Some(summary(basis, decision, step, &status, stalled_by));
    let is_going = matches!(step, TuningStep::Make(_) | TuningStep::Borrow(..) | TuningStep::Going { .. });
    status.conditions = conditions(valid, decision, blocked.as_ref(), is_going, (reason, &message));
    Report {
        cycle: cycle(step, open),
        evidence: evidence(basis, decision, step),
        ..Report::new(status, reason, message)
    }
}

/// The cluster refused what was to be made: everything else stands as it did. `open` is the tuning run that goes on.
pub(super) fn refused(
    valid: &ValidEscalation,
    basis: &Basis,
    open: Option<&TuningRun<'_>>,
    decision: &CycleDecision,
    answer: &str,
    now: Timestamp,
) -> Report<EscalationStatus> {
    let step = TuningStep::Going { reason: TuningReason::ObjectRefused.name(), message: answer.to_owned() };
    let tuning = valid.object.status.as_ref().and_then(|status| status.tuning.as_ref());
    let borrowed = tuning.and_then(|tuning| tuning.borrowed.clone());
    working(valid, basis, open, decision, &step, borrowed, now)
}

/// Engines, budgets or loads of which nothing useful would come: somebody has to set other values.
fn prediction_refused(decision: &CycleDecision) -> Option<(&'static str, String)> {
    let refusal = decision.prediction.as_ref()?.as_ref().err()?;
    Some((refusal.reason.name(), refusal.message.clone()))
}

/// Reason and sentence of where tuning stands. Once nothing goes on, what the last run came to is told beside it.
fn told(step: &TuningStep, status: &EscalationStatus) -> (&'static str, String) {
    let last = status
        .last_tuning
        .as_ref()
        .map(|last| format!("; tuning run {} ended {}: {}: {}", last.cycle, last.ended_at, last.reason, last.message));
    match step {
        TuningStep::Idle { reason, message } => (reason, format!("{message}{}", last.unwrap_or_default())),
        TuningStep::Going { reason, message } => (reason, message.clone()),
        TuningStep::Make(canary) => {
            (TuningReason::MakingCanary.name(), format!("canary {} is being made", canary.name))
        }
        TuningStep::Borrow(canary, _) => (TuningReason::BorrowingReplica.name(), told_borrow(canary)),
        TuningStep::Ended(conclusion) => {
            let outcome = &conclusion.outcome;
            (
                TuningReason::RunEnded.name(),
                format!("tuning run {}: {}: {}", outcome.cycle, outcome.reason, outcome.message),
            )
        }
    }
}

/// What counts now, in one line.
pub(super) fn counted(decision: &CycleDecision) -> String {
    let of_note = |flag: &&Flag| flag.count > 0 || matches!(flag.state, FlagState::Armed);
    let flags: Vec<String> = decision
        .flags
        .iter()
        .filter(of_note)
        .map(|flag| format!("{} {}", flag.symptom.name(), flag.message()))
        .collect();
    if flags.is_empty() { "no symptom counts".to_owned() } else { flags.join("; ") }
}

/// The gates as they are shown: the two of the budgets are one.
fn gates(decision: &CycleDecision) -> Vec<GateStatus> {
    const NAMES: [(GateName, &str); 6] = [
        (GateName::WindowOpen, "WindowOpen"),
        (GateName::BudgetAvailable, "BudgetAvailable"),
        (GateName::CooldownElapsed, "CooldownElapsed"),
        (GateName::RateAvailable, "RateAvailable"),
        (GateName::TargetFree, "TargetFree"),
        (GateName::NotSuspended, "NotSuspended"),
    ];
    let of = |condition: &str| -> Vec<&GateState> {
        decision.gates.gates.iter().filter(|gate| gate.name.condition() == condition).collect()
    };
    let shown = |(name, condition): &(GateName, &str)| {
        let states = of(condition);
        let decisive = states.iter().find(|gate| !gate.open).or_else(|| states.first())?;
        let messages: Vec<&str> = states.iter().map(|gate| gate.message.as_str()).collect();
        let closed = || states.iter().filter(|gate| !gate.open);
        // Of two closed gates the later opening counts; where one never opens by itself, none is told.
        let openings: Option<Vec<Timestamp>> = closed().map(|gate| gate.opens_at).collect();
        Some(GateStatus {
            name: *name,
            open: closed().next().is_none(),
            reason: decisive.reason.name().to_owned(),
            message: cut(&messages.join("; "), GATE_LENGTH_MAX),
            opens_at: openings.and_then(|openings| openings.into_iter().max()),
        })
    };
    NAMES.iter().filter_map(shown).collect()
}

fn conditions(
    valid: &ValidEscalation,
    decision: &CycleDecision,
    blocked: Option<&(&'static str, String)>,
    is_going: bool,
    (reason, message): (&'static str, &str),
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let truth = |holds: bool| if holds { ConditionStatus::True } else { ConditionStatus::False };
    let message = cut(message, MESSAGE_LENGTH_MAX);
    if let Some((reason, message)) = blocked {
        let message = cut(message, MESSAGE_LENGTH_MAX);
        conditions.push(condition(ConditionType::Ready, ConditionStatus::False, *reason, &message));
        conditions.push(condition(ConditionType::Stalled, ConditionStatus::True, *reason, message));
    } else {
        conditions.push(condition(ConditionType::Ready, ConditionStatus::True, reason, &message));
    }
    if is_going {
        conditions.push(condition(ConditionType::Reconciling, ConditionStatus::True, reason, message));
    }
    for gate in gates(decision) {
        let type_ = match gate.name {
            GateName::NotSuspended => ConditionType::NotSuspended,
            GateName::TargetFree => ConditionType::TargetFree,
            GateName::WindowOpen => ConditionType::WindowOpen,
            GateName::BudgetAvailable => ConditionType::BudgetAvailable,
            GateName::CooldownElapsed => ConditionType::CooldownElapsed,
            GateName::RateAvailable => ConditionType::RateAvailable,
        };
        conditions.push(condition(type_, truth(gate.open), gate.reason, gate.message));
    }
    let outlasting = decision.findings.iter().find(|finding| finding.reason == FindingReason::PhaseOutlastsWindow);
    conditions.extend(outlasting.map(|finding| {
        condition(ConditionType::PhaseOutlastsWindow, ConditionStatus::True, finding.reason.name(), &finding.message)
    }));
    conditions.push(valid.policy.condition());
    conditions
}

/// The tuning run that goes on.
fn active(
    valid: &ValidEscalation,
    basis: &Basis,
    run: &TuningRun<'_>,
    decision: &CycleDecision,
    now: Timestamp,
) -> ActiveTuning {
    let (done, left) = progress(&valid.object, basis, run, decision.candidates.as_ref(), now);
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    ActiveTuning {
        cycle: run.cycle.to_owned(),
        symptom: run.symptom(),
        night: run.last.spec.night.clone(),
        attempt: run.last.spec.attempt,
        started_at: run.started_at(),
        candidates_done: count(done),
        candidates_left: count(left),
        borrowed: None,
    }
}

/// The tuning run that begins with this canary, before there is any: what it borrowed has to be told somewhere.
fn beginning(canary: &NewCanary, decision: &CycleDecision, borrowed: Option<Borrowed>, now: Timestamp) -> ActiveTuning {
    let left = decision.candidates.as_ref().map_or(0, |plan| plan.candidates.len().min(plan.max_candidates));
    ActiveTuning {
        cycle: canary.cycle.clone(),
        symptom: canary.symptom,
        night: canary.night.to_string(),
        attempt: i64::from(canary.attempt),
        started_at: now,
        candidates_done: 0,
        candidates_left: i64::try_from(left).unwrap_or(i64::MAX),
        borrowed,
    }
}

fn cycle(step: &TuningStep, open: Option<&TuningRun<'_>>) -> Option<String> {
    match step {
        TuningStep::Make(canary) | TuningStep::Borrow(canary, _) => Some(canary.cycle.clone()),
        TuningStep::Ended(conclusion) => Some(conclusion.outcome.cycle.clone()),
        TuningStep::Going { .. } | TuningStep::Idle { .. } => open.map(|run| run.cycle.to_owned()),
    }
}

/// What a state rests on: the runs behind the armed flags, or the promotion that was made.
fn evidence(basis: &Basis, decision: &CycleDecision, step: &TuningStep) -> Vec<EvidenceReference> {
    use phaseloop_core::audit::record::EVIDENCE_MAX;
    if let TuningStep::Ended(conclusion) = step {
        let name = conclusion.outcome.promotion_name.clone();
        let uid = |name: &String| {
            let made = basis.promotions.iter().find(|promotion| promotion.name_any() == *name);
            made.and_then(|promotion| promotion.uid()).map(Uid::new)
        };
        let promotion = name.map(|name| EvidenceReference { kind: "Promotion".to_owned(), uid: uid(&name), name });
        return promotion.into_iter().collect();
    }
    let armed = decision.flags.iter().filter(|flag| flag.state == FlagState::Armed);
    let runs = armed.flat_map(|flag| &flag.evidence).map(|run| EvidenceReference {
        kind: "PhaseRun".to_owned(),
        name: run.name.clone(),
        uid: Some(run.uid.clone()),
    });
    runs.take(EVIDENCE_MAX).collect()
}
