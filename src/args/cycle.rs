//! `phaseloop cycle`.

use phaseloop_core::plan::OwnKind;

use super::access::AccessArguments;
use crate::{
    api::Duration,
    handling::{cycle::Subject, name::ObjectName},
};

/// `phaseloop cycle`.
#[derive(Debug, Clone, clap::Args)]
pub struct CycleArguments {
    /// phaseschedule/NAME, or its name alone: a run of it; phaserun/NAME: this run. Left out: the namespace's one schedule
    #[arg(value_name = "SCHEDULE|phaserun/NAME", value_parser = subject)]
    pub subject: Option<CycleSubject>,
    /// Make a run now instead of awaiting the one that goes on, or the next
    #[arg(long)]
    pub force: bool,
    /// How long it is awaited; the cycle goes on in the cluster all the same
    #[arg(long, value_name = "DURATION", default_value = "8h")]
    pub timeout: Duration,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: super::OutputFormat,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// What a cycle is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CycleSubject {
    /// A run of this schedule.
    Schedule(String),
    /// This run.
    Run(String),
}

impl CycleArguments {
    /// What is awaited.
    ///
    /// # Errors
    /// A run that exists can't be made now.
    pub fn subject(&self) -> Result<Subject, &'static str> {
        match (&self.subject, self.force) {
            (Some(CycleSubject::Run(_)), true) => Err("--force makes a run of a schedule: name a schedule, or none"),
            (Some(CycleSubject::Run(name)), false) => Ok(Subject::Run(name.clone())),
            (Some(CycleSubject::Schedule(name)), force) => Ok(Subject::Schedule { name: Some(name.clone()), force }),
            (None, force) => Ok(Subject::Schedule { name: None, force }),
        }
    }
}

fn subject(text: &str) -> Result<CycleSubject, String> {
    if !text.contains('/') {
        return super::operator::name(text).map(CycleSubject::Schedule);
    }
    let object: ObjectName = text.parse()?;
    match object.kind {
        OwnKind::PhaseSchedule => Ok(CycleSubject::Schedule(object.name)),
        OwnKind::PhaseRun => Ok(CycleSubject::Run(object.name)),
        _ => Err("a cycle is that of a phaseschedule or a phaserun".to_owned()),
    }
}

pub(super) const CYCLE_HELP: &str = "\
A cycle is one PhaseRun and all that follows from it: its verdict; if it armed a flag and the gates are open, the tuning run;
and the promotion of the winner. The command waits until nothing more follows now: a degraded run that was only counted, or
whose flag waits for a later window, ends its cycle. A promotion that waits for a person or for its window is made; one that
is being rolled out is waited for.

What is waited for goes to standard error as it changes, how it ended to standard output. A run that is made with --force has
the schedule's own spec and labels, and counts as that says. Ctrl-C ends the command alone: the cycle goes on in the cluster.

Examples:
  phaseloop cycle --force -n chat                        # a run now, of the namespace's one schedule
  phaseloop cycle llama-8b -n chat --timeout 30h         # the run that goes on, or the next night's
  phaseloop cycle phaserun/llama-8b-20260304-0300 -n chat --output json | jq -r .reason

Exit codes: 0 healthy; 1 degraded and not fixed; 2 fixed: a promotion was made; 3 unknown, an error, or its end was not seen;
64 wrong usage.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_that_of_a_schedule_or_of_a_run() {
        assert_eq!(subject("llama-8b"), Ok(CycleSubject::Schedule("llama-8b".to_owned())));
        assert_eq!(subject("phsched/a"), Ok(CycleSubject::Schedule("a".to_owned())));
        assert_eq!(subject("phaserun/a-1"), Ok(CycleSubject::Run("a-1".to_owned())));
        for text in ["escalation/a", "phaserun/", "A", ""] {
            assert!(subject(text).is_err(), "{text}");
        }
    }
}
