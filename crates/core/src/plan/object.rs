//! Objects of our own kinds, as a plan names them.

use core::fmt;

use crate::{prelude::*, value::Uid};

/// The five kinds of phaseloop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum OwnKind {
    /// When a PHASE runs.
    PhaseSchedule,
    /// One run and its verdict.
    PhaseRun,
    /// The policy of one target.
    Escalation,
    /// One candidate, or the incumbent.
    TuningCanary,
    /// The winner on its way.
    Promotion,
}

impl OwnKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::PhaseSchedule, Self::PhaseRun, Self::Escalation, Self::TuningCanary, Self::Promotion];

    /// The name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PhaseSchedule => "PhaseSchedule",
            Self::PhaseRun => "PhaseRun",
            Self::Escalation => "Escalation",
            Self::TuningCanary => "TuningCanary",
            Self::Promotion => "Promotion",
        }
    }
}

impl fmt::Display for OwnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One object of ours, in the namespace of the plan's object. Every write to it tests the uid: an object that was
/// deleted and made again under the same name is another object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnObject {
    /// Its kind.
    pub kind: OwnKind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Uid,
}

impl OwnObject {
    /// An object of ours.
    pub fn new(kind: OwnKind, name: impl Into<String>, uid: Uid) -> Self {
        Self { kind, name: name.into(), uid }
    }
}

impl fmt::Display for OwnObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_print_and_serialise_under_their_own_name() {
        for kind in OwnKind::ALL {
            assert_eq!(format!("{kind:?}"), kind.name());
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn objects_print_as_kind_and_name() {
        assert_eq!(OwnObject::new(OwnKind::PhaseRun, "chat", Uid::new("u")).to_string(), "PhaseRun/chat");
    }
}
