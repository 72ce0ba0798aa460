//! The verdict on a run or on one of its domains.

use core::fmt;

/// What a run says of the target's health. Absence of evidence is `Unknown`, never `Healthy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Verdict {
    /// Measured, comparable, and nothing is worse.
    Healthy,
    /// Measured, comparable, and at least one metric is worse.
    Degraded,
    /// The evidence is missing, invalid, or there is nothing to compare with.
    Unknown,
    /// The run's own specification can't run.
    Error,
}

impl Verdict {
    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
            Self::Error => "Error",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
