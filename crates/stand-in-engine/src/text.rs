//! The recorded lines with their changing parts left open, and filling them in.

use std::collections::BTreeMap;

use crate::{clock, output::Output};

/// From the first line to the loaded weights.
pub(crate) const BEGIN: &str = include_str!("../texts/begin.txt");
/// From the size of the cache to the running server.
pub(crate) const READY: &str = include_str!("../texts/ready.txt");
/// No memory left for the cache.
pub(crate) const REFUSED_MEMORY: &str = include_str!("../texts/refused-memory.txt");
/// A cache that does not hold one sequence of the longest permitted length.
pub(crate) const REFUSED_LENGTH: &str = include_str!("../texts/refused-length.txt");
/// The engine core is gone.
pub(crate) const DIED: &str = include_str!("../texts/died.txt");
/// What the server says of one streamed request whose engine died.
pub(crate) const DIED_REQUEST: &str = include_str!("../texts/died-request.txt");
/// What is said before [`DIED`] where memory ran out. From vLLM's and PyTorch's sources, not recorded.
pub(crate) const OUT_OF_MEMORY: &str = include_str!("../texts/out-of-memory.txt");
/// The server's end after its engine's.
pub(crate) const ENDED: &str = include_str!("../texts/ended.txt");
/// From SIGTERM to the last line.
pub(crate) const STOPPED: &str = include_str!("../texts/stopped.txt");

/// Lines of [`BEGIN`] that only an eager engine prints.
const EAGER_LINES: [&str; 2] = ["Enforce eager set", "Inductor compilation was disabled"];

/// Lines of [`DIED_REQUEST`] before the frames that repeat, and how many repeat.
const REQUEST_HEAD_LINES: usize = 2;
const REQUEST_FRAME_LINES: usize = 9;

/// The parts to fill in, by name.
pub(crate) type Parts = BTreeMap<&'static str, String>;

/// An engine's voice: where it speaks, and what is the same in all its lines.
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    output: Output,
    parts: Parts,
}

impl Voice {
    /// A voice whose lines have these parts.
    pub(crate) fn new(output: Output, parts: Parts) -> Self {
        Self { output, parts }
    }

    /// Says a text of this module.
    pub(crate) fn say(&self, text: &str) {
        let now = clock::since_epoch();
        let mut parts = self.parts.clone();
        parts.insert("now", clock::log_time(now));
        parts.insert("now_compact", clock::compact_time(now));
        self.output.write(&filled(text, &parts));
    }

    /// Says a text with parts of its own.
    pub(crate) fn say_with(&self, text: &str, parts: Parts) {
        let mut all = self.parts.clone();
        all.extend(parts);
        Self { output: self.output.clone(), parts: all }.say(text);
    }

    /// One line of the API server's access log.
    pub(crate) fn access(&self, line: &str) {
        self.output.write(&format!("INFO:     {line}\n"));
    }
}

/// A text with its open parts filled in. A part without a value stays open, so that tests see it.
pub(crate) fn filled(text: &str, parts: &Parts) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟦') {
        made.push_str(before);
        let Some((name, behind)) = after.split_once('⟧') else { break };
        match parts.get(name) {
            Some(value) => made.push_str(value),
            None => made.extend(['⟦', '?', '⟧']),
        }
        rest = behind;
    }
    made.push_str(rest);
    made
}

/// [`BEGIN`] of an engine that compiles, or of an eager one.
pub(crate) fn begin(eager: bool) -> String {
    let is_printed = |line: &&str| eager || !EAGER_LINES.iter().any(|words| line.contains(words));
    BEGIN.split_inclusive('\n').filter(is_printed).collect()
}

/// What the server says of its streamed requests whose engine died. All of them raise the same exception, which gathers
/// the frames of each: the n-th traceback has the first one's frames n times.
pub(crate) fn died_requests(count: usize) -> String {
    let lines: Vec<&str> = DIED_REQUEST.split_inclusive('\n').collect();
    let (head, rest) = lines.split_at(REQUEST_HEAD_LINES.min(lines.len()));
    let (frames, tail) = rest.split_at(REQUEST_FRAME_LINES.min(rest.len()));
    (1..=count).map(|raised| [head.concat(), frames.concat().repeat(raised), tail.concat()].concat()).collect()
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut made = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            made.push(',');
        }
        made.push(digit);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_parts_are_filled_and_unknown_ones_are_seen() {
        let parts = Parts::from([("name", "tiny".to_owned())]);
        assert_eq!(filled("model ⟦name⟧ at ⟦place⟧, {'a': 1}\n", &parts), "model tiny at ⟦?⟧, {'a': 1}\n");
        assert_eq!(filled("", &parts), "");
    }

    #[test]
    fn thousands_are_grouped_as_python_groups_them() {
        for (number, text) in [(0, "0"), (999, "999"), (1_024, "1,024"), (1_978_368, "1,978,368")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn each_traceback_has_the_frames_of_those_before_it() {
        let lengths = |count: usize| died_requests(count).lines().count();
        assert_eq!((lengths(0), lengths(1), lengths(2), lengths(3)), (0, 17, 17 + 26, 17 + 26 + 35));
    }

    #[test]
    fn an_engine_that_compiles_says_nothing_of_eager() {
        assert!(begin(true).contains("Enforce eager set"));
        assert_eq!(begin(true).lines().count(), begin(false).lines().count() + EAGER_LINES.len());
    }
}
