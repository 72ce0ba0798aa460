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
    /// A part of a test refuses to begin: too late (`REFUSED_EXIT_CODE`).
    TooLate,
    /// An engine under its guard has ended with this code, and so does the guard.
    OfEngine(u8),
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
            Self::TooLate => 7,
            Self::OfEngine(code) => code,
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

    #[test]
    fn who_is_too_late_says_so_with_the_code_that_is_looked_for_in_pods() {
        assert_eq!(i32::from(Exit::TooLate.code()), crate::probe::REFUSED_EXIT_CODE);
    }
}
