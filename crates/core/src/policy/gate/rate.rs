//! The gate of the rate: tuning runs *started* within any sliding period.

use jiff::{SignedDuration, Timestamp};

use super::{GateName, GateReason, GateState};
use crate::{policy::ledger::TuningRunFacts, prelude::*, schedule::later_by, value::format_duration};

/// Whether fewer than `allowed` tuning runs started within the period. A run counts from its start to, but not
/// including, its start plus the period; one that seems to start in the future (a clock put back) counts too.
pub fn check_rate(runs: &[&TuningRunFacts], allowed: i64, period: SignedDuration, now: Timestamp) -> GateState {
    const NAME: GateName = GateName::RateAvailable;
    let mut counted_until: Vec<Timestamp> =
        runs.iter().map(|run| later_by(run.started_at, period)).filter(|until| *until > now).collect();
    counted_until.sort_unstable();
    let started = i64::try_from(counted_until.len()).unwrap_or(i64::MAX);
    let standing = format!("{started} of {allowed} tuning runs started within {}", format_duration(period));
    if started < allowed {
        return GateState::open(NAME, GateReason::BelowRate, standing).changing_at(counted_until.first().copied());
    }
    // One more may start when all but `allowed - 1` of those that count have left the period; never, if none is allowed.
    let surplus = usize::try_from(started - allowed).ok();
    let opens_at = surplus.and_then(|surplus| counted_until.get(surplus)).copied();
    let next = opens_at.map_or_else(String::new, |opens_at| format!("; the next may start {opens_at}"));
    GateState::closed(NAME, GateReason::RateReached, format!("{standing}{next}"), opens_at)
        .changing_at(counted_until.first().copied())
}
