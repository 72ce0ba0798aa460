//! When a PHASE runs: cron expressions, time zones, and what to do about starts that were missed.
//!
//! **What lives here**: the five-field cron expression with errors that name the field, the IANA zone with its two
//! odd nights a year, the firings of a schedule as instants, the decision whether a run starts now, and the words for
//! where a run stands.
//!
//! **What must not**: names of objects (`plan::name`), maintenance windows (`policy::window`), anything that acts.

pub mod cron;
pub mod cron_field;
pub mod decide;
pub mod firing;
pub mod instant;
pub mod run_reason;
pub mod zone;

pub use cron::{CronError, CronExpression};
pub use decide::{ScheduleDecision, ScheduleInput, ScheduleReason, decide_schedule};
pub use firing::{Schedule, SchedulePeriod};
pub use instant::{earlier_by, later_by};
pub use run_reason::RunReason;
pub use zone::{Zone, ZoneError};
