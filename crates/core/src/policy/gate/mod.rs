//! The gates: everything that must be open before a canary may be made, each a pure function that says whether it is open,
//! why, and when it opens next.
//!
//! **What lives here**: one file per gate, and the report over all of them with the instant at which all are open.
//!
//! **What must not**: the flag (`policy::flag`), which permits; gates only forbid. Anything that acts.

pub mod budget;
pub mod cooldown;
pub mod rate;
pub mod report;
pub mod suspension;
pub mod target;
pub mod window;

pub use report::{GateInputs, GateReport, evaluate_gates};
pub use suspension::Suspension;
pub use target::TargetClaims;

use jiff::Timestamp;

use crate::{prelude::*, reasons};

/// The gates, in the order in which they are evaluated and shown: from what the clock decides to what people decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum GateName {
    /// A maintenance window is open.
    WindowOpen,
    /// The night has measuring left.
    MeasureBudget,
    /// The night has GPU holding left.
    GpuHoldBudget,
    /// The last tuning run is long enough ago.
    CooldownElapsed,
    /// Few enough tuning runs started lately.
    RateAvailable,
    /// Nothing else works on the target.
    TargetFree,
    /// Nobody has suspended the loop.
    NotSuspended,
}

impl GateName {
    /// Every gate, in order.
    pub const ALL: [Self; 7] = [
        Self::WindowOpen,
        Self::MeasureBudget,
        Self::GpuHoldBudget,
        Self::CooldownElapsed,
        Self::RateAvailable,
        Self::TargetFree,
        Self::NotSuspended,
    ];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowOpen => "WindowOpen",
            Self::MeasureBudget => "MeasureBudget",
            Self::GpuHoldBudget => "GpuHoldBudget",
            Self::CooldownElapsed => "CooldownElapsed",
            Self::RateAvailable => "RateAvailable",
            Self::TargetFree => "TargetFree",
            Self::NotSuspended => "NotSuspended",
        }
    }

    /// The condition of the Escalation that shows it: both budgets share one.
    pub const fn condition(self) -> &'static str {
        match self {
            Self::MeasureBudget | Self::GpuHoldBudget => "BudgetAvailable",
            other => other.name(),
        }
    }
}

reasons! {
    /// Why a gate is open or closed.
    pub enum GateReason {
        /// A maintenance window is open.
        WithinWindow,
        /// No maintenance window is open now.
        OutsideWindow,
        /// No maintenance window is named that could ever open.
        NoWindow,
        /// What the night has left covers the next canary.
        BudgetLeft,
        /// What the night has left does not cover the next canary; the next night has a budget of its own.
        BudgetExhausted,
        /// The budget of a whole night does not cover the least that is needed; raise it, or ask for less.
        BudgetCannotHoldOneCandidate,
        /// No tuning run has ended on this target yet.
        NoTuningRunYet,
        /// The cooldown since the end of the last tuning run is over.
        CooledDown,
        /// The cooldown since the end of the last tuning run is not over.
        CoolingDown,
        /// Fewer tuning runs than allowed started within the rate's period.
        BelowRate,
        /// As many tuning runs as allowed started within the rate's period.
        RateReached,
        /// Nothing else works on the target.
        Free,
        /// An older Escalation rules this target.
        OtherEscalationRules,
        /// A test pod on the target was not seen to end; look at the node, then run `phaseloop retry`.
        TargetFrozen,
        /// Another tuning run is active on the target.
        TuningRunActive,
        /// A promotion on the target waits to be validated; the next run decides.
        PromotionUnvalidated,
        /// Nobody has suspended the loop.
        Running,
        /// Somebody has suspended the loop; lift `suspend` to go on.
        Suspended,
    }
}

/// Where one gate stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateState {
    /// Which gate.
    pub name: GateName,
    /// Whether it is open.
    pub open: bool,
    /// Why.
    pub reason: GateReason,
    /// The figure, the limit, and the next instant.
    pub message: String,
    /// For a closed gate: when it opens by itself, if nothing else happens. `None` if time alone does not open it.
    pub opens_at: Option<Timestamp>,
    /// When time alone changes a figure that it tells, open or closed. `None` where nothing but its opening does, or an
    /// end of the window.
    #[serde(skip)]
    pub changes_at: Option<Timestamp>,
}

impl GateState {
    fn open(name: GateName, reason: GateReason, message: impl Into<String>) -> Self {
        Self { name, open: true, reason, message: message.into(), opens_at: None, changes_at: None }
    }

    fn closed(name: GateName, reason: GateReason, message: impl Into<String>, opens_at: Option<Timestamp>) -> Self {
        Self { name, open: false, reason, message: message.into(), opens_at, changes_at: None }
    }

    fn changing_at(self, changes_at: Option<Timestamp>) -> Self {
        Self { changes_at, ..self }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
