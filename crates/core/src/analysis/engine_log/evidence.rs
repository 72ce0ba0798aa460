//! The lines of an output by which an engine's end is classified: what a reader of a stream keeps, who can't keep all of it.

use super::{
    classify::is_stop,
    cue::{Cue, cue_of},
    line::LogLine,
    start::{has_started_serving, is_cpu_engine},
};
use crate::prelude::*;

/// Bytes that are read of one line. What is longer is no line of an error but a dump of tensors, arguments or prompts; a
/// failure's message keeps 300 characters.
pub const EVIDENCE_LINE_BYTES_MAX: usize = 2 * 1_024;
/// Kinds of evidence, of each of which the first line is kept: 11 cues, the first exception, the mark of an orderly end, of
/// serving, and of the CPU engine.
pub const EVIDENCE_LINES_MAX: usize = 15;
/// Bytes that are kept at most, line ends included: 15 x 2,049 = 30,735, less than 32 KiB.
pub const EVIDENCE_BYTES_MAX: usize = EVIDENCE_LINES_MAX * (EVIDENCE_LINE_BYTES_MAX + 1);

/// What a line is kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cue(Cue),
    Exception,
    Stop,
    Serving,
    CPUEngine,
}

/// What counts as evidence while an output goes on. Once the server was asked to end, only causes do: every orderly end of
/// a busy server reports a dead engine, and exceptions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hearing {
    was_stopped: bool,
}

impl Hearing {
    /// What the next line is evidence of.
    pub(super) fn cue(&mut self, line: &LogLine<'_>) -> Option<Cue> {
        self.was_stopped |= is_stop(line);
        if line.is_routine {
            return None;
        }
        cue_of(line.message).filter(|cue| !self.was_stopped || *cue < Cue::StartFailed)
    }
}

/// The lines of an output that decide why its engine ended, in their order: [`super::classify_engine_end`] answers to them
/// as to the whole output. An engine with many requests in flight writes more after the cause of its death than anybody
/// keeps; of each kind of evidence only the first line counts, so a few lines are enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EvidenceLines {
    hearing: Hearing,
    kinds: BTreeSet<Kind>,
    text: String,
}

impl EvidenceLines {
    /// Reads the next line, of which the first [`EVIDENCE_LINE_BYTES_MAX`] bytes count.
    pub fn take(&mut self, line: &str) {
        let line = beginning(line.trim_end());
        let parsed = LogLine::parse(line);
        let cue = self.hearing.cue(&parsed);
        let is_exception = parsed.is_exception() && !self.hearing.was_stopped;
        let kinds = [
            cue.map(Kind::Cue),
            is_exception.then_some(Kind::Exception),
            is_stop(&parsed).then_some(Kind::Stop),
            has_started_serving(line).then_some(Kind::Serving),
            is_cpu_engine(line).then_some(Kind::CPUEngine),
        ];
        let before = self.kinds.len();
        self.kinds.extend(kinds.into_iter().flatten());
        if self.kinds.len() > before {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// The lines, at most [`EVIDENCE_BYTES_MAX`] bytes.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The part of a line that is read.
fn beginning(line: &str) -> &str {
    let limit = line.len().min(EVIDENCE_LINE_BYTES_MAX);
    (0..=limit).rev().find_map(|end| line.get(..end)).unwrap_or_default()
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
