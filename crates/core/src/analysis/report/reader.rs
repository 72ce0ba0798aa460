//! The reader: bytes in, a summary out, memory bounded by constants.

use super::{
    domain::DomainReport,
    lines::{Line, LineSplitter, ROW_BYTES_MAX},
    register::{Registered, TESTS_REGISTERED_MAX, TestRegister},
    rejection::{RejectionReason, Rejections},
    row::{RawRow, Rejection},
    summary::ReportSummary,
    unknown_field::UnknownFields,
};
use crate::{analysis::non_finite::quote_non_finite, prelude::*};

/// Domains of one report. A PhaseRun has a handful; more than 64 is a field that holds something else.
pub const DOMAINS_MAX: usize = 64;
/// What a text editor of Windows puts before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What the rows of a report must carry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportSettings {
    /// The run that is read: rows of another one are foreign, rows without are rejected. Absent: any.
    pub run_id: Option<String>,
    /// The epoch that is read, likewise.
    pub epoch_id: Option<String>,
}

/// Reads a report handed over in any pieces. Keeps one line, at most [`DOMAINS_MAX`] running summaries, the hashes of at
/// most [`TESTS_REGISTERED_MAX`] tests, and a few examples of rejected rows.
#[derive(Debug)]
pub struct ReportReader {
    splitter: LineSplitter,
    rows: RowReader,
}

/// Everything but the splitting.
#[derive(Debug)]
struct RowReader {
    settings: ReportSettings,
    tests: TestRegister,
    unknown: UnknownFields,
    summary: ReportSummary,
}

/// Reads a report that is in memory.
pub fn read_report(bytes: &[u8], settings: ReportSettings) -> ReportSummary {
    let mut reader = ReportReader::new(settings);
    reader.push(bytes);
    reader.finish()
}

impl ReportReader {
    /// A reader that has read nothing.
    pub fn new(settings: ReportSettings) -> Self {
        Self::with_room_for_tests(settings, TESTS_REGISTERED_MAX)
    }

    fn with_room_for_tests(settings: ReportSettings, room: usize) -> Self {
        let rows = RowReader {
            settings,
            tests: TestRegister::new(room),
            unknown: UnknownFields::default(),
            summary: ReportSummary::default(),
        };
        Self { splitter: LineSplitter::default(), rows }
    }

    /// Takes the next bytes of the report.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { splitter, rows } = self;
        splitter.push(bytes, |line| rows.read_line(line));
    }

    /// The report is over.
    pub fn finish(self) -> ReportSummary {
        let Self { splitter, mut rows } = self;
        splitter.finish(|line| rows.read_line(line));
        ReportSummary { misspelt_fields: rows.unknown.misspelt(), ..rows.summary }
    }
}

impl RowReader {
    fn read_line(&mut self, line: Line<'_>) {
        let text = match line.bytes.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if line.number == 1 => rest,
            _ => line.bytes,
        };
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let outcome = if line.is_too_long {
            Err(Rejection::new(RejectionReason::RowTooLong, format!("more than {ROW_BYTES_MAX} bytes")))
        } else {
            self.read_row(text, line)
        };
        match outcome {
            Ok(()) => self.summary.rows_accepted += 1,
            Err(Rejection { reason, detail }) => {
                let rejections: &mut Rejections = self.summary.rejected.entry(reason).or_default();
                rejections.add(line.number, &detail, text);
            }
        }
    }

    fn read_row(&mut self, text: &[u8], line: Line<'_>) -> Result<(), Rejection> {
        if !text.starts_with(b"{") {
            return Err(no_object(text));
        }
        let error = match RawRow::parse(text) {
            Ok(row) => return self.take_row(row, line.number),
            Err(error) => error,
        };
        // Python writes NaN and Infinity bare: with quotes the field that holds one can be named.
        if let Some(quoted) = quote_non_finite(text)
            && let Ok(row) = RawRow::parse(&quoted)
        {
            return self.take_row(row, line.number);
        }
        let is_cut_off = error.is_eof() && !line.is_ended;
        let reason = if is_cut_off { RejectionReason::TruncatedRow } else { RejectionReason::BrokenJson };
        Err(Rejection::new(reason, format!("column {}: {}", error.column(), message_of(&error))))
    }

    fn take_row(&mut self, row: RawRow<'_>, line_number: u64) -> Result<(), Rejection> {
        for name in &row.unknown {
            self.unknown.see(name, line_number);
        }
        let row = row.check()?;
        check_origin("run_id", self.settings.run_id.as_deref(), row.run_id.as_deref())?;
        check_origin("epoch_id", self.settings.epoch_id.as_deref(), row.epoch_id.as_deref())?;
        let domains = &mut self.summary.domains;
        if !domains.contains_key(&*row.domain) && domains.len() >= DOMAINS_MAX {
            let detail = format!("domain {:?} is one more than {DOMAINS_MAX}", row.domain);
            return Err(Rejection::new(RejectionReason::TooManyDomains, detail));
        }
        match self.tests.register(&row.domain, &row.test_id) {
            Registered::New => {}
            Registered::Unchecked => self.summary.tests_unchecked_for_duplicates += 1,
            Registered::Repeated => {
                let detail = format!("test {:?} of domain {:?} was reported before", row.test_id, row.domain);
                return Err(Rejection::new(RejectionReason::DuplicateTest, detail));
            }
        }
        if let Some(domain) = domains.get_mut(&*row.domain) {
            domain.take(&row);
        } else {
            let mut domain = DomainReport::default();
            domain.take(&row);
            domains.insert(row.domain.into_owned(), domain);
        }
        Ok(())
    }
}

/// A line that does not begin with a brace.
fn no_object(text: &[u8]) -> Rejection {
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        Ok(_) => Rejection::new(RejectionReason::NotAnObject, "expected a JSON object with the fields of a test"),
        Err(error) => {
            let detail = format!("column {}: {}", error.column(), message_of(&error));
            Rejection::new(RejectionReason::BrokenJson, detail)
        }
    }
}

fn check_origin(field: &str, expected: Option<&str>, found: Option<&str>) -> Result<(), Rejection> {
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            let detail = format!("field {field:?} is {found:?}, expected {expected:?}");
            Err(Rejection::new(RejectionReason::ForeignRun, detail))
        }
        (Some(_), None) => Err(Rejection::new(RejectionReason::MissingField, format!("no field {field:?}"))),
        _ => Ok(()),
    }
}

/// The parser's message without its place.
fn message_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests;
