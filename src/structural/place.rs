//! Where in a value something is, told only where something is wrong there.

use crate::yaml::{element_path, field_path};

/// A place in a value: most of them are passed in silence, so that none is written down on the way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// The value itself.
    Root,
    /// A field of an object.
    Field(&'a Place<'a>, &'a str),
    /// An element of a list.
    Element(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// The path of the place, as in `spec.domains[0].name`; empty for the value itself.
    pub(super) fn path(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => field_path(&parent.path(), name),
            Self::Element(parent, index) => element_path(&parent.path(), index),
        }
    }

    /// Whether it is the value itself.
    pub(super) const fn is_root(self) -> bool {
        matches!(self, Self::Root)
    }
}
