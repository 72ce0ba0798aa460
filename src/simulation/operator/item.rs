//! An object that a replica looks at.

use std::fmt;

use phaseloop_core::plan::OwnKind;

use crate::controllers::ObjectKey;

/// An object to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkItem {
    /// Its kind.
    pub kind: OwnKind,
    /// Its namespace and name.
    pub key: ObjectKey,
}

impl fmt::Display for WorkItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}
