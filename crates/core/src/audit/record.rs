//! One record: a transition of one object, with its evidence and its place in the chain.

use jiff::Timestamp;

use crate::{
    prelude::*,
    value::{Uid, digest::hex_sha256},
};

/// `previousHash` of the first record of a chain: 64 zeros.
pub const GENESIS_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Longest message of a record, in characters: what a person reads in one line of a timeline. The chain of an object
/// shares the object's 100 kB with all else.
pub const MESSAGE_LENGTH_MAX: usize = 512;
/// Most evidence references of a record: a month of runs, the most that any one decision rests on.
pub const EVIDENCE_MAX: usize = 32;

/// One record of an object's chain. The order of the fields is the order of the canonical line, and is part of the
/// format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRecord {
    /// Place in the chain, from 0, without gaps.
    pub sequence: u64,
    /// When the transition was decided.
    pub at: Timestamp,
    /// Whose transition.
    pub object: AuditedObject,
    /// The cycle that it belongs to; absent outside any.
    pub cycle: Option<String>,
    /// The phase before; absent for the first record.
    pub from: Option<String>,
    /// The phase after.
    pub to: String,
    /// The typed reason's name.
    pub reason: String,
    /// The reason with names, values and instants.
    pub message: String,
    /// What the decision rests on.
    pub evidence: Vec<EvidenceReference>,
    /// Hash of the record before; [`GENESIS_HASH`] for the first.
    pub previous_hash: String,
    /// SHA-256 over the canonical line without this field.
    pub hash: String,
}

/// The object of a record. Its uid makes it one object for good, whatever is made under its name later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditedObject {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
}

/// One thing that a decision rests on: a run, a canary, a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceReference {
    /// Its kind; `Commit` for a commit in Git.
    pub kind: String,
    /// Its name; for a commit its hash.
    pub name: String,
    /// Its uid; absent for what has none.
    pub uid: Option<Uid>,
}

/// A transition before it has its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transition {
    /// When it was decided.
    pub at: Timestamp,
    /// Whose.
    pub object: AuditedObject,
    /// The cycle; absent outside any.
    pub cycle: Option<String>,
    /// The phase before; absent for the first.
    pub from: Option<String>,
    /// The phase after.
    pub to: String,
    /// The typed reason's name.
    pub reason: String,
    /// The reason in words. Cut to [`MESSAGE_LENGTH_MAX`] characters.
    pub message: String,
    /// What it rests on. Beyond [`EVIDENCE_MAX`], the last kept entry says how many more there were.
    pub evidence: Vec<EvidenceReference>,
}

impl AuditRecord {
    /// The record of a transition after the one with this sequence and hash; the first one where there is none.
    pub fn following(previous: Option<(u64, &str)>, transition: Transition) -> Self {
        let Transition { at, object, cycle, from, to, reason, message, evidence } = transition;
        let (sequence, previous_hash) =
            previous.map_or((0, GENESIS_HASH), |(sequence, hash)| (sequence.saturating_add(1), hash));
        let mut record = Self {
            sequence,
            at,
            object,
            cycle,
            from,
            to,
            reason,
            message: message.chars().take(MESSAGE_LENGTH_MAX).collect(),
            evidence: bounded_evidence(evidence),
            previous_hash: previous_hash.to_owned(),
            hash: String::new(),
        };
        record.hash = record.computed_hash();
        record
    }

    /// The hash that the record's content has, whatever its `hash` field says.
    pub fn computed_hash(&self) -> String {
        hex_sha256(&self.hashed_line())
    }
}

/// At most [`EVIDENCE_MAX`] references, the last of them a count where some had to be left out.
fn bounded_evidence(mut evidence: Vec<EvidenceReference>) -> Vec<EvidenceReference> {
    if evidence.len() > EVIDENCE_MAX {
        let left_out = evidence.len() - (EVIDENCE_MAX - 1);
        evidence.truncate(EVIDENCE_MAX - 1);
        evidence.push(EvidenceReference { kind: "More".to_owned(), name: left_out.to_string(), uid: None });
    }
    evidence
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
