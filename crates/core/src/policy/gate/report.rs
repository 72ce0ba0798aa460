//! All gates at an instant, and the first instant at which all are open.

use jiff::Timestamp;

use super::{
    GateState,
    budget::{check_gpu_hold_budget, check_measure_budget},
    cooldown::check_cooldown,
    rate::check_rate,
    suspension::{Suspension, check_suspension},
    target::{TargetClaims, check_target},
    window::check_window,
};
use crate::{
    policy::{
        ledger::{CanaryFacts, Ledger, Spend, TuningRunFacts},
        safety::SafetySettings,
    },
    prelude::*,
};

/// Instants looked at in search of one at which all gates are open. Each step passes an opening, and what opens again
/// and again (windows, nights) does so daily, so 64 steps reach weeks ahead.
const STEPS_MAX: usize = 64;

/// The facts that the gates look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GateInputs<'a> {
    /// What the Escalation allows.
    pub safety: &'a SafetySettings,
    /// What was folded.
    pub ledger: &'a Ledger,
    /// The canaries of the target that exist.
    pub canaries: &'a [CanaryFacts],
    /// The least that must be left of both budgets: for a new tuning run the incumbent and one candidate, else one
    /// canary.
    pub need: Spend,
    /// The cycle of the tuning run that is to go on; `None` to begin one. A run is not in its own way: the cooldown, the
    /// rate and the target's gate look at the others.
    pub current_cycle: Option<&'a str>,
    /// What else lays claim to the target.
    pub claims: &'a TargetClaims,
    /// The kill switch.
    pub suspension: Option<&'a Suspension>,
}

/// Where all gates stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateReport {
    /// Every gate, in the order of [`GateName::ALL`](super::GateName::ALL).
    pub gates: Vec<GateState>,
    /// Whether every gate is open.
    pub all_open: bool,
    /// The first instant from now on at which every gate is open if nothing else happens. `None` if time alone does not
    /// bring it.
    pub all_open_at: Option<Timestamp>,
}

/// Where all gates stand now.
pub fn evaluate_gates(inputs: &GateInputs<'_>, now: Timestamp) -> GateReport {
    let runs = inputs.ledger.tuning_runs(inputs.canaries);
    let others: Vec<&TuningRunFacts> =
        runs.iter().filter(|run| Some(run.cycle.as_str()) != inputs.current_cycle).collect();
    let gates = check_all(inputs, &others, now);
    let all_open = gates.iter().all(|gate| gate.open);
    let all_open_at = first_all_open(inputs, &others, now);
    GateReport { gates, all_open, all_open_at }
}

fn check_all(inputs: &GateInputs<'_>, other_runs: &[&TuningRunFacts], now: Timestamp) -> Vec<GateState> {
    let safety = inputs.safety;
    vec![
        check_window(&safety.windows, now),
        check_measure_budget(inputs, now),
        check_gpu_hold_budget(inputs, now),
        check_cooldown(other_runs, safety.cooldown, now),
        check_rate(other_runs, safety.rate_runs, safety.rate_period, now),
        check_target(inputs.claims, other_runs),
        check_suspension(inputs.suspension, now),
    ]
}

/// Goes from opening to opening until none is closed. A gate that is closed at an instant stays closed until it opens, so
/// the latest of the closed gates' openings is the next instant worth a look.
fn first_all_open(inputs: &GateInputs<'_>, other_runs: &[&TuningRunFacts], now: Timestamp) -> Option<Timestamp> {
    let mut instant = now;
    for _ in 0..STEPS_MAX {
        let gates = check_all(inputs, other_runs, instant);
        let closed: Vec<&GateState> = gates.iter().filter(|gate| !gate.open).collect();
        if closed.is_empty() {
            return Some(instant);
        }
        let openings: Option<Vec<Timestamp>> = closed.iter().map(|gate| gate.opens_at).collect();
        instant = openings?.into_iter().max()?;
    }
    None
}
