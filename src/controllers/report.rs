//! A report, and how it becomes the status that is written: pure.

use jiff::Timestamp;
use phaseloop_core::audit::{AuditRecord, AuditedObject, EvidenceReference, Transition};

use super::KindStatus;
use crate::api::{
    audit::{HISTORY_RECORDS_MAX, TransitionHistory, TransitionRecord},
    condition::{Condition, ConditionStatus, ConditionType},
    schema::MESSAGE_LENGTH_MAX,
};

/// What a decision reports: the status without times, generation and history, and why it is so.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<S> {
    /// The status. Its conditions need no transition time, and its history is ignored.
    pub status: S,
    /// The typed reason's name of the state that it is in.
    pub reason: String,
    /// The reason in words.
    pub message: String,
    /// The cycle that it belongs to; absent outside any.
    pub cycle: Option<String>,
    /// What the state rests on.
    pub evidence: Vec<EvidenceReference>,
}

impl<S> Report<S> {
    /// A report outside any cycle.
    pub fn new(status: S, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), message: message.into(), cycle: None, evidence: Vec::new() }
    }
}

/// A condition as a decision states it: when it began is added where the status is sealed. The message is cut to what the
/// API server takes.
pub fn condition(
    type_: ConditionType,
    status: ConditionStatus,
    reason: impl Into<String>,
    message: impl Into<String>,
) -> Condition {
    Condition {
        type_,
        status,
        observed_generation: None,
        last_transition_time: Timestamp::UNIX_EPOCH,
        reason: reason.into(),
        message: message.into().chars().take(MESSAGE_LENGTH_MAX as usize).collect(),
    }
}

/// The status that is written: with the generation, with each condition's time of its last transition, with the
/// conditions that other programs wrote, and with a record of the transition, if there was one.
///
/// Sealing a report again over the status that it made gives that status again, so nothing is written twice.
pub fn seal<S: KindStatus>(
    report: &Report<S>,
    before: Option<&S>,
    generation: Option<i64>,
    object: AuditedObject,
    now: Timestamp,
) -> S {
    let mut status = report.status.clone();
    *status.observed_generation_mut() = generation;
    let old_conditions = before.map(KindStatus::conditions).unwrap_or_default();
    let mut conditions: Vec<Condition> = report.status.conditions().to_vec();
    for condition in &mut conditions {
        let old = old_conditions.iter().find(|old| old.type_ == condition.type_ && old.status == condition.status);
        condition.last_transition_time = old.map_or(now, |old| old.last_transition_time);
        condition.observed_generation = generation;
    }
    let foreign = old_conditions.iter().filter(|old| matches!(old.type_, ConditionType::Foreign(_)));
    conditions.extend(foreign.cloned());
    *status.conditions_mut() = conditions;
    let mut history = before.and_then(KindStatus::history).cloned();
    let (from, to) = (before.and_then(KindStatus::state), status.state());
    if let Some(to) = to.filter(|to| from.as_ref() != Some(to)) {
        let transition = Transition {
            at: now,
            object,
            cycle: report.cycle.clone(),
            from,
            to,
            reason: report.reason.clone(),
            message: report.message.clone(),
            evidence: report.evidence.clone(),
        };
        append(history.get_or_insert_default(), transition, S::lives_on());
    }
    *status.history_mut() = history;
    status
}

/// Appends the record of a transition to a chain on the wire. The oldest records of a kind that lives on give way; a
/// kind that ends has fewer transitions than records fit.
fn append(history: &mut TransitionHistory, transition: Transition, lives_on: bool) {
    let previous = history.records.last().map(|last| (last.sequence.unsigned_abs(), last.hash.clone()));
    let previous = previous.as_ref().map(|(sequence, hash)| (*sequence, hash.as_str()));
    let record = TransitionRecord::from(AuditRecord::following(previous, transition));
    history.head = Some(record.hash.clone());
    history.records.push(record);
    if lives_on {
        let surplus = history.records.len().saturating_sub(HISTORY_RECORDS_MAX);
        history.records.drain(..surplus);
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
