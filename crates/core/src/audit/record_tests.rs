//! Records: their place, their bounds, their hash.

use super::*;
use crate::audit::fixture::{chain, transition};

#[test]
fn the_first_record_has_sequence_zero_and_follows_the_zeros() {
    let first = AuditRecord::following(None, transition(0));
    assert_eq!((first.sequence, first.previous_hash.as_str()), (0, GENESIS_HASH));
    assert_eq!(GENESIS_HASH, "0".repeat(64));
    let second = AuditRecord::following(Some((0, &first.hash)), transition(1));
    assert_eq!((second.sequence, &second.previous_hash), (1, &first.hash));
}

#[test]
fn the_hash_covers_every_field() {
    let record = chain(2).remove(1);
    let altered = |alter: fn(&mut AuditRecord)| {
        let mut copy = record.clone();
        alter(&mut copy);
        copy.computed_hash()
    };
    let alterations: [fn(&mut AuditRecord); 13] = [
        |record| record.sequence += 1,
        |record| record.at = Timestamp::UNIX_EPOCH,
        |record| record.object.kind.push('x'),
        |record| record.object.namespace.push('x'),
        |record| record.object.name.push('x'),
        |record| record.object.uid.0.push('x'),
        |record| record.cycle = None,
        |record| record.from = None,
        |record| record.to.push('x'),
        |record| record.reason.push('x'),
        |record| record.message.push('x'),
        |record| record.evidence.clear(),
        |record| record.previous_hash.replace_range(0..1, "x"),
    ];
    for (field, alter) in alterations.into_iter().enumerate() {
        assert_ne!(altered(alter), record.hash, "field {field}");
    }
    assert_eq!(altered(|record| record.hash.clear()), record.hash);
    assert_eq!(altered(|record| record.hash = "\"}".into()), record.hash);
}

#[test]
fn a_message_is_cut_at_its_limit_and_not_before() {
    for (length, kept) in [(511, 511), (512, 512), (513, 512)] {
        let message = "é".repeat(length);
        let record = AuditRecord::following(None, Transition { message, ..transition(0) });
        assert_eq!(record.message.chars().count(), kept);
    }
}

#[test]
fn evidence_beyond_the_limit_is_counted_not_dropped_in_silence() {
    let references = |count: usize| {
        (0..count).map(|n| EvidenceReference { kind: "PhaseRun".into(), name: n.to_string(), uid: None }).collect()
    };
    let evidence =
        |count| AuditRecord::following(None, Transition { evidence: references(count), ..transition(0) }).evidence;
    assert_eq!(evidence(EVIDENCE_MAX), references(EVIDENCE_MAX));
    let cut = evidence(EVIDENCE_MAX + 1);
    assert_eq!(cut.len(), EVIDENCE_MAX);
    assert_eq!((cut[31].kind.as_str(), cut[31].name.as_str()), ("More", "2"));
    assert_eq!(cut[..31], references(31)[..]);
}
