//! The gate of the cooldown: since the *end* of the last tuning run.

use jiff::{SignedDuration, Timestamp};

use super::{GateName, GateReason, GateState};
use crate::{policy::ledger::TuningRunFacts, prelude::*, schedule::later_by, value::format_duration};

/// Whether the last tuning run ended at least `cooldown` ago. A run that has not ended is the target gate's matter.
pub fn check_cooldown(runs: &[&TuningRunFacts], cooldown: SignedDuration, now: Timestamp) -> GateState {
    const NAME: GateName = GateName::CooldownElapsed;
    let Some(ended_at) = runs.iter().filter_map(|run| run.ended_at).max() else {
        return GateState::open(NAME, GateReason::NoTuningRunYet, "no tuning run has ended on this target");
    };
    let ends_at = later_by(ended_at, cooldown);
    let since = format!("{} after the last tuning run ended at {ended_at}", format_duration(cooldown));
    if now >= ends_at {
        return GateState::open(NAME, GateReason::CooledDown, format!("cooldown ended {ends_at} ({since})"));
    }
    GateState::closed(NAME, GateReason::CoolingDown, format!("cooldown ends {ends_at} ({since})"), Some(ends_at))
}
