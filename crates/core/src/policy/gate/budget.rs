//! The gates of the two budgets: measuring, and holding GPUs.

use jiff::{SignedDuration, Timestamp};

use super::{GateInputs, GateName, GateReason, GateState};
use crate::{
    policy::{ledger::Spend, night::NightId},
    prelude::*,
    value::format_duration,
};

/// One of the two budgets: how it is named, and where its figure stands.
struct Budget {
    name: GateName,
    /// What it is spent on, for messages.
    spent_on: &'static str,
    figure: fn(Spend) -> SignedDuration,
}

/// Whether the night has enough measuring left: the night that is open, else the one that opens next.
pub fn check_measure_budget(inputs: &GateInputs<'_>, now: Timestamp) -> GateState {
    check(&Budget { name: GateName::MeasureBudget, spent_on: "measuring", figure: |spend| spend.measure }, inputs, now)
}

/// Whether the night has enough GPU holding left: the night that is open, else the one that opens next.
pub fn check_gpu_hold_budget(inputs: &GateInputs<'_>, now: Timestamp) -> GateState {
    check(&Budget { name: GateName::GpuHoldBudget, spent_on: "holding GPUs", figure: |spend| spend.hold }, inputs, now)
}

fn check(budget: &Budget, inputs: &GateInputs<'_>, now: Timestamp) -> GateState {
    let Some(night) = inputs.safety.windows.night_at(now) else {
        return GateState::closed(budget.name, GateReason::NoWindow, "no maintenance window ever opens", None);
    };
    let balance = inputs.ledger.balance(inputs.canaries, &night, inputs.safety.budget);
    let figure = |spend: Spend| (budget.figure)(spend);
    let (cap, needed, remaining) = (figure(balance.budget), figure(inputs.need), figure(balance.remaining));
    let spent_on = budget.spent_on;
    let (cap_text, needed_text, remaining_text) =
        (format_duration(cap), format_duration(needed), format_duration(remaining));
    if cap < needed {
        let message = format!(
            "a night has {cap_text} for {spent_on}, {needed_text} are needed; raise the budget or ask for less"
        );
        return GateState::closed(budget.name, GateReason::BudgetCannotHoldOneCandidate, message, None);
    }
    let standing = format!("{remaining_text} of {cap_text} left for {spent_on} in the night {}", night.date);
    if remaining >= needed {
        return GateState::open(budget.name, GateReason::BudgetLeft, standing);
    }
    exhausted(budget.name, inputs, &night, &format!("{standing}, {needed_text} needed"), now)
}

fn exhausted(name: GateName, inputs: &GateInputs<'_>, night: &NightId, standing: &str, now: Timestamp) -> GateState {
    let opens_at = inputs.safety.windows.next_open_of_another_night(now, night);
    let next = opens_at.map_or_else(String::new, |opens_at| format!("; the next night opens {opens_at}"));
    GateState::closed(name, GateReason::BudgetExhausted, format!("{standing}{next}"), opens_at)
}
