//! What is kept of an engine's output: the first and the last of it, in whole lines of either stream.

use std::collections::VecDeque;

use super::super::guard::GUARD_OUTPUT_BYTES;

/// Longest line that is held back until its end comes; of a longer one a part is kept before.
const LINE_BYTES_MAX: usize = 8 * 1_024;

/// The first [`GUARD_OUTPUT_BYTES`] of an output, and the last as many beyond them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeptOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
}

impl KeptOutput {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
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
}

impl LineBuffer {
    /// Takes the next bytes of the stream; what is complete goes on.
    pub(super) fn push(&mut self, bytes: &[u8], kept: &mut KeptOutput) {
        self.begun.extend_from_slice(bytes);
        let ended = self.begun.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        let complete = ended.or_else(|| (self.begun.len() >= LINE_BYTES_MAX).then_some(self.begun.len()));
        if let Some(complete) = complete {
            let rest = self.begun.split_off(complete);
            kept.push(&self.begun);
            self.begun = rest;
        }
    }

    /// The stream is over: what stands without its end of line goes on.
    pub(super) fn finish(&mut self, kept: &mut KeptOutput) {
        kept.push(&std::mem::take(&mut self.begun));
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
    fn bytes_that_are_no_text_are_told_as_such() {
        let mut output = KeptOutput::default();
        output.push(&[b'a', 0xff, b'b']);
        assert_eq!(output.head(), "a\u{fffd}b");
    }
}
