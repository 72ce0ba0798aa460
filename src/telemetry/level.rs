//! What is logged: a level for phaseloop's own lines, or levels by target.

use std::{fmt, str::FromStr};

use tracing_subscriber::filter::{LevelFilter, Targets};

/// Longest filter that is read: more than anybody types.
pub const FILTER_LENGTH_MAX: usize = 512;

/// A filter of log lines, in the words that it was given in.
#[derive(Debug, Clone)]
pub struct LogFilter {
    text: String,
    targets: Targets,
}

impl LogFilter {
    /// The filter for the log.
    pub fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { text: "info".to_owned(), targets: of_level(LevelFilter::INFO) }
    }
}

/// One level is for phaseloop's own lines; what libraries say below a warning is asked for by their target.
fn of_level(level: LevelFilter) -> Targets {
    Targets::new().with_default(LevelFilter::WARN.min(level)).with_target("phaseloop", level)
}

/// Not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log filter: error, warn, info, debug, trace or off; or levels by target, as in info,kube=debug ({0})")]
pub struct LogFilterError(String);

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let text = text.trim();
        if text.is_empty() || text.len() > FILTER_LENGTH_MAX {
            return Err(LogFilterError(format!("1 to {FILTER_LENGTH_MAX} characters")));
        }
        if let Ok(level) = text.parse::<LevelFilter>() {
            return Ok(Self { text: text.to_owned(), targets: of_level(level) });
        }
        let mut targets = Targets::new().with_default(LevelFilter::WARN);
        for part in text.split(',').map(str::trim) {
            let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
            let wrong = |_| LogFilterError(format!("{level:?} is no level"));
            let level: LevelFilter = level.parse().map_err(wrong)?;
            targets = match target {
                Some(target) if is_target(target) => targets.with_target(target, level),
                Some(target) => return Err(LogFilterError(format!("{target:?} is no target"))),
                None => targets.with_target("phaseloop", level),
            };
        }
        Ok(Self { text: text.to_owned(), targets })
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for LogFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LogFilter {}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn filter(text: &str) -> LogFilter {
        text.parse().unwrap()
    }

    #[test]
    fn a_level_alone_is_of_our_own_lines_and_libraries_only_warn() {
        let debug = filter("debug").targets();
        assert!(debug.would_enable("phaseloop::operator", &Level::DEBUG));
        assert!(!debug.would_enable("phaseloop::operator", &Level::TRACE));
        assert!(!debug.would_enable("kube_client", &Level::INFO));
        assert!(debug.would_enable("kube_client", &Level::WARN));
        let error = filter("error").targets();
        assert!(!error.would_enable("kube_client", &Level::WARN), "a quieter log is quieter everywhere");
        assert!(!filter("off").targets().would_enable("phaseloop", &Level::ERROR));
    }

    #[test]
    fn levels_by_target_are_what_they_say() {
        let mixed = filter("info, kube_client=debug,phaseloop::cluster=trace").targets();
        assert!(mixed.would_enable("phaseloop::operator", &Level::INFO));
        assert!(!mixed.would_enable("phaseloop::operator", &Level::DEBUG));
        assert!(mixed.would_enable("phaseloop::cluster::lease", &Level::TRACE));
        assert!(mixed.would_enable("kube_client::client", &Level::DEBUG));
        assert!(!mixed.would_enable("hyper", &Level::INFO));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_would_be_one() {
        for text in ["", "loud", "info,=debug", "a b=info", "kube=loud", &"a".repeat(FILTER_LENGTH_MAX + 1)] {
            let error = text.parse::<LogFilter>().unwrap_err();
            assert!(error.to_string().contains("as in info,kube=debug"), "{text}: {error}");
        }
    }
}
