//! Two Escalations on one target: which of them rules.

use jiff::Timestamp;

use crate::{prelude::*, value::Uid};

/// What decides between Escalations of one target. The order of the fields is the order of the decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EscalationIdentity {
    /// `metadata.creationTimestamp`: the older one rules.
    pub created_at: Timestamp,
    /// Between two of one second, the uid that sorts first rules.
    pub uid: Uid,
    /// The object's name, for messages.
    pub name: String,
}

/// The Escalation that rules a target; every other one is `Stalled`. `None` if there is none.
pub fn ruling_escalation(escalations: &[EscalationIdentity]) -> Option<&EscalationIdentity> {
    escalations.iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escalation(name: &str, created_at: &str, uid: &str) -> EscalationIdentity {
        EscalationIdentity { created_at: created_at.parse().unwrap(), uid: Uid::new(uid), name: name.to_owned() }
    }

    #[test]
    fn the_older_one_rules_and_the_uid_breaks_a_tie() {
        let old = escalation("zeta", "2026-03-01T00:00:00Z", "9");
        let young = escalation("alpha", "2026-03-01T00:00:01Z", "1");
        let twin = escalation("alpha", "2026-03-01T00:00:00Z", "8");
        assert_eq!(ruling_escalation(&[young.clone(), old.clone()]), Some(&old));
        assert_eq!(ruling_escalation(&[old.clone(), young.clone()]), Some(&old));
        assert_eq!(ruling_escalation(&[old, twin.clone(), young]), Some(&twin));
        assert_eq!(ruling_escalation(&[]), None);
    }
}
