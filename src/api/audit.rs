//! The record of transitions that each object carries.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// One transition of an object. Each record holds the hash of the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionRecord {
    /// Position in the chain, from 0.
    #[schemars(schema_with = "schema::count")]
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
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
    /// Hash of the record before; left out on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::digest")]
    pub previous_hash: Option<String>,
    /// Hash of this record.
    #[schemars(schema_with = "schema::digest")]
    pub hash: String,
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
