//! A report that others write while it is read.
//!
//! The report is what the file holds in the end. A file that was cut or replaced is therefore read anew from its beginning,
//! and what it held before does not count.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use phaseloop_core::analysis::report::{ReportReader, ReportSettings, ReportSummary};

/// What is read at a time.
const PIECE_BYTES: usize = 256 * 1_024;
/// Bytes before the place that was read to, which must stand there still: another content of the same length differs in them,
/// because rows carry times and names of tests.
const SEAM_BYTES: usize = 256;

/// A report that may grow, be cut, or be replaced.
#[derive(Debug)]
pub(super) struct GrowingReport {
    path: PathBuf,
    reader: ReportReader,
    read_bytes: u64,
    seam: Vec<u8>,
    complained: bool,
}

impl GrowingReport {
    pub(super) fn new(path: &Path) -> Self {
        let reader = ReportReader::new(ReportSettings::default());
        Self { path: path.to_owned(), reader, read_bytes: 0, seam: Vec::new(), complained: false }
    }

    /// Reads what has been written since the last time. A file that is not there, or can't be read, may be later.
    pub(super) fn read_on(&mut self) {
        match self.try_read_on() {
            Ok(()) => {}
            // Whatever was read of a report that is gone is gone with it.
            Err(error) if error.kind() == ErrorKind::NotFound => self.begin_anew("is gone"),
            Err(error) => {
                if !self.complained {
                    eprintln!("{} can't be read: {error}", self.path.display());
                }
                self.complained = true;
            }
        }
    }

    fn try_read_on(&mut self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        if !self.goes_on_in(&mut file)? {
            self.begin_anew("was cut or replaced: it is read from its beginning");
        }
        file.seek(SeekFrom::Start(self.read_bytes))?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.reader.push(read);
            self.read_bytes += read.len() as u64;
            self.seam.extend_from_slice(read.get(read.len().saturating_sub(SEAM_BYTES)..).unwrap_or_default());
            self.seam.drain(..self.seam.len().saturating_sub(SEAM_BYTES));
        }
    }

    /// Whether the file still holds what was read last, at its place.
    fn goes_on_in(&self, file: &mut File) -> io::Result<bool> {
        if file.metadata()?.len() < self.read_bytes {
            return Ok(false);
        }
        let mut found = vec![0; self.seam.len()];
        file.seek(SeekFrom::Start(self.read_bytes.saturating_sub(self.seam.len() as u64)))?;
        match file.read_exact(&mut found) {
            Ok(()) => Ok(found == self.seam),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn begin_anew(&mut self, why: &str) {
        if self.read_bytes > 0 {
            eprintln!("{} {why}", self.path.display());
            *self = Self::new(&self.path);
        }
    }

    /// The report is over.
    pub(super) fn finish(self) -> ReportSummary {
        self.reader.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use phaseloop_core::analysis::report::RejectionReason;

    use super::*;

    fn row(test: &str) -> String {
        format!("{{\"domain\":\"d\",\"test_id\":\"{test}\",\"status\":\"pass\",\"latency_ms\":1}}\n")
    }

    /// What is read of a file that holds each of these contents in turn, or does not exist.
    fn read(name: &str, contents: &[Option<&str>]) -> ReportSummary {
        let path = std::env::temp_dir().join(format!("phaseloop-growing-{}-{name}", std::process::id()));
        let mut report = GrowingReport::new(&path);
        for content in contents {
            match content {
                Some(content) => fs::write(&path, content).unwrap(),
                None => drop(fs::remove_file(&path)),
            }
            report.read_on();
        }
        drop(fs::remove_file(&path));
        report.finish()
    }

    #[test]
    fn a_report_is_read_while_it_grows_also_in_the_middle_of_a_row() {
        let whole = [row("a"), row("b"), row("c")].concat();
        let parts: Vec<Option<&str>> = (0..=whole.len()).step_by(7).map(|end| Some(&whole[..end])).collect();
        let summary = read("grows", &[&parts[..], &[Some(&whole), Some(&whole)]].concat());
        assert_eq!((summary.rows_accepted, summary.rows_rejected()), (3, 0));
    }

    #[test]
    fn a_report_that_was_cut_or_replaced_is_what_it_holds_in_the_end() {
        let (one, three) = (row("a"), [row("b"), row("c"), row("d")].concat());
        assert_eq!(read("cut", &[Some(&three), Some(&one)]).rows_accepted, 1);
        assert_eq!(read("longer", &[Some(&one), Some(&three)]).rows_accepted, 3, "as long, with another content");
        let other = row("z");
        assert_eq!(read("same", &[Some(&one), Some(&other)]).rows_accepted, 1);
        assert_eq!(read("gone", &[Some(&three), None]).rows_accepted, 0);
    }

    #[test]
    fn a_report_that_comes_late_counts_and_one_that_never_comes_has_no_row() {
        assert_eq!(read("late", &[None, None, Some(&row("a"))]).rows_accepted, 1);
        assert_eq!(read("never", &[None, None]), ReportSummary::default());
    }

    #[test]
    fn a_row_without_its_end_is_told_as_cut_off() {
        let summary = read("broken", &[Some(&format!("{}{{\"domain\":\"d\",", row("a")))]);
        assert_eq!(summary.rows_accepted, 1);
        assert_eq!(summary.rejected.keys().copied().collect::<Vec<_>>(), [RejectionReason::TruncatedRow]);
    }
}
