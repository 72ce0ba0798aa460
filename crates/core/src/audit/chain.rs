//! A whole chain: appending to it, and finding what is wrong with it.

use core::fmt;

use super::{
    AuditRecord, Transition,
    record::{AuditedObject, GENESIS_HASH},
};
use crate::prelude::*;

/// The end of a chain, as something outside of it remembers: with it, a cut-off end and a chain written anew are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainHead {
    /// Sequence of the last record.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

impl ChainHead {
    /// The head that this record is.
    pub fn of(record: &AuditRecord) -> Self {
        Self { sequence: record.sequence, hash: record.hash.clone() }
    }
}

/// What is wrong with a chain, and where first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("audit chain is not whole at position {at}: {kind}")]
pub struct ChainFault {
    /// Position in the records that were given, from 0; their count where something is missing at the end.
    pub at: usize,
    /// What is wrong there.
    pub kind: ChainFaultKind,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum ChainFaultKind {
    /// The record's content is not what its hash was taken of.
    Changed,
    /// A record that must stand here is nowhere in the chain.
    Missing,
    /// The record that must stand here stands later.
    Reordered,
    /// The record stands in the chain twice.
    Doubled,
    /// The record is sound in itself but does not belong here: its link, its number or its object contradicts the chain,
    /// as when records were written anew with fresh hashes.
    Broken,
}

impl fmt::Display for ChainFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "the record was changed",
            Self::Missing => "a record is missing",
            Self::Reordered => "records are out of order",
            Self::Doubled => "the record is doubled",
            Self::Broken => "the record does not follow the one before it",
        })
    }
}

/// Appends the record of a transition.
pub fn append(records: &mut Vec<AuditRecord>, transition: Transition) {
    let previous = records.last().map(|last| (last.sequence, last.hash.as_str()));
    let record = AuditRecord::following(previous, transition);
    records.push(record);
}

/// Checks a whole chain of one object, from its first record. A chain whose end was cut off is a shorter sound chain:
/// only [`verify_chain_to`] finds that.
///
/// # Errors
/// The first [`ChainFault`], by position.
pub fn verify_chain(records: &[AuditRecord]) -> Result<(), ChainFault> {
    let origin = Origin { sequence: 0, previous_hash: Some(GENESIS_HASH) };
    verify_from(records, origin)
}

/// Checks a whole chain, and that the head which something outside of it remembers is part of it.
///
/// # Errors
/// The first [`ChainFault`], by position.
pub fn verify_chain_to(records: &[AuditRecord], head: &ChainHead) -> Result<(), ChainFault> {
    verify_chain(records)?;
    let position = usize::try_from(head.sequence).unwrap_or(usize::MAX);
    match records.get(position) {
        None => Err(ChainFault { at: records.len(), kind: ChainFaultKind::Missing }),
        Some(record) if record.hash != head.hash => Err(ChainFault { at: position, kind: ChainFaultKind::Broken }),
        Some(_) => Ok(()),
    }
}

/// Where a stretch of a chain begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// Sequence of the first record.
    pub(super) sequence: u64,
    /// What its link must be; absent where the record before was dropped and nothing tells.
    pub(super) previous_hash: Option<&'a str>,
}

/// Checks a stretch of a chain.
pub(super) fn verify_from(records: &[AuditRecord], origin: Origin<'_>) -> Result<(), ChainFault> {
    let object = records.first().map(|first| &first.object);
    let mut sequence = origin.sequence;
    let mut previous_hash = origin.previous_hash;
    for (at, record) in records.iter().enumerate() {
        let expected = Expected { sequence, previous_hash, object };
        if let Some(kind) = fault_of(record, records, &expected) {
            return Err(ChainFault { at, kind });
        }
        sequence = sequence.saturating_add(1);
        previous_hash = Some(&record.hash);
    }
    Ok(())
}

/// What the next record must be.
struct Expected<'a> {
    sequence: u64,
    previous_hash: Option<&'a str>,
    object: Option<&'a AuditedObject>,
}

/// What is wrong with a record, given that all before it are sound.
fn fault_of(record: &AuditRecord, records: &[AuditRecord], expected: &Expected<'_>) -> Option<ChainFaultKind> {
    if record.computed_hash() != record.hash {
        return Some(ChainFaultKind::Changed);
    }
    if records.iter().filter(|other| other.hash == record.hash).count() > 1 {
        return Some(ChainFaultKind::Doubled);
    }
    if record.sequence > expected.sequence {
        let stands_later = records.iter().any(|other| other.sequence == expected.sequence);
        return Some(if stands_later { ChainFaultKind::Reordered } else { ChainFaultKind::Missing });
    }
    let linked = expected.previous_hash.is_none_or(|hash| record.previous_hash == hash);
    let belongs = record.sequence == expected.sequence && linked && Some(&record.object) == expected.object;
    (!belongs).then_some(ChainFaultKind::Broken)
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
