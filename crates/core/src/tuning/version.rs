//! Versions of the engine, and the ranges of them for which a catalogue entry holds.

use core::{fmt, str::FromStr};

use crate::prelude::*;

/// A release of vLLM by its first two numbers: flags come and go with these, not with patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

/// The text names no version of vLLM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no vLLM version; write it as `vllm 0.32.0` or `0.32.0`")]
pub struct EngineVersionError(pub String);

impl EngineVersion {
    /// The version of these two numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

impl FromStr for EngineVersion {
    type Err = EngineVersionError;

    /// Reads `vllm 0.32.0`, `vllm 0.32.0 (cpu)`, `v0.32.1rc1`, `0.32`: what follows the second number is not looked at.
    fn from_str(text: &str) -> Result<Self, EngineVersionError> {
        let refuse = || EngineVersionError(text.to_owned());
        let mut words = text.split_ascii_whitespace();
        let first = words.next().ok_or_else(refuse)?;
        let version = if first.eq_ignore_ascii_case("vllm") { words.next().ok_or_else(refuse)? } else { first };
        let mut numbers = version.strip_prefix('v').unwrap_or(version).split('.');
        let major = numbers.next().and_then(|number| number.parse().ok()).ok_or_else(refuse)?;
        let minor = numbers.next().and_then(|number| number.parse().ok()).ok_or_else(refuse)?;
        Ok(Self { major, minor })
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Versions from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VersionRange {
    /// The first version.
    pub first: EngineVersion,
    /// The last version.
    pub last: EngineVersion,
}

impl VersionRange {
    /// Whether the version lies in the range.
    pub fn contains(self, version: EngineVersion) -> bool {
        self.first <= version && version <= self.last
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vLLM {}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_in_every_form_that_is_seen() {
        for text in ["vllm 0.32.0", "vllm 0.32.0 (cpu)", "vLLM 0.32.1rc1", "v0.32.0", "0.32.0", "0.32", " 0.32.0 "] {
            assert_eq!(text.parse(), Ok(EngineVersion::new(0, 32)), "{text:?}");
        }
        assert_eq!("1.4.2".parse(), Ok(EngineVersion::new(1, 4)));
    }

    #[test]
    fn what_names_no_version_is_refused_with_its_text() {
        for text in ["", "vllm", "vllm latest", "0", "0.x", "sglang 0.5.1", "a.b"] {
            assert_eq!(text.parse::<EngineVersion>(), Err(EngineVersionError(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn a_range_includes_both_its_ends_and_nothing_beyond() {
        let range = VersionRange { first: EngineVersion::new(0, 30), last: EngineVersion::new(0, 33) };
        for (minor, inside) in [(29, false), (30, true), (32, true), (33, true), (34, false)] {
            assert_eq!(range.contains(EngineVersion::new(0, minor)), inside, "0.{minor}");
        }
        assert!(!range.contains(EngineVersion::new(1, 31)));
        assert_eq!(range.to_string(), "vLLM 0.30-0.33");
    }
}
