//! The record of transitions that each object carries.

use jiff::Timestamp;
use phaseloop_core::{
    audit::{
        AuditRecord, AuditedObject, EvidenceReference,
        bounded::RECENT_RECORDS_MAX,
        record::{EVIDENCE_MAX, GENESIS_HASH},
    },
    value::Uid,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Most records that an object carries.
pub const HISTORY_RECORDS_MAX: usize = RECENT_RECORDS_MAX;

/// One thing that a transition rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Its kind; `Commit` for a commit in Git.
    #[schemars(schema_with = "schema::short_text")]
    pub kind: String,
    /// Its name.
    #[schemars(schema_with = "schema::short_text")]
    pub name: String,
    /// Its uid; left out for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub uid: Option<String>,
}

/// One transition of an object. Each record holds the hash of the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionRecord {
    /// Position in the chain, from 0.
    #[schemars(schema_with = "schema::count")]
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// The cycle that it belongs to; left out outside any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: Option<String>,
    /// Phase or state before; left out on the first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::short_text")]
    pub from: Option<String>,
    /// Phase or state after.
    #[schemars(schema_with = "schema::short_text")]
    pub to: String,
    /// Why, as one word.
    #[schemars(schema_with = "schema::reason")]
    pub reason: String,
    /// Why, as a sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = EVIDENCE_MAX))]
    pub evidence: Vec<Evidence>,
    /// Hash of the record before; left out on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub previous_hash: Option<String>,
    /// Hash of this record.
    #[schemars(schema_with = "schema::digest")]
    pub hash: String,
}

impl From<AuditRecord> for TransitionRecord {
    fn from(record: AuditRecord) -> Self {
        let AuditRecord { sequence, at, object: _, cycle, from, to, reason, message, evidence, previous_hash, hash } =
            record;
        let evidence = evidence.into_iter().map(|reference| Evidence {
            kind: reference.kind,
            name: reference.name,
            uid: reference.uid.map(|uid| uid.0),
        });
        Self {
            sequence: i64::try_from(sequence).unwrap_or(i64::MAX),
            at,
            cycle,
            from,
            to,
            reason,
            message,
            evidence: evidence.collect(),
            previous_hash: Some(previous_hash).filter(|hash| hash != GENESIS_HASH),
            hash,
        }
    }
}

impl TransitionRecord {
    /// The record as the core verifies and exports it. The object is not in it on the wire: it is the one that carries it.
    pub fn to_audit_record(&self, object: AuditedObject) -> AuditRecord {
        let evidence = self.evidence.iter().map(|reference| EvidenceReference {
            kind: reference.kind.clone(),
            name: reference.name.clone(),
            uid: reference.uid.clone().map(Uid),
        });
        AuditRecord {
            sequence: self.sequence.unsigned_abs(),
            at: self.at,
            object,
            cycle: self.cycle.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            evidence: evidence.collect(),
            previous_hash: self.previous_hash.clone().unwrap_or_else(|| GENESIS_HASH.to_owned()),
            hash: self.hash.clone(),
        }
    }
}

/// The chain of an object's transitions. Kinds that end carry all of it; kinds that live on carry its head and the
/// newest 64 records, and the export holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionHistory {
    /// Hash of the newest record; left out while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub head: Option<String>,
    /// The records, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub records: Vec<TransitionRecord>,
}
