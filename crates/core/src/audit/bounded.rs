//! The chain of a long-lived object: its status keeps the last records only, the export keeps all.

use super::{
    AuditRecord, ChainFault, ChainFaultKind, ChainHead, Transition,
    chain::{Origin, verify_from},
    record::GENESIS_HASH,
    verify_chain,
};
use crate::prelude::*;

/// Records that the status of a long-lived object keeps: two months of nightly transitions of one flag, in at most half
/// of the 100 kB that an object may have. Part of the format: a chain of `n` records keeps exactly the last
/// `min(n, 64)` of them, by which a lost oldest record is found.
pub const RECENT_RECORDS_MAX: usize = 64;

/// The end of a chain: its head, and the last records up to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundedChain {
    /// The last record's sequence and hash; absent while there is none.
    pub head: Option<ChainHead>,
    /// The last records, oldest first; at most [`RECENT_RECORDS_MAX`].
    pub recent: Vec<AuditRecord>,
}

impl BoundedChain {
    /// A chain without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the record of a transition. Returns the record that fell out: it must be in the export by then.
    pub fn append(&mut self, transition: Transition) -> Option<AuditRecord> {
        let previous = self.head.as_ref().map(|head| (head.sequence, head.hash.as_str()));
        let record = AuditRecord::following(previous, transition);
        self.head = Some(ChainHead::of(&record));
        self.recent.push(record);
        (self.recent.len() > RECENT_RECORDS_MAX).then(|| self.recent.remove(0))
    }

    /// Checks the kept records against each other and against the head.
    ///
    /// # Errors
    /// The first [`ChainFault`], by position in `recent`.
    pub fn verify(&self) -> Result<(), ChainFault> {
        let Some(head) = &self.head else {
            return if self.recent.is_empty() { Ok(()) } else { Err(fault(0, ChainFaultKind::Broken)) };
        };
        let kept = RECENT_RECORDS_MAX.min(usize::try_from(head.sequence).unwrap_or(usize::MAX).saturating_add(1));
        let first = head.sequence.saturating_add(1).saturating_sub(kept as u64);
        let previous_hash = (first == 0).then_some(GENESIS_HASH);
        verify_from(&self.recent, Origin { sequence: first, previous_hash })?;
        match self.recent.last() {
            Some(last) if ChainHead::of(last) == *head => Ok(()),
            Some(last) if last.sequence >= head.sequence => {
                Err(fault(self.recent.len().saturating_sub(1), ChainFaultKind::Broken))
            }
            _ => Err(fault(self.recent.len(), ChainFaultKind::Missing)),
        }
    }
}

const fn fault(at: usize, kind: ChainFaultKind) -> ChainFault {
    ChainFault { at, kind }
}

/// Why a live chain and its export do not prove each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportFault {
    /// The export itself is not whole.
    #[error("the export is not whole: {0}")]
    Export(ChainFault),
    /// The kept records are not whole.
    #[error("the object's own records are not whole: {0}")]
    Live(ChainFault),
    /// Both have the record, and they differ.
    #[error("record {sequence} of the export is not the one that the object has; one of them was written anew")]
    Diverged {
        /// The record's number.
        sequence: u64,
    },
    /// Records fell out of the status before they were exported.
    #[error("records {from} to {to} are in neither; the export lost them before the object dropped them")]
    Gap {
        /// First record that nobody has.
        from: u64,
        /// Last record that nobody has.
        to: u64,
    },
    /// The export has records that the object has not reached: the object was restored from an older copy.
    #[error("the export goes on to record {exported}, the object ends at {live}; it was restored from an older copy")]
    LiveBehindExport {
        /// Last record of the export.
        exported: u64,
        /// Last record of the object; absent where it has none.
        live: String,
    },
}

/// Checks the live end of a chain and the export of the same object against each other: both whole, the same where they
/// overlap, nothing lost between them. The export may lag behind; it may not be ahead.
///
/// # Errors
/// The first [`ExportFault`].
pub fn verify_against_export(live: &BoundedChain, export: &[AuditRecord]) -> Result<(), ExportFault> {
    verify_chain(export).map_err(ExportFault::Export)?;
    live.verify().map_err(ExportFault::Live)?;
    let exported_count = u64::try_from(export.len()).unwrap_or(u64::MAX);
    for record in &live.recent {
        let exported = usize::try_from(record.sequence).ok().and_then(|position| export.get(position));
        if exported.is_some_and(|exported| exported != record) {
            return Err(ExportFault::Diverged { sequence: record.sequence });
        }
    }
    let live_count = live.head.as_ref().map_or(0, |head| head.sequence.saturating_add(1));
    if exported_count > live_count {
        let live = live.head.as_ref().map_or_else(|| "none".to_owned(), |head| format!("record {}", head.sequence));
        return Err(ExportFault::LiveBehindExport { exported: exported_count - 1, live });
    }
    match live.recent.first() {
        Some(oldest) if oldest.sequence > exported_count => {
            Err(ExportFault::Gap { from: exported_count, to: oldest.sequence - 1 })
        }
        Some(oldest) if oldest.sequence == exported_count => link_to_export(oldest, export),
        _ => Ok(()),
    }
}

/// Where the two only touch, the link between them is all that binds them.
fn link_to_export(oldest: &AuditRecord, export: &[AuditRecord]) -> Result<(), ExportFault> {
    let hash = export.last().map_or(GENESIS_HASH, |last| last.hash.as_str());
    if oldest.previous_hash == hash { Ok(()) } else { Err(ExportFault::Diverged { sequence: oldest.sequence }) }
}

#[cfg(test)]
#[path = "bounded_tests.rs"]
mod tests;
