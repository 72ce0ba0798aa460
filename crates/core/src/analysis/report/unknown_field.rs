//! Fields that the contract does not name: most are the test image's own, some are misspelt.

use super::row::FIELDS;
use crate::{prelude::*, value::nearest_name};

/// Different unknown names that are looked at; images add a handful of their own, not hundreds.
const NAMES_MAX: usize = 64;

/// An unknown field whose name is close to a known one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MisspeltField {
    /// The name as the rows have it.
    pub name: String,
    /// The known field it resembles.
    pub nearest: &'static str,
    /// The first line that has it.
    pub line: u64,
    /// Rows that have it.
    pub rows: u64,
}

/// The unknown names seen so far, each with what it resembles.
#[derive(Debug, Default)]
pub(super) struct UnknownFields {
    seen: BTreeMap<String, Option<MisspeltField>>,
}

impl UnknownFields {
    /// Takes note of an unknown field of a row.
    pub(super) fn see(&mut self, name: &str, line: u64) {
        if let Some(known) = self.seen.get_mut(name) {
            if let Some(field) = known {
                field.rows += 1;
            }
        } else if self.seen.len() < NAMES_MAX {
            let misspelt = |nearest| MisspeltField { name: name.to_owned(), nearest, line, rows: 1 };
            self.seen.insert(name.to_owned(), nearest_name(name, FIELDS).map(misspelt));
        }
    }

    /// Those that resemble a known field, by name.
    pub(super) fn misspelt(self) -> Vec<MisspeltField> {
        self.seen.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_field_is_told_with_its_first_line_and_its_rows() {
        let mut fields = UnknownFields::default();
        for (name, line) in [("latencyms", 2), ("hostname", 2), ("latencyms", 5), ("hostname", 5), ("stauts", 7)] {
            fields.see(name, line);
        }
        assert_eq!(
            fields.misspelt(),
            [
                MisspeltField { name: "latencyms".to_owned(), nearest: "latency_ms", line: 2, rows: 2 },
                MisspeltField { name: "stauts".to_owned(), nearest: "status", line: 7, rows: 1 },
            ]
        );
    }

    #[test]
    fn no_more_than_64_names_are_looked_at() {
        let mut fields = UnknownFields::default();
        for number in 0..63 {
            fields.see(&format!("own-name-{number}"), 1);
        }
        fields.see("stauts", 1);
        fields.see("domian", 1);
        fields.see("stauts", 2);
        let misspelt = fields.misspelt();
        assert_eq!((misspelt.len(), misspelt[0].rows), (1, 2));
    }
}
