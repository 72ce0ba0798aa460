//! What a death of the operator changes: nothing.
//!
//! **What lives here**: the points at which a story's operator can be disturbed, one at each of its writes; the history
//! with a disturbance at one of them; what a history leaves behind, in a form in which two of them can be compared; the
//! survey of all points.
//!
//! **What must not**: knowledge of what the operator decides. Two histories are compared as they are, and a field that may
//! differ stands in one list, with the reason.

mod compare;
mod history;
mod outcome;
mod point;
mod survey;
mod time;
mod unsaid;

pub use compare::{Comparison, Difference, compare};
pub use history::{Histories, History, HistoryError, disturbed_from_the_beginning, disturbed_story};
pub use outcome::{Outcome, outcome_of};
pub use point::{Disturbance, NoPoint, Point, points};
pub use survey::{CrashReport, Finding, SurveyTerms, survey};
pub use time::DELAY_MAX;
