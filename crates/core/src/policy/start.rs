//! Whether one more canary may be made: a permission that has not expired, every gate open, a number that nobody has
//! taken, and a reservation that fits.

use jiff::{SignedDuration, Timestamp};

use super::{
    gate::{GateInputs, GateReport, evaluate_gates},
    night::NightId,
    reservation::{CONCLUSION_TIME, CanaryRequest, Reservation, reserve},
};
use crate::{prelude::*, reasons, value::format_duration};

reasons! {
    /// Why a canary may not be made.
    pub enum StartReason {
        /// No flag is armed, so nothing permits tuning.
        NotPermitted,
        /// The flag that permitted tuning has expired.
        PermissionExpired,
        /// At least one gate is closed; the gates say which, why, and until when.
        GateClosed,
        /// A canary with a lower number was not seen: the view is stale; read again.
        AttemptNotSeen,
        /// The night's measuring that is left can't hold a canary.
        MeasureBudgetExhausted,
        /// The night's GPU holding that is left can't hold a canary.
        GpuHoldBudgetExhausted,
        /// The window closes before a canary, or a candidate after the incumbent, could have measured and been concluded.
        WindowClosesTooSoon,
    }
}

/// Why a canary may not be made, with figures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartRefusal {
    /// The reason.
    pub reason: StartReason,
    /// The figure, the limit, and what happens next.
    pub message: String,
}

impl StartRefusal {
    pub(super) const fn new(reason: StartReason, message: String) -> Self {
        Self { reason, message }
    }
}

/// What the decision is taken from, read live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StartInputs<'a> {
    /// Until when tuning is permitted: to begin a tuning run, the expiry of the armed flag; to go on with one, the
    /// expiry of the flag that it began under. `None`: no flag is armed.
    pub permitted_until: Option<Timestamp>,
    /// The facts that the gates look at.
    pub gates: GateInputs<'a>,
    /// What the canary asks for.
    pub request: CanaryRequest,
}

/// Leave to make one canary. It *is* the canary's name and reservation: making that object is what takes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartPermit {
    /// The night whose budgets it spends.
    pub night: NightId,
    /// Its number in that night.
    pub attempt: u32,
    /// Its part of the budgets and its bounds.
    pub reservation: Reservation,
}

/// Decides whether one more canary may be made now.
///
/// # Errors
/// A [`StartRefusal`] with the first thing that forbids it, in the order: permission, gates, number, reservation; and for the
/// first one of a run, room for a candidate after it.
pub fn decide_start(inputs: &StartInputs<'_>, now: Timestamp) -> Result<StartPermit, StartRefusal> {
    let refuse = |reason: StartReason, message: String| Err(StartRefusal::new(reason, message));
    let Some(until) = inputs.permitted_until else {
        return refuse(StartReason::NotPermitted, "no flag is armed".to_owned());
    };
    if now >= until {
        return refuse(StartReason::PermissionExpired, format!("the flag expired at {until}"));
    }
    let report = evaluate_gates(&inputs.gates, now);
    let open = inputs.gates.safety.windows.current(now).filter(|_| report.all_open);
    let Some(open) = open else {
        return refuse(StartReason::GateClosed, closed_message(&report));
    };
    let (ledger, canaries) = (inputs.gates.ledger, inputs.gates.canaries);
    let attempt = match ledger.next_attempt(canaries, &open.night) {
        Ok(attempt) => attempt,
        Err(missing) => {
            let message = format!("canary {missing} of the night {} was not seen; read again", open.night.date);
            return refuse(StartReason::AttemptNotSeen, message);
        }
    };
    let balance = ledger.balance(canaries, &open.night, inputs.gates.safety.budget);
    let reservation = reserve(&inputs.request, &balance, open.closes_at, now)?;
    if inputs.gates.current_cycle.is_none() {
        check_candidate_fits(&inputs.request, &reservation, open.closes_at, now)?;
    }
    Ok(StartPermit { night: open.night, attempt, reservation })
}

/// Whether a candidate fits into the window after the incumbent. What is left of the budgets is for the gates; without this an
/// incumbent would consume the flag's runs, and nothing could be tried.
fn check_candidate_fits(
    request: &CanaryRequest,
    incumbent: &Reservation,
    window_closes_at: Timestamp,
    now: Timestamp,
) -> Result<(), StartRefusal> {
    let window_left = window_closes_at.duration_since(now);
    let (first, then) = (request.lifetime_least(), incumbent.lifetime);
    if window_left >= first.saturating_add(then).saturating_add(CONCLUSION_TIME) {
        return Ok(());
    }
    let message = format!(
        "the window closes at {window_closes_at}, in {}; the incumbent takes {}, a candidate after it may need {}, and {} \
         more to conclude",
        format_duration(SignedDuration::from_secs(window_left.as_secs())),
        format_duration(first),
        format_duration(then),
        format_duration(CONCLUSION_TIME)
    );
    Err(StartRefusal::new(StartReason::WindowClosesTooSoon, message))
}

fn closed_message(report: &GateReport) -> String {
    let closed: Vec<&str> = report.gates.iter().filter(|gate| !gate.open).map(|gate| gate.message.as_str()).collect();
    closed.join("; ")
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
