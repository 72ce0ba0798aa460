//! The audit: each chain is whole at every version, records never change, and each transition has its record.

use jiff::Timestamp;
use phaseloop_core::{
    audit::{AuditRecord, AuditedObject, BoundedChain, verify_chain},
    value::Uid,
};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind, Fact},
    registry::Invariant,
    value::{name, text, uid},
};
use crate::api::audit::TransitionHistory;
use crate::simulation::field::At as _;

/// Our kinds; those that live on keep the newest records only.
const KINDS: [(&str, bool); 5] =
    [("PhaseSchedule", true), ("PhaseRun", false), ("Escalation", true), ("TuningCanary", false), ("Promotion", false)];

/// I30: the chain in the status of each of our objects is whole, goes on from the version before, and ends where the
/// object's phase is.
#[derive(Debug, Clone, Default)]
pub(super) struct AuditIsWhole;

/// The records of an object's history.
fn records(kind: &str, object: &Value) -> Option<Vec<AuditRecord>> {
    let history: TransitionHistory = serde_json::from_value(object.at("/status/history")?.clone()).ok()?;
    let audited = AuditedObject {
        kind: kind.to_owned(),
        namespace: text(object, "/metadata/namespace").unwrap_or_default().to_owned(),
        name: name(object).to_owned(),
        uid: Uid::new(uid(object)),
    };
    Some(history.records.iter().map(|record| record.to_audit_record(audited.clone())).collect())
}

impl Invariant for AuditIsWhole {
    fn name(&self) -> &'static str {
        "i30_the_audit_is_whole"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        let Fact::Object(change) = at.fact else { return None };
        let (kind, lives_on) = *KINDS.iter().find(|(kind, _)| *kind == change.of)?;
        if change.kind == ChangeKind::Deleted {
            return None;
        }
        let after = records(kind, change.object)?;
        let before = change.before.and_then(|before| records(kind, before)).unwrap_or_default();
        Some(check(kind, lives_on, change.object, &before, &after, at.now))
    }
}

fn check(
    kind: &str,
    lives_on: bool,
    object: &Value,
    before: &[AuditRecord],
    after: &[AuditRecord],
    now: Timestamp,
) -> Result<(), String> {
    let of = || format!("{kind} {}", name(object));
    let is_whole = if lives_on {
        let head = after.last().map(phaseloop_core::audit::ChainHead::of);
        BoundedChain { head, recent: after.to_vec() }.verify().is_ok()
    } else {
        verify_chain(after).is_ok()
    };
    if !is_whole {
        return Err(format!("the chain of {} is not whole", of()));
    }
    let kept = before.iter().filter(|record| !after.contains(record)).count();
    let may_have_dropped = if lives_on { after.len().saturating_sub(before.len()).max(1) } else { 0 };
    if kept > may_have_dropped {
        return Err(format!("{kept} records of {} were changed or removed", of()));
    }
    if after.last().is_some_and(|record| record.at > now) {
        return Err(format!("the newest record of {} is of the future", of()));
    }
    let phase = text(object, "/status/phase");
    match (phase, after.last()) {
        (Some(phase), Some(record)) if record.to != phase => {
            Err(format!("{} is {phase}, and its newest record says {}", of(), record.to))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use phaseloop_core::audit::{Transition, append};
    use serde_json::json;

    use super::*;
    use crate::{
        api::audit::TransitionRecord,
        simulation::oracle::{ObjectChange, Oracles},
    };

    fn history(phases: &[&str]) -> Vec<AuditRecord> {
        let object = AuditedObject {
            kind: "PhaseRun".to_owned(),
            namespace: "n".to_owned(),
            name: "r".to_owned(),
            uid: Uid::new("u"),
        };
        let mut records = Vec::new();
        for phase in phases {
            let transition = Transition {
                at: Timestamp::UNIX_EPOCH,
                object: object.clone(),
                cycle: None,
                from: records.last().map(|last: &AuditRecord| last.to.clone()),
                to: (*phase).to_owned(),
                reason: "Why".to_owned(),
                message: String::new(),
                evidence: Vec::new(),
            };
            append(&mut records, transition);
        }
        records
    }

    fn run(phase: &str, records: Vec<AuditRecord>) -> Value {
        let records: Vec<TransitionRecord> = records.into_iter().map(TransitionRecord::from).collect();
        json!({"metadata": {"name": "r", "uid": "u", "namespace": "n"},
               "status": {"phase": phase, "history": {"records": records}}})
    }

    fn change(before: &Value, after: &Value) -> u64 {
        let mut oracles = Oracles::of(vec![Box::new(AuditIsWhole)]);
        let change =
            ObjectChange { kind: ChangeKind::Modified, of: "PhaseRun", object: after, before: Some(before), by: "" };
        oracles.see(Timestamp::UNIX_EPOCH, Fact::Object(change));
        assert_eq!(oracles.figures().evaluated["i30_the_audit_is_whole"], 1);
        oracles.figures().violations_total
    }

    #[test]
    fn a_chain_that_goes_on_is_fine() {
        let (one, two) = (history(&["Pending"]), history(&["Pending", "Running"]));
        assert_eq!(change(&run("Pending", one), &run("Running", two)), 0);
    }

    #[test]
    fn a_changed_removed_or_missing_record_is_found() {
        let before = || run("Running", history(&["Pending", "Running"]));
        let mut changed = history(&["Pending", "Running"]);
        changed[0].message = "other".to_owned();
        assert_eq!(change(&before(), &run("Running", changed)), 1, "changed");
        assert_eq!(change(&before(), &run("Pending", history(&["Pending"]))), 1, "removed");
        assert_eq!(change(&before(), &run("Completed", history(&["Pending", "Running"]))), 1, "not recorded");
        assert_eq!(change(&before(), &run("Completed", history(&["Pending", "Completed"]))), 1, "rewritten");
    }
}
