//! Where the operator's audit records go in the simulation.

use std::sync::{Mutex, PoisonError};

use phaseloop_core::audit::AuditRecord;

use crate::cluster::execute::AuditExport;

/// Keeps the records in memory, each once.
#[derive(Debug, Default)]
pub struct MemoryExport(Mutex<Vec<AuditRecord>>);

impl MemoryExport {
    /// An export that has been handed the same.
    pub(super) fn fork(&self) -> Self {
        Self(Mutex::new(self.records()))
    }

    /// The records so far.
    pub fn records(&self) -> Vec<AuditRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AuditExport for MemoryExport {
    fn export(&self, records: &[AuditRecord]) -> std::io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if !kept.contains(record) {
                kept.push(record.clone());
            }
        }
        Ok(())
    }
}
