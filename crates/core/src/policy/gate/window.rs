//! The gate of the maintenance window: start included, end excluded.

use jiff::Timestamp;

use super::{GateName, GateReason, GateState};
use crate::{policy::night::MaintenanceWindows, prelude::*};

/// Whether a maintenance window is open.
pub fn check_window(windows: &MaintenanceWindows, now: Timestamp) -> GateState {
    const NAME: GateName = GateName::WindowOpen;
    if let Some(closes_at) = windows.closes_at(now) {
        return GateState::open(NAME, GateReason::WithinWindow, format!("window {windows} is open until {closes_at}"));
    }
    match windows.next_open(now) {
        Some(opens_at) => {
            let message = format!("window {windows} opens {opens_at}");
            GateState::closed(NAME, GateReason::OutsideWindow, message, Some(opens_at))
        }
        None => GateState::closed(NAME, GateReason::NoWindow, "no maintenance window ever opens", None),
    }
}
