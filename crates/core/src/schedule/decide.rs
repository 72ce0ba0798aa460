//! Whether a run starts now: each scheduled instant at most once, a missed one caught up once within the deadline.

use jiff::{SignedDuration, Timestamp};

use super::firing::Schedule;
use crate::{prelude::*, reasons, value::format_duration};

/// How late a start still counts as punctual: the resolution of cron.
pub const ON_TIME_TOLERANCE: SignedDuration = SignedDuration::from_mins(1);
/// Most missed starts that are counted one by one; a hundred says enough of how long nothing ran.
pub const MISSED_COUNT_MAX: i64 = 100;

reasons! {
    /// Why a schedule starts a run now, or does not.
    pub enum ScheduleReason {
        /// The scheduled instant has just come.
        OnTime,
        /// The scheduled instant was missed by no more than the starting deadline, so its run starts now.
        CaughtUp,
        /// The last scheduled instant was missed by more than the starting deadline; the next one is awaited.
        TooLate,
        /// The schedule's earlier run has not ended; runs of one schedule never overlap.
        OverlapsEarlierRun,
        /// The schedule is suspended; lift `suspend` to go on.
        Suspended,
        /// No scheduled instant has come since the last one that was dealt with.
        NotYet,
        /// The spec can't work; the message names the field and what to do.
        InvalidSpec,
        /// The cluster refused to take the run; it is tried again until the starting deadline.
        RunRefused,
    }
}

/// What the decision is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScheduleInput {
    /// When runs are wanted.
    pub schedule: Schedule,
    /// How late a missed start may be caught up; exactly this late is still in time.
    pub starting_deadline: SignedDuration,
    /// Whether the schedule is suspended.
    pub suspended: bool,
    /// The last scheduled instant that was dealt with: started, or given up as too late.
    pub last_schedule_time: Option<Timestamp>,
    /// The name of the schedule's run that has not ended, if there is one.
    pub active_run: Option<String>,
    /// When the schedule was created: what lay before was never missed.
    pub created_at: Timestamp,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleDecision {
    /// The scheduled instant whose run starts now. The run's name is made of it, so that nobody can start it twice.
    pub start: Option<Timestamp>,
    /// The new `lastScheduleTime`, where an instant was dealt with: started, or given up. It is remembered before the
    /// run is made; the run's name makes a repetition harmless.
    pub settled: Option<Timestamp>,
    /// Scheduled instants that will never have a run, since the last one dealt with; at most [`MISSED_COUNT_MAX`].
    pub missed: i64,
    /// The next scheduled instant after now. `None` only at the end of the calendar.
    pub next: Option<Timestamp>,
    /// Why.
    pub reason: ScheduleReason,
    /// The same, for a person.
    pub message: String,
}

/// Decides whether a run starts now.
///
/// Guarantees, for any sequence of instants at which it is asked, if `settled` is remembered: an instant is started at
/// most once; of several missed ones only the last is caught up; nothing is started later than the deadline.
pub fn decide_schedule(input: &ScheduleInput, now: Timestamp) -> ScheduleDecision {
    let dealt_with = input.last_schedule_time.map_or(input.created_at, |last| last.max(input.created_at));
    let next = input.schedule.next_after(now.max(dealt_with));
    let due = input.schedule.previous_at_or_before(now).filter(|due| *due > dealt_with);
    let Some(due) = due else {
        let reason = if input.suspended { ScheduleReason::Suspended } else { ScheduleReason::NotYet };
        let message = match (input.suspended, next) {
            (true, _) => "suspended: nothing is started".to_owned(),
            (false, Some(next)) => format!("next run at {next}"),
            (false, None) => "no further run in this calendar".to_owned(),
        };
        return ScheduleDecision { start: None, settled: None, missed: 0, next, reason, message };
    };
    let late_by = now.duration_since(due);
    let skipped = count_between(&input.schedule, dealt_with, due);
    let give_up = |reason: ScheduleReason, message: String| {
        let missed = (skipped + 1).min(MISSED_COUNT_MAX);
        ScheduleDecision { start: None, settled: Some(due), missed, next, reason, message }
    };
    let wait = |reason: ScheduleReason, message: String| ScheduleDecision {
        start: None,
        settled: None,
        missed: skipped,
        next,
        reason,
        message,
    };
    let (late, deadline) = (format_duration(late_by), format_duration(input.starting_deadline));
    let is_too_late = late_by > input.starting_deadline;
    if input.suspended {
        // What a suspension outlasts was not missed: it is dealt with, so that nobody is told of it afterwards.
        let settled = is_too_late.then_some(due);
        let message = format!("suspended: the run of {due} is not started");
        return ScheduleDecision { settled, missed: 0, ..wait(ScheduleReason::Suspended, message) };
    }
    if is_too_late {
        let message = format!("the run of {due} is {late} late, more than the starting deadline of {deadline}");
        return give_up(ScheduleReason::TooLate, message);
    }
    if let Some(run) = &input.active_run {
        let message = format!("the run of {due} waits for the earlier run {run} to end");
        return wait(ScheduleReason::OverlapsEarlierRun, message);
    }
    let (reason, message) = if late_by < ON_TIME_TOLERANCE {
        (ScheduleReason::OnTime, format!("the run of {due} starts"))
    } else {
        let message = format!("the run of {due} starts {late} late, within the starting deadline of {deadline}");
        (ScheduleReason::CaughtUp, message)
    };
    ScheduleDecision { start: Some(due), settled: Some(due), missed: skipped, next, reason, message }
}

/// Firings strictly between two instants, at most [`MISSED_COUNT_MAX`].
fn count_between(schedule: &Schedule, after: Timestamp, before: Timestamp) -> i64 {
    let mut count = 0;
    let mut reached = before;
    while count < MISSED_COUNT_MAX {
        let just_before = super::instant::earlier_by(reached, SignedDuration::from_nanos(1));
        match schedule.previous_at_or_before(just_before) {
            Some(firing) if firing > after => {
                count += 1;
                reached = firing;
            }
            _ => break,
        }
    }
    count
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
