//! What is kept of an engine's output: the first and the last of it, in whole lines of either stream, and the lines that tell
//! why it ended, wherever they stand.

use std::collections::VecDeque;

use phaseloop_core::analysis::engine_log::EvidenceLines;

use super::super::guard::GUARD_OUTPUT_BYTES;

/// Longest line that is held back until its end comes; of a longer one a part is kept before.
const LINE_BYTES_MAX: usize = 8 * 1_024;

/// The first [`GUARD_OUTPUT_BYTES`] of an output, the last as many beyond them, and the lines of all of it that are evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeptOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    evidence: EvidenceLines,
}

impl KeptOutput {
    /// Takes a line of our own, which ends the engine's output.
    pub(super) fn push_line(&mut self, line: &str) {
        self.evidence.take(line);
        self.push(line.as_bytes());
    }

    /// Takes the next bytes.
    fn push(&mut self, bytes: &[u8]) {
        let room = GUARD_OUTPUT_BYTES.saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.head.extend_from_slice(first);
        let last = rest.get(rest.len().saturating_sub(GUARD_OUTPUT_BYTES)..).unwrap_or_default();
        let too_many = (self.tail.len() + last.len()).saturating_sub(GUARD_OUTPUT_BYTES);
        self.tail.drain(..too_many);
        self.tail.extend(last);
    }

    /// The beginning as text.
    pub(super) fn head(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The lines that tell why the engine ended, of all that it said.
    pub(super) fn evidence(&self) -> &str {
        self.evidence.text()
    }

    /// The end beyond the beginning as text.
    pub(super) fn tail(&self) -> String {
        let (first, second) = self.tail.as_slices();
        String::from_utf8_lossy(&[first, second].concat()).into_owned()
    }
}

/// One of the engine's two streams: what is kept are whole lines, so that none of one stream stands within one of the other.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    begun: Vec<u8>,
    /// Whether the beginning of the line that goes on was passed on.
    is_within_line: bool,
}

impl LineBuffer {
    /// Takes the next bytes of the stream; what is complete goes on.
    pub(super) fn push(&mut self, bytes: &[u8], kept: &mut KeptOutput) {
        self.begun.extend_from_slice(bytes);
        let ended = self.begun.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        let complete = ended.or_else(|| (self.begun.len() >= LINE_BYTES_MAX).then_some(self.begun.len()));
        if let Some(complete) = complete {
            let rest = self.begun.split_off(complete);
            self.pass_on(kept);
            self.begun = rest;
        }
    }

    /// The stream is over: what stands without its end of line goes on.
    pub(super) fn finish(&mut self, kept: &mut KeptOutput) {
        self.pass_on(kept);
    }

    /// Only the beginning of a line says what it is: its rest may be anybody's words.
    fn pass_on(&mut self, kept: &mut KeptOutput) {
        let passed = std::mem::take(&mut self.begun);
        let begun_before = usize::from(self.is_within_line);
        for line in passed.split_inclusive(|byte| *byte == b'\n').skip(begun_before) {
            kept.evidence.take(&String::from_utf8_lossy(line));
        }
        self.is_within_line = !passed.ends_with(b"\n");
        kept.push(&passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pieces: &[&[u8]]) -> (usize, usize, String) {
        let mut output = KeptOutput::default();
        for piece in pieces {
            output.push(piece);
        }
        (output.head.len(), output.tail.len(), output.tail())
    }

    #[test]
    fn the_first_and_the_last_of_an_output_are_kept_whatever_its_pieces() {
        let full = vec![b'h'; GUARD_OUTPUT_BYTES];
        assert_eq!(kept(&[b"a", b"b"]), (2, 0, String::new()));
        assert_eq!(kept(&[&full]), (GUARD_OUTPUT_BYTES, 0, String::new()));
        assert_eq!(kept(&[&full[1..], b"xyz"]), (GUARD_OUTPUT_BYTES, 2, "yz".to_owned()));
        let (_, length, text) = kept(&[&full, &full, b"end"]);
        assert_eq!((length, text.ends_with("hend")), (GUARD_OUTPUT_BYTES, true));
        let (head, length, text) = kept(&[&[&full[..], &full, &full, b"end"].concat()]);
        assert_eq!((head, length, text.ends_with("hend")), (GUARD_OUTPUT_BYTES, GUARD_OUTPUT_BYTES, true));
    }

    #[test]
    fn lines_of_two_streams_do_not_stand_within_each_other() {
        let (mut out, mut error, mut output) = (LineBuffer::default(), LineBuffer::default(), KeptOutput::default());
        out.push(b"first ha", &mut output);
        error.push(b"whole\nbegun", &mut output);
        out.push(b"lf\n", &mut output);
        error.finish(&mut output);
        out.finish(&mut output);
        assert_eq!(output.head(), "whole\nfirst half\nbegun");
    }

    #[test]
    fn a_line_without_an_end_is_kept_in_parts() {
        let (mut lines, mut output) = (LineBuffer::default(), KeptOutput::default());
        lines.push(&[b'x'; LINE_BYTES_MAX - 1], &mut output);
        assert_eq!(output.head.len(), 0);
        lines.push(b"x", &mut output);
        assert_eq!(output.head.len(), LINE_BYTES_MAX);
    }

    #[test]
    fn a_line_of_evidence_is_kept_wherever_it_stands() {
        let (mut lines, mut output) = (LineBuffer::default(), KeptOutput::default());
        let flood = "  File \"queues.py\", line 186, in get\n".repeat(2 * GUARD_OUTPUT_BYTES / 20);
        for piece in [&flood, "torch.OutOfMemoryError: CUDA out ", "of memory.\n", &flood, "EngineDeadError: x"] {
            lines.push(piece.as_bytes(), &mut output);
        }
        assert!(!output.head().contains("CUDA") && !output.tail().contains("CUDA"));
        lines.finish(&mut output);
        assert_eq!(output.evidence(), "torch.OutOfMemoryError: CUDA out of memory.\nEngineDeadError: x\n");
    }

    #[test]
    fn the_rest_of_a_line_that_was_too_long_is_no_evidence() {
        let (mut lines, mut output) = (LineBuffer::default(), KeptOutput::default());
        lines.push(format!("INFO a request says: {}", "x".repeat(LINE_BYTES_MAX)).as_bytes(), &mut output);
        lines.push(&[b'y'; LINE_BYTES_MAX], &mut output);
        lines.push(b"CUDA out of memory\n", &mut output);
        assert_eq!(output.evidence(), "");
        lines.push(b"CUDA out of memory\n", &mut output);
        assert_eq!(output.evidence(), "CUDA out of memory\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_as_such() {
        let mut output = KeptOutput::default();
        output.push(&[b'a', 0xff, b'b']);
        assert_eq!(output.head(), "a\u{fffd}b");
    }
}
