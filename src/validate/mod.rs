//! From wire objects to what the core decides on: texts become zones, windows and schedules, and what can't work is
//! named with its field.
//!
//! **What lives here**: one function per kind that needs it, from a spec that fits its schema to the core's types.
//!
//! **What must not**: reading files or the API server, and deciding anything. A fault here is a fact about a spec, shown
//! with its line by the commands and as a condition by the operator.

use std::fmt;

mod administrator;
mod analysis;
mod escalation;
mod limit;
mod promotion;
mod schedule;
mod window;

pub use administrator::admin_bounds;
pub use analysis::analysis_settings;
pub use escalation::{ScheduleContext, cycle_policy};
pub use limit::{check_limits, check_supported};
pub use promotion::promotion_windows;
pub use schedule::{phase_schedule, schedule_context};
pub use window::{maintenance_windows, windows_zone};

/// What is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFault {
    /// Path of the field within the object, as in `spec.rules[0].threshold`.
    pub path: String,
    /// What is wrong, with the value and the limit.
    pub problem: String,
    /// What to do, where there is something to say.
    pub remedy: Option<String>,
}

impl SpecFault {
    /// A fault of its parts.
    pub fn new(path: impl Into<String>, problem: impl Into<String>, remedy: Option<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), remedy }
    }
}

impl fmt::Display for SpecFault {
    /// One line for a condition: the field, what is wrong, what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// Several faults as one message.
pub fn faults_text(faults: &[SpecFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
