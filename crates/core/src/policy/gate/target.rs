//! The gate of the target: nothing else works on it, and nothing on it is undecided.

use super::{GateName, GateReason, GateState};
use crate::{policy::ledger::TuningRunFacts, prelude::*};

/// What else lays claim to the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetClaims {
    /// The older Escalation that rules this target.
    pub ruling_escalation: Option<String>,
    /// The canary whose pod was not seen to end.
    pub frozen_by: Option<String>,
    /// The promotion that is neither validated nor otherwise over.
    pub unvalidated_promotion: Option<String>,
}

/// Whether nothing else works on the target. Time alone opens none of these, so there is never an instant.
pub fn check_target(claims: &TargetClaims, other_runs: &[&TuningRunFacts]) -> GateState {
    const NAME: GateName = GateName::TargetFree;
    let closed = |reason: GateReason, message: String| GateState::closed(NAME, reason, message, None);
    if let Some(name) = &claims.ruling_escalation {
        return closed(GateReason::OtherEscalationRules, format!("escalation {name} is older and rules this target"));
    }
    if let Some(canary) = &claims.frozen_by {
        let message = format!(
            "the pod of canary {canary} was not seen to end; look at its node, then run phaseloop retry tuningcanary/{canary}"
        );
        return closed(GateReason::TargetFrozen, message);
    }
    if let Some(run) = other_runs.iter().find(|run| run.ended_at.is_none()) {
        let message = format!("tuning run {} is active since {}", run.cycle, run.started_at);
        return closed(GateReason::TuningRunActive, message);
    }
    if let Some(name) = &claims.unvalidated_promotion {
        return closed(GateReason::PromotionUnvalidated, format!("promotion {name} waits to be validated"));
    }
    GateState::open(NAME, GateReason::Free, "nothing else works on the target")
}
