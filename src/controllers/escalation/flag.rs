//! Flags as the status shows them: where each stands, why, and in which domains its symptom was seen.

use phaseloop_core::{
    cycle::CycleDecision,
    policy::{Flag, FlagState},
};

use super::ValidEscalation;
use crate::api::{
    EscalationStatus,
    condition::{ConditionStatus, ConditionType},
    escalation::status::{FlagState as WireFlagState, FlagStatus},
};

/// The flags with what their rules count, which stand in the same order.
pub(super) fn flags(valid: &ValidEscalation, decision: &CycleDecision) -> Vec<FlagStatus> {
    let counted = decision.flags.iter().zip(&decision.counts);
    counted.map(|(flag, count)| FlagStatus::new(flag, &message(valid, flag), count)).collect()
}

/// The flags that have expired unused since the status was written.
pub(super) fn newly_expired<'a>(
    valid: &'a ValidEscalation,
    decision: &'a CycleDecision,
) -> impl Iterator<Item = &'a Flag> {
    let expired = decision.flags.iter().filter(|flag| flag.state == FlagState::Expired);
    expired.filter(|flag| before(valid, flag).is_some_and(|before| before.state == WireFlagState::Armed))
}

/// Where a flag stands and why.
pub(super) fn message(valid: &ValidEscalation, flag: &Flag) -> String {
    if flag.state != FlagState::Expired {
        return flag.message();
    }
    let told = before(valid, flag)
        .filter(|before| before.state == WireFlagState::Expired && before.expires_at == flag.expires_at)
        .filter(|before| !before.message.is_empty());
    told.map_or_else(|| expired(valid, flag), |before| before.message.clone())
}

/// That a flag expired, with what kept it from being used when the Escalation was looked at last. Nothing remembers that
/// later, so it is said once and kept.
fn expired(valid: &ValidEscalation, flag: &Flag) -> String {
    let at = flag.expires_at.map_or_else(|| "an unknown instant".to_owned(), |at| at.to_string());
    let was_armed = before(valid, flag).is_some_and(|before| before.state == WireFlagState::Armed);
    match valid.object.status.as_ref().filter(|_| was_armed) {
        Some(status) => format!("expired unused at {at}: {}", obstacle(status)),
        None => format!("expired unused at {at}, before anybody looked"),
    }
}

/// What keeps a tuning run from beginning, as a status tells it: what stalls it, else that no window could be met, with
/// what to set, else the closed gates, else where tuning stands.
fn obstacle(status: &EscalationStatus) -> String {
    let told = |type_: ConditionType| status.conditions.iter().find(|condition| condition.type_ == type_);
    let for_itself = told(ConditionType::Stalled).or_else(|| told(ConditionType::PhaseOutlastsWindow));
    if let Some(condition) = for_itself.filter(|condition| condition.status == ConditionStatus::True) {
        return condition.message.clone();
    }
    let closed: Vec<&str> = status.gates.iter().filter(|gate| !gate.open).map(|gate| gate.message.as_str()).collect();
    if closed.is_empty() {
        return told(ConditionType::Ready).map(|ready| ready.message.clone()).unwrap_or_default();
    }
    closed.join("; ")
}

fn before<'a>(valid: &'a ValidEscalation, flag: &Flag) -> Option<&'a FlagStatus> {
    let flags = valid.object.status.iter().flat_map(|status| &status.flags);
    flags.into_iter().find(|before| before.symptom == flag.symptom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::escalation::status::{GateName, GateStatus},
        controllers::condition,
    };

    fn status(conditions: &[(ConditionType, ConditionStatus, &str)], closed: &[&str]) -> EscalationStatus {
        let gate = |message: &&str| GateStatus {
            name: GateName::WindowOpen,
            open: false,
            reason: "Closed".to_owned(),
            message: (*message).to_owned(),
            opens_at: None,
        };
        let told = |(type_, status, message): &(ConditionType, ConditionStatus, &str)| {
            condition(type_.clone(), *status, "Reason", *message)
        };
        EscalationStatus {
            conditions: conditions.iter().map(told).collect(),
            gates: closed.iter().map(gate).collect(),
            ..EscalationStatus::default()
        }
    }

    #[test]
    fn what_kept_a_flag_from_being_used_is_told_the_gravest_first() {
        use ConditionStatus::{False, True};
        let ready = (ConditionType::Ready, True, "PhaseRun r tests the target");
        let outlasts = (ConditionType::PhaseOutlastsWindow, True, "lengthen flagTTL");
        let stalled = (ConditionType::Stalled, True, "set canary.workload");
        let over = (ConditionType::Stalled, False, "nothing stalls");
        for (conditions, closed, told) in [
            (vec![ready.clone()], vec![], "PhaseRun r tests the target"),
            (
                vec![ready.clone()],
                vec!["window opens at ten", "cooldown ends at nine"],
                "window opens at ten; cooldown ends at nine",
            ),
            (vec![ready.clone(), outlasts.clone()], vec!["window opens at ten"], "lengthen flagTTL"),
            (vec![ready.clone(), outlasts, stalled], vec![], "set canary.workload"),
            (vec![ready, over], vec!["window opens at ten"], "window opens at ten"),
            (vec![], vec![], ""),
        ] {
            assert_eq!(obstacle(&status(&conditions, &closed)), told, "{conditions:?}");
        }
    }
}
