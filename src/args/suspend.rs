//! `phaseloop suspend`, `resume`, `abort` and `retry`.

use jiff::Timestamp;
use phaseloop_core::value::parse_duration;

use super::access::AccessArguments;
use crate::handling::name::ObjectName;

/// Characters of a reason, as the kind allows.
const REASON_LENGTH_MAX: usize = 256;

/// `phaseloop suspend`.
#[derive(Debug, Clone, clap::Args)]
pub struct SuspendArguments {
    /// What is suspended
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT", default_value = "phaseloop suspend", value_parser = reason)]
    pub reason: String,
    /// When Escalations go on by themselves: an instant, or a duration from now; schedules have no such end
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub until: Option<When>,
}

/// `phaseloop resume`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResumeArguments {
    /// What goes on
    #[command(flatten)]
    pub selection: SelectionArguments,
}

/// `phaseloop abort`.
#[derive(Debug, Clone, clap::Args)]
pub struct AbortArguments {
    /// What is ended: phaserun/NAME or tuningcanary/NAME
    #[arg(value_name = "KIND/NAME")]
    pub object: ObjectName,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// `phaseloop retry`.
#[derive(Debug, Clone, clap::Args)]
pub struct RetryArguments {
    /// The canary whose pod was not seen to end: tuningcanary/NAME
    #[arg(value_name = "KIND/NAME")]
    pub object: ObjectName,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// Which objects are switched.
#[derive(Debug, Clone, clap::Args)]
pub struct SelectionArguments {
    /// One of them: escalation/NAME or phaseschedule/NAME
    #[arg(value_name = "KIND/NAME", required_unless_present = "all", conflicts_with = "all")]
    pub object: Option<ObjectName>,
    /// Every Escalation and every PhaseSchedule of the namespace
    #[arg(long)]
    pub all: bool,
    /// With --all: of all namespaces
    #[arg(long, short = 'A', requires = "all", conflicts_with = "namespace", help_heading = "Cluster")]
    pub all_namespaces: bool,
    /// The cluster
    #[command(flatten)]
    pub cluster: AccessArguments,
}

/// An instant, or one that follows from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// This instant.
    At(Timestamp),
    /// So much later than now.
    After(jiff::SignedDuration),
}

fn when(text: &str) -> Result<When, String> {
    let instant = text.parse().map(When::At);
    let later = || parse_duration(text).ok().filter(jiff::SignedDuration::is_positive).map(When::After);
    instant
        .ok()
        .or_else(later)
        .ok_or_else(|| "an instant as in 2026-03-05T08:00:00Z, or a duration from now as in 12h".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= REASON_LENGTH_MAX;
    if fits { Ok(text.to_owned()) } else { Err(format!("1 to {REASON_LENGTH_MAX} characters")) }
}

pub(super) const SUSPEND_HELP: &str = "\
One switch for everything that phaseloop could begin. An Escalation that is suspended begins no tuning run, its canaries that
run are ended within 15 s, and no promotion of it is applied; a value that is not validated is still rolled back. A schedule
that is suspended starts no run; a run that is going goes on: phaseloop abort ends it.

Examples:
  phaseloop suspend --all --all-namespaces --reason 'incident 4711'
  phaseloop suspend escalation/llama-8b -n chat --until 12h
  phaseloop suspend --all -n chat && kubectl get phaseruns -n chat

Exit codes: 0 suspended, or was already; 3 error: what was told before is suspended; 64 wrong usage.";

pub(super) const RESUME_HELP: &str = "\
Takes the suspension away, whoever set it and for whatever reason: each reason is told. A run that was missed meanwhile is
caught up once, within the schedule's startingDeadline.

Examples:
  phaseloop resume --all --all-namespaces
  phaseloop resume phaseschedule/llama-8b -n chat

Exit codes: 0 it goes on, or did already; 3 error; 64 wrong usage.";

pub(super) const ABORT_HELP: &str = "\
Ends a test at once: its containers are gone within 15 s, what it took is given back, and nothing is concluded from it. What it
used of the night's budgets stays used.

Examples:
  phaseloop abort phaserun/llama-8b-20260304-0300 -n chat
  phaseloop abort tuningcanary/llama-8b-bcdfghjklm-20260304-2 -n chat

Exit codes: 0 it ends, or has ended; 3 there is none, or an error; 64 wrong usage.";

pub(super) const RETRY_HELP: &str = "\
A canary whose containers were not reported terminated within its restoreSLA (Restored=False, RestoreFailed) freezes its
target: nobody knows whether its GPU is free. When its node is back, that is settled by itself. Where the node is gone, or you
have looked and know that the containers are, this says so: the canary is given up, all that it had reserved counts as used,
and its target is free again. It ends no container.

Examples:
  kubectl get tuningcanaries -A -o wide                      # which, and on which node
  phaseloop retry tuningcanary/llama-8b-bcdfghjklm-20260304-2 -n chat

Exit codes: 0 it is given up, or holds nothing up; 3 there is none, or an error; 64 wrong usage.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_instant_or_a_duration_from_now() {
        assert_eq!(when("2026-03-05T08:00:00Z"), Ok(When::At("2026-03-05T08:00:00Z".parse().unwrap())));
        assert_eq!(when("12h"), Ok(When::After(jiff::SignedDuration::from_hours(12))));
        for text in ["tomorrow", "0s", "-1h", ""] {
            assert!(when(text).is_err(), "{text}");
        }
    }
}
