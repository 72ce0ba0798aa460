//! Lines and their rendering.

use std::borrow::Cow;

use jiff::{Timestamp, tz::TimeZone};

use super::super::units::Micros;

/// Everything that an engine printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineLog {
    /// Lines in the order of printing.
    pub lines: Vec<LogLine>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it is printed, on the caller's time line.
    pub at: Micros,
    /// Process, severity and place in the source; absent for lines that no logger formats.
    pub origin: Option<(Process, Severity, &'static str)>,
    /// The message.
    pub message: Cow<'static, str>,
}

/// A process of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// The HTTP server, the container's first process.
    ApiServer,
    /// The engine itself.
    EngineCore,
}

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Routine.
    Info,
    /// Something odd.
    Warning,
    /// Something failed.
    Error,
}

impl Process {
    /// Its name and its number in the container, as the logger prints them.
    const fn label(self) -> &'static str {
        match self {
            Self::ApiServer => "APIServer pid=1",
            Self::EngineCore => "EngineCore pid=97",
        }
    }
}

impl Severity {
    const fn label(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl EngineLog {
    /// Adds a line that the logger formats.
    pub(super) fn say(
        &mut self,
        at: Micros,
        process: Process,
        severity: Severity,
        place: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.lines.push(LogLine { at, origin: Some((process, severity, place)), message: message.into() });
    }

    /// Adds a line that no logger formats.
    pub(super) fn print(&mut self, at: Micros, message: impl Into<Cow<'static, str>>) {
        self.lines.push(LogLine { at, origin: None, message: message.into() });
    }

    /// This log and what was printed after it.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.lines.extend(later.lines);
        self
    }

    /// What has been printed by an instant.
    #[must_use]
    pub fn until(&self, instant: Micros) -> Self {
        Self { lines: self.lines.iter().filter(|line| line.at <= instant).cloned().collect() }
    }

    /// The text of the log, if the caller's time line began at `beginning`. vLLM prints no year and no time zone; the
    /// model's is UTC.
    pub fn text(&self, beginning: Timestamp) -> String {
        let mut text = String::new();
        for line in &self.lines {
            if let Some((process, severity, place)) = line.origin {
                let length = jiff::SignedDuration::from(line.at);
                let printed = beginning.checked_add(length).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
                let time = printed.strftime("%m-%d %H:%M:%S");
                text.extend([format!("({}) {} {time} [{place}] ", process.label(), severity.label())]);
            }
            text.push_str(&line.message);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_those_of_the_recorded_server() {
        let mut log = EngineLog::default();
        log.say(Micros(1_999_999), Process::EngineCore, Severity::Error, "core.py:1510", "EngineCore failed to start.");
        log.print(Micros(2_000_000), "INFO:     Shutting down");
        let text = log.text("2026-11-23T01:57:30Z".parse().unwrap());
        assert_eq!(
            text,
            "(EngineCore pid=97) ERROR 11-23 01:57:31 [core.py:1510] EngineCore failed to start.\nINFO:     Shutting down\n"
        );
    }

    #[test]
    fn a_log_grows_and_is_cut_by_time() {
        let mut log = EngineLog::default();
        log.print(Micros(1), "a");
        let mut later = EngineLog::default();
        later.print(Micros(3), "b");
        let whole = log.then(later);
        assert_eq!(whole.text(Timestamp::UNIX_EPOCH), "a\nb\n");
        assert_eq!(whole.until(Micros(2)).text(Timestamp::UNIX_EPOCH), "a\n");
        assert_eq!(whole.until(Micros(3)), whole);
    }
}
