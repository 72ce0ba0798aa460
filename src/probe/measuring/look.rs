//! When the engine's metrics were looked at, and what lies between two looks.

use crate::probe::load::Micros;

/// How long what the engine has counted may be on its way to the client: it counts a token, and hands out its text after
/// those of all others of the same step. An engine or a client that takes longer is one that is wrong to measure by.
const ON_ITS_WAY_MAX: Micros = Micros(100_000);

/// A look at the engine's metrics. They are of some instant between question and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) asked: Micros,
    pub(super) answered: Micros,
}

/// The time between two looks at one life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Look,
    pub(super) to: Look,
}

impl Look {
    /// The instant that it is taken for: halfway between question and answer.
    const fn at(self) -> Micros {
        self.asked.plus(Micros(self.answered.since(self.asked).0 / 2))
    }

    /// Whether what the client saw at that instant may have been counted before the look or after it.
    fn is_near(self, at: Micros) -> bool {
        self.asked.since(ON_ITS_WAY_MAX) <= at && at <= self.answered.plus(ON_ITS_WAY_MAX)
    }
}

impl Span {
    /// Whether an instant lies between the looks.
    pub(super) fn holds(self, at: Micros) -> bool {
        self.from.at() < at && at <= self.to.at()
    }

    /// Whether an instant lies so near to one of them that nobody can tell on which side of it the engine counted.
    pub(super) fn is_near_an_end(self, at: Micros) -> bool {
        self.from.is_near(at) || self.to.is_near(at)
    }
}
