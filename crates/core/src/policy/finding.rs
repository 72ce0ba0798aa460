//! What is wrong with a policy, as data that a condition can show.

use crate::{prelude::*, reasons};

reasons! {
    /// What the check of a policy found.
    pub enum FindingReason {
        /// The threshold of a rule is below 1 or above what a schedule's history can hold.
        ThresholdOutOfBounds,
        /// Two rules name the same symptom; keep one.
        DuplicateRule,
        /// The counting window is not longer than zero.
        CountingWindowEmpty,
        /// The counting window can never hold as many runs of the schedule as the threshold asks for, so the flag could never be armed.
        WindowCannotHoldThreshold,
        /// The counting window can hold the runs that the threshold asks for, but a late or long one may fall out of it.
        WindowMayMissRuns,
        /// A flag's time to live is not longer than zero, so it would expire as it is armed.
        FlagTtlEmpty,
        /// No instant of the maintenance window lies between the run's verdict and the flag's expiry, so tuning could never begin; start the run earlier, lengthen the flag's time to live, or set validThroughNextWindow.
        PhaseOutlastsWindow,
        /// No maintenance window is named, so nothing may ever be tuned.
        NoMaintenanceWindow,
        /// A maintenance window starts and ends at the same time; for a whole day write 00:00 to 24:00.
        MaintenanceWindowEmpty,
        /// The maintenance windows name several time zones; the budgets of one night need one.
        WindowsDisagreeOnZone,
        /// A budget is zero or below, so no canary could ever run.
        BudgetEmpty,
        /// The cooldown is negative.
        CooldownNegative,
        /// The rate allows no run, or its period is not longer than zero.
        RateEmpty,
    }
}

/// Whether the loop can go on with the policy as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum FindingSeverity {
    /// It works, but not as the author may expect.
    Advises,
    /// It can't work: the object is `Stalled` with this reason.
    Refuses,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFinding {
    /// How grave.
    pub severity: FindingSeverity,
    /// What it is.
    pub reason: FindingReason,
    /// The field at fault, as a path within the Escalation's spec.
    pub field: String,
    /// The figure, the limit, and what to do.
    pub message: String,
}

impl PolicyFinding {
    /// A finding that stops the loop.
    pub(super) fn refuses(reason: FindingReason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: FindingSeverity::Refuses, reason, field: field.into(), message: message.into() }
    }

    /// A finding that is only told.
    pub(super) fn advises(reason: FindingReason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: FindingSeverity::Advises, reason, field: field.into(), message: message.into() }
    }
}
