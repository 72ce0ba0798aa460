//! The plan: everything that one look at one object asks for.

use super::{Intent, Wake};
use crate::prelude::*;

/// What one decision asks for, as one value: what is remembered first, what is then done in order, what is reported at
/// the end, and when to look again. `Report` is the status of the plan's kind.
///
/// The driver carries a plan out top to bottom and stops at the first failure. Because `remember` is written (checked
/// against the resourceVersion that was decided on) before the first intent, an effect never exists without the fact
/// that it rests on; because `report` is written last, a status never claims what was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<Report> {
    /// Status to write before anything else; absent where the intents rest on nothing new.
    pub remember: Option<Report>,
    /// What to do, in this order.
    pub intents: Vec<Intent>,
    /// Status to write when all of it is done.
    pub report: Report,
    /// When to look again.
    pub wake: Wake,
}

impl<Report> Plan<Report> {
    /// A plan that only reports.
    pub const fn report_only(report: Report, wake: Wake) -> Self {
        Self { remember: None, intents: Vec::new(), report, wake }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_only_reports_does_nothing_else() {
        let plan = Plan::report_only("fine", Wake::OnChange);
        assert_eq!(plan, Plan { remember: None, intents: vec![], report: "fine", wake: Wake::OnChange });
    }
}
