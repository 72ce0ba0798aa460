//! Exit codes: one meaning each, in every command.

use std::process::ExitCode;

use phaseloop_core::value::Verdict;

/// How a command ended. The numbers are part of the interface: scripts rest on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked; for a verdict: healthy.
    Success,
    /// The target is degraded.
    Degraded,
    /// The target was degraded, and a promotion was made.
    Fixed,
    /// The verdict is unknown, or what was to be read or done failed.
    UnknownOrError,
    /// The command line itself is wrong (`EX_USAGE` of sysexits.h).
    Usage,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Degraded => 1,
            Self::Fixed => 2,
            Self::UnknownOrError => 3,
            Self::Usage => 64,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Healthy => Self::Success,
            Verdict::Degraded => Self::Degraded,
            Verdict::Unknown | Verdict::Error => Self::UnknownOrError,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_healthy_verdict_exits_with_zero() {
        let codes =
            [Verdict::Healthy, Verdict::Degraded, Verdict::Unknown, Verdict::Error].map(|v| Exit::from(v).code());
        assert_eq!(codes, [0, 1, 3, 3]);
        assert_eq!((Exit::Fixed.code(), Exit::Usage.code()), (2, 64));
    }
}
