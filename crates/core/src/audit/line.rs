//! The canonical line of a record: one JSON object, its keys in the order of [`AuditRecord`], no space between tokens,
//! absent values as `null`, strings escaped no more than JSON demands, instants in UTC as RFC 3339.
//!
//! `hash` comes last, so that the hashed text is the line without `,"hash":"…"`: whoever checks by hand cuts it off and
//! needs no JSON tool whose spelling might differ.

use super::AuditRecord;
use crate::prelude::*;

impl AuditRecord {
    /// The line as it stands in the export, without its line end.
    pub fn line(&self) -> String {
        // Every field is a string, a number, an instant or a list of such: none can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The text that the hash is taken of: the line without its last field.
    pub fn hashed_line(&self) -> String {
        let line = self.line();
        let end = format!(",\"hash\":{}}}", serde_json::Value::from(self.hash.as_str()));
        let body = line.strip_suffix(end.as_str()).unwrap_or(&line);
        format!("{body}}}")
    }
}

/// A line of an export that is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportLineError {
    /// It can't be read.
    #[error("line {line} of the export is no audit record: {cause}; take the file from its backup")]
    Unreadable {
        /// The line, counted from 1.
        line: usize,
        /// What the reader says.
        cause: String,
    },
    /// It can be read, but it is not spelt as we spell it, so its bytes were touched.
    #[error("line {line} of the export is not in canonical form, so it was written again by something else")]
    NotCanonical {
        /// The line, counted from 1.
        line: usize,
    },
}

/// Reads an export, one record per line; empty lines are passed over. Records of several objects may stand between each
/// other: verify them object by object.
///
/// # Errors
/// [`ExportLineError`] for the first line that is no record or not spelt canonically.
pub fn parse_export(text: &str) -> Result<Vec<AuditRecord>, ExportLineError> {
    let mut records = Vec::new();
    for (position, content) in text.lines().enumerate() {
        if content.is_empty() {
            continue;
        }
        let line = position + 1;
        let record: AuditRecord = serde_json::from_str(content)
            .map_err(|error| ExportLineError::Unreadable { line, cause: error.to_string() })?;
        if record.line() != content {
            return Err(ExportLineError::NotCanonical { line });
        }
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
