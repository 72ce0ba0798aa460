//! The evidence chain: one record per transition of an object, each bound to the one before it by its hash, so that a
//! record that was changed, removed, moved or doubled is found later, offline.
//!
//! **What lives here**: the record and its canonical line, appending, verifying a whole chain, and the bounded chain of
//! long-lived kinds with its verification against an export.
//!
//! **What must not**: where records go (the shell writes them into status and to the export), and any decision.
//!
//! The format is described for people in docs/reference/audit.md, with a recipe that needs only standard tools; a test
//! runs that recipe.

pub mod bounded;
pub mod chain;
pub mod line;
pub mod record;

#[cfg(test)]
mod fixture;

pub use bounded::{BoundedChain, ExportFault, verify_against_export};
pub use chain::{ChainFault, ChainFaultKind, ChainHead, append, verify_chain, verify_chain_to};
pub use line::{ExportLineError, parse_export};
pub use record::{AuditRecord, AuditedObject, EvidenceReference, Transition};
