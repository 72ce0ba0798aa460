//! One line of an engine's output: its level, and the message without what differs from run to run.

use crate::prelude::*;

/// Characters of a line that a failure's message keeps.
const MESSAGE_LENGTH_MAX: usize = 300;

/// A line, split as vLLM's formatter writes it: `(EngineCore pid=7) ERROR 11-23 01:57:31 [core.py:1510] message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogLine<'a> {
    /// The message, without process, level, time and place; the whole line where it has none of them.
    pub(super) message: &'a str,
    /// Whether the line reports nothing wrong. Such a line is no evidence of a failure: it may quote a request.
    pub(super) is_routine: bool,
}

impl<'a> LogLine<'a> {
    /// Splits a line.
    pub(super) fn parse(line: &'a str) -> Self {
        let rest = match line.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((process, rest)) if process.contains(" pid=") => rest,
            _ => line,
        };
        let level = rest.split([' ', ':']).next().unwrap_or_default();
        let is_routine = matches!(level, "INFO" | "DEBUG");
        let is_level = is_routine || matches!(level, "WARNING" | "ERROR" | "CRITICAL");
        let message = match rest.split_once('[').and_then(|(_, place)| place.split_once(']')) {
            Some((place, message)) if is_level && place.contains(".py:") => message,
            _ => rest,
        };
        Self { message: message.trim(), is_routine }
    }

    /// The message as a failure keeps it: printable, and cut to 300 characters.
    pub(super) fn shortened(&self) -> String {
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        self.message.chars().map(printable).take(MESSAGE_LENGTH_MAX).collect()
    }

    /// Whether the line is the last one of a Python traceback: `ValueError: ...`, `vllm.errors.EngineDeadError: ...`.
    pub(super) fn is_exception(&self) -> bool {
        let Some((name, _)) = self.message.split_once(": ") else {
            return false;
        };
        let is_path = name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_'));
        is_path && !self.is_routine && (name.ends_with("Error") || name.ends_with("Exception"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_level_time_and_place_are_no_part_of_the_message() {
        for (line, message, is_routine) in [
            (
                "(EngineCore pid=7) ERROR 11-23 01:57:31 [core.py:1510] EngineCore failed to start.",
                "EngineCore failed to start.",
                false,
            ),
            (
                "(APIServer pid=1) INFO 11-23 01:46:32 [a.py:1] Using max model len [1024]",
                "Using max model len [1024]",
                true,
            ),
            ("DEBUG 11-23 01:46:32 [a.py:1] x", "x", true),
            ("WARNING 11-23 01:46:32 [a.py:1] x", "x", false),
            ("CRITICAL 11-23 01:46:32 [a.py:1] x", "x", false),
            (
                "INFO:     127.0.0.1:1 - \"GET /health HTTP/1.1\" 200 OK",
                "INFO:     127.0.0.1:1 - \"GET /health HTTP/1.1\" 200 OK",
                true,
            ),
            ("  ValueError: no [x.py:1] level", "ValueError: no [x.py:1] level", false),
            ("(EngineCore pid=7) RuntimeError: broken", "RuntimeError: broken", false),
            ("(not a process) RuntimeError: broken", "(not a process) RuntimeError: broken", false),
            ("ERROR [no place] message", "ERROR [no place] message", false),
            ("", "", false),
        ] {
            assert_eq!(LogLine::parse(line), LogLine { message, is_routine }, "{line}");
        }
    }

    #[test]
    fn a_message_is_cut_at_300_characters_and_printable() {
        let line = format!("ä\t{}", "x".repeat(299));
        let shortened = LogLine::parse(&line).shortened();
        assert_eq!(shortened.chars().count(), 300);
        assert!(shortened.starts_with("ä x"));
        assert_eq!(LogLine::parse(&"x".repeat(300)).shortened().len(), 300);
    }

    #[test]
    fn the_last_line_of_a_traceback_is_known() {
        for line in ["ValueError: x", "torch.OutOfMemoryError: x", "my_module.MyException: x", "(W pid=1) OSError: x"] {
            assert!(LogLine::parse(line).is_exception(), "{line}");
        }
        for line in [
            "ValueError",
            "Error in x: y",
            "raise ValueError(",
            "INFO 1 [a.py:1] ValueError: x",
            "File \"a\": x",
            "Value: x",
        ] {
            assert!(!LogLine::parse(line).is_exception(), "{line}");
        }
    }
}
