//! Arguments of the commands that run in a test pod: a command's name, then `--name value` pairs, then, for a guard, `--`
//! and the words that it runs.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

/// A container's words are not those of the command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command}: {problem}")]
pub struct RequestError {
    /// The command, as `phaseloop preflight`.
    pub command: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// The words of a command, read: each flag once, and what follows `--`.
#[derive(Debug)]
pub(super) struct Words<'a> {
    command: &'static str,
    flags: BTreeMap<&'a str, &'a str>,
    pub(super) rest: &'a [String],
}

impl<'a> Words<'a> {
    /// Reads the words after the program: `[command, --flag, value, ..., --, rest ...]`.
    pub(super) fn read(
        command: &'static str,
        words: &'a [String],
        known: &[&'static str],
    ) -> Result<Self, RequestError> {
        let error = |problem: String| RequestError { command, problem };
        let mut words = match words.split_first() {
            Some((name, words)) if name == command => words,
            _ => return Err(error(format!("the first word is not {command}"))),
        };
        let mut flags = BTreeMap::new();
        loop {
            words = match words {
                [] => return Ok(Self { command, flags, rest: &[] }),
                [mark, rest @ ..] if mark == "--" => return Ok(Self { command, flags, rest }),
                [flag, value, rest @ ..] => {
                    let name = flag.strip_prefix("--").filter(|name| known.contains(name));
                    let name = name.ok_or_else(|| error(format!("{flag} is none of its flags")))?;
                    if flags.insert(name, value.as_str()).is_some() {
                        return Err(error(format!("--{name} stands twice")));
                    }
                    rest
                }
                [flag] => return Err(error(format!("{flag} has no value"))),
            };
        }
    }

    /// Refuses words after the flags, for the commands that take none.
    pub(super) fn end(&self) -> Result<(), RequestError> {
        let problem = || format!("it takes no words besides its flags, and there is {:?}", self.rest.first());
        if self.rest.is_empty() { Ok(()) } else { Err(RequestError { command: self.command, problem: problem() }) }
    }

    /// The value of a flag that must be there.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, RequestError> {
        let error = |problem: String| RequestError { command: self.command, problem };
        let text = self.flags.get(name).ok_or_else(|| error(format!("--{name} is missing")))?;
        text.parse().map_err(|problem| error(format!("--{name} {text}: {problem}")))
    }

    /// The value of a flag that may be left out.
    pub(super) fn optional<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, RequestError> {
        if self.flags.contains_key(name) { self.value(name).map(Some) } else { Ok(None) }
    }
}

/// A flag with its value, as two words.
pub(super) fn flag(name: &str, value: impl Display) -> [String; 2] {
    [format!("--{name}"), value.to_string()]
}
