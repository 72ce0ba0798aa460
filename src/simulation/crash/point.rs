//! Where a story can be disturbed.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::simulation::operator::Interruption;

/// What happens at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Disturbance {
    /// The operator is killed before the write is carried out, and started again.
    KilledBefore,
    /// The operator is killed after the write was carried out and before it learns of that, and started again.
    KilledAfter,
    /// The write is carried out and its answer is lost; the operator lives on.
    ReplyLost,
    /// Of two replicas the one that writes is paused before the write is carried out, the other takes over, and the first
    /// one goes on with the write.
    Takeover,
}

impl Disturbance {
    /// Every disturbance.
    pub const ALL: [Self; 4] = [Self::KilledBefore, Self::KilledAfter, Self::ReplyLost, Self::Takeover];

    /// How a command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KilledBefore => "killed-before",
            Self::KilledAfter => "killed-after",
            Self::ReplyLost => "reply-lost",
            Self::Takeover => "takeover",
        }
    }

    /// How many replicas it takes at least.
    pub const fn replicas(self) -> usize {
        match self {
            Self::KilledBefore | Self::KilledAfter | Self::ReplyLost => 1,
            Self::Takeover => 2,
        }
    }

    pub(super) const fn interruption(self) -> Interruption {
        match self {
            Self::KilledBefore => Interruption::KilledBefore,
            Self::KilledAfter => Interruption::KilledAfter,
            Self::ReplyLost => Interruption::ReplyLost,
            Self::Takeover => Interruption::Paused,
        }
    }
}

/// A disturbance at one write of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// The write, counted from 1 over all replicas.
    pub write: u64,
    /// What happens there.
    pub disturbance: Disturbance,
}

/// As a command line names it: `212:killed-before`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.write, self.disturbance.name())
    }
}

/// Not the name of a point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write it as 212:killed-before: the number of a write from 1 on, and one of {}", names())]
pub struct NoPoint;

fn names() -> String {
    Disturbance::ALL.map(Disturbance::name).join(", ")
}

impl FromStr for Point {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let (write, name) = text.split_once(':').ok_or(NoPoint)?;
        let write = write.parse().ok().filter(|write| *write > 0).ok_or(NoPoint)?;
        let disturbance = Disturbance::ALL.into_iter().find(|one| one.name() == name).ok_or(NoPoint)?;
        Ok(Self { write, disturbance })
    }
}

/// Every point of a story with so many writes of one operator, and so many of two replicas; of each disturbance the first
/// one and every `stride`-th after it.
pub fn points(writes_of_one: usize, writes_of_two: usize, stride: usize) -> Vec<Point> {
    let of = |disturbance: Disturbance| {
        let writes = if disturbance.replicas() > 1 { writes_of_two } else { writes_of_one };
        (1..=writes).step_by(stride.max(1)).map(move |write| Point { write: write as u64, disturbance })
    };
    Disturbance::ALL.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_is_a_point_of_every_disturbance_and_a_stride_takes_some() {
        assert_eq!(points(3, 5, 1).len(), 3 + 3 + 3 + 5);
        let some = points(7, 7, 3);
        assert_eq!(some.len(), 12);
        assert_eq!(some.iter().take(3).map(|point| point.write).collect::<Vec<_>>(), [1, 4, 7]);
    }

    #[test]
    fn a_point_is_read_as_it_is_written() {
        for disturbance in Disturbance::ALL {
            let point = Point { write: 12, disturbance };
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for wrong in ["12", "0:takeover", "x:takeover", "12:slept"] {
            assert_eq!(wrong.parse::<Point>(), Err(NoPoint), "{wrong}");
        }
    }
}
