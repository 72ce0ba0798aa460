//! A recorded engine and the machine that it ran on, for the model to be held against.
//!
//! **What lives here**: the recordings of `examples/recorded-nights`, the constants of the machine that made them, and the
//! same nights served by the model.
//!
//! **What must not**: labels in any decision; they only group what is compared here.

mod constants;
mod machine;
mod night;
mod nights;

pub(crate) use machine::{MACHINE, machine};
pub(crate) use night::{Figures, RecordedNight};
pub(crate) use nights::{CALIBRATING, CALIBRATING_FEW, HELD_OUT, HELD_OUT_FEW, nights, of_nights};

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
