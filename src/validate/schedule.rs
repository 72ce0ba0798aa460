//! PhaseSchedules.

use phaseloop_core::schedule::{CronExpression, Schedule, Zone};

use super::{ScheduleContext, SpecFault};
use crate::api::phase_schedule::PhaseScheduleSpec;

/// The schedule of a PhaseSchedule.
pub fn phase_schedule(spec: &PhaseScheduleSpec, faults: &mut Vec<SpecFault>) -> Option<Schedule> {
    let cron = spec.schedule.parse::<CronExpression>();
    let zone = Zone::named(&spec.time_zone.0);
    if let Err(error) = &cron {
        faults.push(SpecFault::new("spec.schedule", error.to_string(), None));
    }
    if let Err(error) = &zone {
        faults.push(SpecFault::new("spec.timeZone", error.to_string(), None));
    }
    Some(Schedule { cron: cron.ok()?, zone: zone.ok()? })
}

/// What an Escalation needs to know of its target's schedule.
pub fn schedule_context(spec: &PhaseScheduleSpec, faults: &mut Vec<SpecFault>) -> Option<ScheduleContext> {
    let schedule = phase_schedule(spec, faults)?;
    Some(ScheduleContext { schedule, run_timeout: spec.run.timeout.into() })
}
