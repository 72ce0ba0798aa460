//! Rules that every plan keeps, whichever kind made it. The simulation checks each plan against them; a violation is a
//! defect of the code, not of the cluster.

use super::{Intent, OwnObject, Plan};
use crate::prelude::*;

/// A rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanViolation {
    /// If the second of two foreign writes failed, the first would stand alone.
    #[error("plan writes {0} times to objects that are not ours; split it, so that each write is seen before the next")]
    SeveralForeignWrites(usize),
    /// An effect would exist without the fact that it rests on.
    #[error("{0} rests on a fact that this plan should remember, but the plan remembers nothing")]
    RememberMissing(&'static str),
    /// The same thing would be done twice.
    #[error("plan asks for the same {0} twice")]
    DoubledIntent(&'static str),
    /// The object could be gone before what it owes is done.
    #[error("the finalizer of {object} is removed before {owed}; remove it last")]
    FinalizerRemovedEarly {
        /// Whose finalizer.
        object: OwnObject,
        /// What comes after it in the plan.
        owed: &'static str,
    },
    /// Its records would be lost with the object.
    #[error("{0} is pruned without an export of its audit records before it")]
    PrunedBeforeExport(OwnObject),
    /// An event would tell of what may yet fail.
    #[error("an event is told before {0}; events come last")]
    ToldBeforeDone(&'static str),
}

/// Every rule that the plan breaks; empty for a sound plan.
pub fn check_plan<Report>(plan: &Plan<Report>) -> Vec<PlanViolation> {
    let mut violations = Vec::new();
    let foreign_writes = plan.intents.iter().filter(|intent| intent.writes_foreign_object()).count();
    if foreign_writes > 1 {
        violations.push(PlanViolation::SeveralForeignWrites(foreign_writes));
    }
    if plan.remember.is_none() {
        let resting = plan.intents.iter().filter(|intent| intent.rests_on_remember());
        violations.extend(resting.map(|intent| PlanViolation::RememberMissing(intent.name())));
    }
    for (position, intent) in plan.intents.iter().enumerate() {
        let (earlier, later) = plan.intents.split_at(position);
        let later = later.get(1..).unwrap_or_default();
        if earlier.contains(intent) {
            violations.push(PlanViolation::DoubledIntent(intent.name()));
        }
        violations.extend(misplaced(intent, earlier, later));
    }
    violations
}

/// What is wrong with an intent's place among the others.
fn misplaced(intent: &Intent, earlier: &[Intent], later: &[Intent]) -> Option<PlanViolation> {
    match intent {
        Intent::RemoveFinalizer(object) => {
            let owed =
                later.iter().find(|next| !matches!(next, Intent::RecordEvent(_) | Intent::RemoveFinalizer(_)))?;
            Some(PlanViolation::FinalizerRemovedEarly { object: object.clone(), owed: owed.name() })
        }
        Intent::DeleteFinished(object) => {
            let exported = |before: &Intent| matches!(before, Intent::ExportAudit(export) if export.object == *object);
            (!earlier.iter().any(exported)).then(|| PlanViolation::PrunedBeforeExport(object.clone()))
        }
        Intent::RecordEvent(_) => {
            let undone = later.iter().find(|next| !matches!(next, Intent::RecordEvent(_)))?;
            Some(PlanViolation::ToldBeforeDone(undone.name()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
