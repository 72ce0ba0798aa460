//! Chains for tests.

use jiff::Timestamp;

use super::{AuditRecord, AuditedObject, EvidenceReference, Transition, append};
use crate::{prelude::*, value::Uid};

pub(super) fn object() -> AuditedObject {
    AuditedObject {
        kind: "Promotion".into(),
        namespace: "models".into(),
        name: "llama-8b-x".into(),
        uid: Uid::new("7c9e"),
    }
}

pub(super) fn transition(step: i64) -> Transition {
    Transition {
        at: Timestamp::from_second(1_772_593_200 + step).unwrap(),
        object: object(),
        cycle: Some("cycle-1".into()),
        from: (step > 0).then(|| format!("Phase{}", step - 1)),
        to: format!("Phase{step}"),
        reason: "RollingOut".into(),
        message: format!("step {step}: \"quoted\" back\\slash é 漢"),
        evidence: vec![EvidenceReference { kind: "PhaseRun".into(), name: format!("run-{step}"), uid: None }],
    }
}

pub(super) fn chain(length: i64) -> Vec<AuditRecord> {
    let mut records = Vec::new();
    (0..length).for_each(|step| append(&mut records, transition(step)));
    records
}

/// The same chain with everything from `position` on written anew: fresh, sound hashes over an altered message.
pub(super) fn forged(records: &[AuditRecord], position: usize) -> Vec<AuditRecord> {
    let mut forged = records[..position].to_vec();
    for record in &records[position..] {
        let previous = forged.last().map(|last: &AuditRecord| (last.sequence, last.hash.clone()));
        let step = i64::try_from(record.sequence).unwrap();
        let transition = Transition { message: "forged".into(), ..transition(step) };
        forged.push(AuditRecord::following(previous.as_ref().map(|(s, h)| (*s, h.as_str())), transition));
    }
    forged
}
