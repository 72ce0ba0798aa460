//! Rejected rows: why, how many, and the first few of each kind with their place.

use crate::{prelude::*, reasons};

/// Examples kept of each reason: enough to see a pattern, and to find the place.
const EXAMPLES_MAX: usize = 3;
/// Characters of a row that an example shows.
const EXCERPT_LENGTH_MAX: usize = 80;

reasons! {
    /// Why a row of a report was not counted.
    pub enum RejectionReason {
        /// The row is no JSON; each line of a report must be one JSON object.
        BrokenJson,
        /// The row is JSON, but no object with fields.
        NotAnObject,
        /// A field that every row needs is absent or null.
        MissingField,
        /// A field holds another kind of value than it should.
        WrongType,
        /// A field holds a value that cannot have been measured: negative, not a number, or out of range.
        ImpossibleValue,
        /// The status is none of pass, fail, flake, skip.
        UnknownStatus,
        /// The row belongs to another run or epoch than the one that is read.
        ForeignRun,
        /// The same test of the same domain was reported before; its first row counts.
        DuplicateTest,
        /// The row is longer than the reader takes.
        RowTooLong,
        /// The report names more domains than the reader takes; rows of further domains do not count.
        TooManyDomains,
        /// The report ends in the middle of its last row: whoever wrote it was stopped.
        TruncatedRow,
    }
}

/// One rejected row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedRow {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong, with the field where there is one.
    pub detail: String,
    /// The first characters of the row.
    pub excerpt: String,
}

/// The rejected rows of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejections {
    /// How many.
    pub count: u64,
    /// The first few.
    pub examples: Vec<RejectedRow>,
}

impl Rejections {
    /// Counts a row, and keeps it if it is among the first.
    pub(super) fn add(&mut self, line: u64, detail: &str, row: &[u8]) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(RejectedRow { line, detail: detail.to_owned(), excerpt: excerpt(row) });
        }
    }
}

/// The first characters of a row, printable. A character takes at most four bytes.
fn excerpt(row: &[u8]) -> String {
    let head = row.get(..EXCERPT_LENGTH_MAX * 4).unwrap_or(row);
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    String::from_utf8_lossy(head).chars().map(printable).take(EXCERPT_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_rows_are_kept_and_all_are_counted() {
        let mut rejections = Rejections::default();
        for line in 1..=5 {
            rejections.add(line, "no field \"domain\"", b"{}");
        }
        assert_eq!(rejections.count, 5);
        assert_eq!(rejections.examples.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            (rejections.examples[0].detail.as_str(), rejections.examples[0].excerpt.as_str()),
            ("no field \"domain\"", "{}")
        );
    }

    #[test]
    fn an_excerpt_is_short_and_printable_whatever_the_row_holds() {
        assert_eq!(excerpt(b"a\tb\xff"), "a b\u{fffd}");
        assert_eq!(excerpt(&[b'x'; 500]), "x".repeat(80));
        assert_eq!(excerpt("ä".repeat(500).as_bytes()), "ä".repeat(80));
        assert_eq!(excerpt("🦀".repeat(80).as_bytes()), "🦀".repeat(80));
        assert_eq!(excerpt(&[b'x'; 79]).len(), 79);
    }
}
