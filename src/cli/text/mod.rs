//! Answers as text for people: short lines with the figure, the limit, and what happens next.
//!
//! **What lives here**: layout. **What must not**: words that a decision should have said itself.

mod colour;
mod crashes;
mod figure;
mod judgement;
mod replay;
mod simulate;

pub(super) use colour::coloured;
pub(super) use crashes::crashes_text;
pub(super) use judgement::judgement_text;
pub(super) use replay::replay_text;
pub use simulate::simulate_text;

use std::fmt::Write as _;

/// A line at the end of a text.
fn line(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "{}", line.trim_end());
}
