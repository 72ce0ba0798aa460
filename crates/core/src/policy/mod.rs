//! When the loop may act: counting symptoms, the flag, the gates, the two budgets.
//!
//! **What lives here**: exactly-once counting in a sliding window, flags with their expiry, one pure function per gate,
//! the ledger's arithmetic, and every limit with its reason.
//!
//! **What must not**: judging a run (`analysis`), choosing values (`tuning`), anything that acts.

pub mod administration;
pub mod bound;
pub mod conflict;
pub mod counting;
pub mod finding;
#[cfg(test)]
pub(crate) mod fixture;
pub mod flag;
pub mod gate;
pub mod ledger;
pub mod local_time;
pub mod night;
pub mod reservation;
pub mod rule;
pub mod safety;
pub mod start;
pub mod window;

pub use administration::AdministrationReason;
pub use conflict::{EscalationIdentity, ruling_escalation};
pub use counting::{CountedRun, CountingRule, SymptomCount, count_symptoms, derived_counting_window};
pub use finding::{FindingReason, FindingSeverity, PolicyFinding};
pub use flag::{Flag, FlagReason, FlagState, check_phase_fits_window, decide_flag};
pub use gate::{GateInputs, GateName, GateReason, GateReport, GateState, Suspension, TargetClaims, evaluate_gates};
pub use ledger::{CanaryConclusion, CanaryFacts, CanaryRole, Ledger, NightBalance, Spend, TuningRunFacts};
pub use local_time::{DayOfWeek, LocalTime};
pub use night::{MaintenanceWindows, NightId, OpenWindow};
pub use reservation::{CONCLUSION_TIME, CanaryRequest, Reservation};
pub use rule::{EscalationRule, check_rules};
pub use safety::{SafetySettings, check_safety};
pub use start::{StartInputs, StartPermit, StartReason, StartRefusal, decide_start};
pub use window::{MaintenanceWindow, WindowInstance};
