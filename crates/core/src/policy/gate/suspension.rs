//! The gate of the kill switch.

use jiff::Timestamp;

use super::{GateName, GateReason, GateState};
use crate::prelude::*;

/// `spec.suspend`: the kill switch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Why, in the words of whoever threw it.
    pub reason: String,
    /// Until when, excluded; `None`: until it is lifted.
    pub until: Option<Timestamp>,
}

/// Whether nobody has suspended the loop, or the suspension is over.
pub fn check_suspension(suspension: Option<&Suspension>, now: Timestamp) -> GateState {
    const NAME: GateName = GateName::NotSuspended;
    let Some(suspension) = suspension else {
        return GateState::open(NAME, GateReason::Running, "not suspended");
    };
    let Suspension { reason, until } = suspension;
    match *until {
        Some(until) if now >= until => {
            GateState::open(NAME, GateReason::Running, format!("the suspension ended {until} ({reason})"))
        }
        Some(until) => {
            let message = format!("suspended until {until} ({reason})");
            GateState::closed(NAME, GateReason::Suspended, message, Some(until))
        }
        None => {
            GateState::closed(NAME, GateReason::Suspended, format!("suspended until it is lifted ({reason})"), None)
        }
    }
}
