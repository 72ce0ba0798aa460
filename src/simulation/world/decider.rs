//! People who decide about promotions.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{Action, act::waits_for_person};
use crate::{api::promotion::Decision, simulation::api_server::Change};

/// What somebody decides, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionTerms {
    /// The decision.
    pub decision: Decision,
    /// Who.
    pub by: String,
    /// How long after the promotion began to wait for it.
    pub after: SignedDuration,
}

/// The decisions: the first promotion gets the first one, and so on; the last one holds for all that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decisions {
    terms: Vec<DecisionTerms>,
    seen: BTreeSet<String>,
}

impl Decisions {
    /// Decisions of these terms; none where there are none.
    pub fn new(terms: Vec<DecisionTerms>) -> Self {
        Self { terms, seen: BTreeSet::new() }
    }

    /// What follows from a change: a promotion that waits for somebody is decided some time later.
    pub(super) fn after(&mut self, change: &Change) -> Option<(SignedDuration, Action)> {
        let object = &change.object.value;
        if &*change.resource != "promotions.phaseloop.dev" {
            return None;
        }
        if !waits_for_person(object) || !self.seen.insert(change.object.uid().to_owned()) {
            return None;
        }
        let terms = self.terms.get(self.seen.len() - 1).or_else(|| self.terms.last())?;
        let action = Action::Decide {
            namespace: change.object.namespace().to_owned(),
            name: change.object.name().to_owned(),
            decision: terms.decision,
            by: terms.by.clone(),
        };
        Some((terms.after, action))
    }
}
