//! From bytes in any pieces to lines of bounded length.

use crate::prelude::*;

/// Longest row, bytes: `params` may be large, but a row is one test's figures and not its output.
pub const ROW_BYTES_MAX: usize = 64 * 1024;

/// A line as it is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Its bytes, without the line break; of a line that is too long, its beginning.
    pub(super) bytes: &'a [u8],
    /// Whether there were more than [`ROW_BYTES_MAX`] bytes.
    pub(super) is_too_long: bool,
    /// Whether a line break ended it, not the report's end.
    pub(super) is_ended: bool,
}

/// Splits bytes into lines and keeps at most one of them.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    begun: Vec<u8>,
    is_too_long: bool,
    ended_lines: u64,
}

impl LineSplitter {
    /// Takes the next piece and hands on each line that it ends.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
            let (segment, after) = rest.split_at(length);
            rest = after.get(1..).unwrap_or_default();
            if self.begun.is_empty() && segment.len() <= ROW_BYTES_MAX {
                self.hand_on(segment, true, &mut take);
                continue;
            }
            self.keep(segment);
            let begun = core::mem::take(&mut self.begun);
            self.hand_on(&begun, true, &mut take);
            self.begun = begun;
            self.begun.clear();
        }
        self.keep(rest);
    }

    /// Hands on what no line break ended.
    pub(super) fn finish(mut self, mut take: impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            let begun = core::mem::take(&mut self.begun);
            self.hand_on(&begun, false, &mut take);
        }
    }

    fn hand_on(&mut self, bytes: &[u8], is_ended: bool, take: &mut impl FnMut(Line<'_>)) {
        self.ended_lines += 1;
        let is_too_long = core::mem::take(&mut self.is_too_long);
        take(Line { number: self.ended_lines, bytes, is_too_long, is_ended });
    }

    fn keep(&mut self, segment: &[u8]) {
        let room = ROW_BYTES_MAX.saturating_sub(self.begun.len());
        self.is_too_long |= segment.len() > room;
        self.begun.extend_from_slice(segment.get(..room).unwrap_or(segment));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<(u64, Vec<u8>, bool, bool)> {
        let mut lines = Vec::new();
        let mut splitter = LineSplitter::default();
        for piece in pieces {
            splitter
                .push(piece, |line| lines.push((line.number, line.bytes.to_vec(), line.is_too_long, line.is_ended)));
            assert!(splitter.begun.len() <= ROW_BYTES_MAX);
        }
        splitter.finish(|line| lines.push((line.number, line.bytes.to_vec(), line.is_too_long, line.is_ended)));
        lines
    }

    fn line(number: u64, text: &str, is_ended: bool) -> (u64, Vec<u8>, bool, bool) {
        (number, text.as_bytes().to_vec(), false, is_ended)
    }

    #[test]
    fn lines_are_numbered_and_the_last_may_lack_its_end() {
        assert_eq!(lines_of(&[b"a\n\nb"]), [line(1, "a", true), line(2, "", true), line(3, "b", false)]);
        assert_eq!(lines_of(&[b"a\n"]), [line(1, "a", true)]);
        assert_eq!(lines_of(&[b""]), []);
        assert_eq!(lines_of(&[b"a", b"b", b"\nc", b"\n"]), [line(1, "ab", true), line(2, "c", true)]);
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_one_byte_more_is_too_long() {
        for split in [0, 1, ROW_BYTES_MAX / 2, ROW_BYTES_MAX] {
            let at_limit = [vec![b'x'; ROW_BYTES_MAX], b"\ny\n".to_vec()].concat();
            let lines = lines_of(&[&at_limit[..split], &at_limit[split..]]);
            assert_eq!((lines[0].1.len(), lines[0].2), (ROW_BYTES_MAX, false), "{split}");
            assert_eq!(lines[1], line(2, "y", true));
            let above = [vec![b'x'; ROW_BYTES_MAX + 1], b"\ny\n".to_vec()].concat();
            let lines = lines_of(&[&above[..split], &above[split..]]);
            assert_eq!((lines[0].1.len(), lines[0].2), (ROW_BYTES_MAX, true), "{split}");
            assert_eq!(lines[1], line(2, "y", true));
        }
        let endless = vec![b'x'; ROW_BYTES_MAX];
        let lines = lines_of(&[&endless, &endless, b"x", b"\n", b"z"]);
        assert_eq!((lines.len(), lines[0].2), (2, true));
        assert_eq!(lines[1], line(2, "z", false));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(text in "[ab\n]{0,60}", cuts in prop::collection::vec(0_usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut begin = 0;
            for cut in cuts {
                pieces.push(&text.as_bytes()[begin..cut]);
                begin = cut;
            }
            pieces.push(&text.as_bytes()[begin..]);
            prop_assert_eq!(lines_of(&pieces), lines_of(&[text.as_bytes()]));
        }
    }
}
