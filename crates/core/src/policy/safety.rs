//! What an Escalation allows at most: windows, budgets, cooldown and rate, and the check that they allow anything.

use jiff::SignedDuration;

use super::{
    bound::{
        COOLDOWN_DEFAULT, GPU_HOLD_BUDGET_DEFAULT, MEASURE_BUDGET_DEFAULT, RATE_PERIOD_DEFAULT, RATE_RUNS_DEFAULT,
    },
    finding::{FindingReason, PolicyFinding},
    ledger::Spend,
    local_time::LocalTime,
    night::MaintenanceWindows,
    window::MaintenanceWindow,
};
use crate::{prelude::*, schedule::Zone, value::format_duration};

/// Hour at which the default window starts; [`WINDOW_START_DEFAULT`](super::bound::WINDOW_START_DEFAULT) as a number.
const WINDOW_START_HOUR: u8 = 3;
/// Hour at which the default window ends; [`WINDOW_END_DEFAULT`](super::bound::WINDOW_END_DEFAULT) as a number.
const WINDOW_END_HOUR: u8 = 7;

/// `spec.safety`, validated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SafetySettings {
    /// When tuning may happen.
    pub windows: MaintenanceWindows,
    /// What a night may spend: measuring, and holding GPUs.
    pub budget: Spend,
    /// From the end of a tuning run to the start of the next.
    pub cooldown: SignedDuration,
    /// Tuning runs that may start in any [`SafetySettings::rate_period`].
    pub rate_runs: i64,
    /// The sliding period of the rate.
    pub rate_period: SignedDuration,
}

impl Default for SafetySettings {
    fn default() -> Self {
        let window = MaintenanceWindow {
            days: BTreeSet::new(),
            start: LocalTime::from_hour(WINDOW_START_HOUR),
            end: LocalTime::from_hour(WINDOW_END_HOUR),
            zone: Zone::utc(),
        };
        Self {
            windows: MaintenanceWindows { windows: vec![window] },
            budget: Spend { measure: MEASURE_BUDGET_DEFAULT, hold: GPU_HOLD_BUDGET_DEFAULT },
            cooldown: COOLDOWN_DEFAULT,
            rate_runs: RATE_RUNS_DEFAULT,
            rate_period: RATE_PERIOD_DEFAULT,
        }
    }
}

/// Checks that the settings allow anything at all.
pub fn check_safety(safety: &SafetySettings) -> Vec<PolicyFinding> {
    let mut findings = check_windows(&safety.windows);
    let budgets = [("measureBudget", safety.budget.measure), ("gpuHoldBudget", safety.budget.hold)];
    for (name, budget) in budgets {
        if budget <= SignedDuration::ZERO {
            let message = format!("{name} {} allows no canary", format_duration(budget));
            findings.push(PolicyFinding::refuses(FindingReason::BudgetEmpty, format!("safety.{name}"), message));
        }
    }
    if safety.cooldown < SignedDuration::ZERO {
        let message = format!("cooldown {} is negative", format_duration(safety.cooldown));
        findings.push(PolicyFinding::refuses(FindingReason::CooldownNegative, "safety.cooldown", message));
    }
    if safety.rate_runs < 1 || safety.rate_period <= SignedDuration::ZERO {
        let period = format_duration(safety.rate_period);
        let message = format!("{} runs per {period} allow no tuning run", safety.rate_runs);
        findings.push(PolicyFinding::refuses(FindingReason::RateEmpty, "safety.rate", message));
    }
    findings
}

fn check_windows(windows: &MaintenanceWindows) -> Vec<PolicyFinding> {
    let mut findings = Vec::new();
    if windows.windows.is_empty() {
        let message = "no maintenance window: nothing would ever be tuned; name one, as in 03:00 to 07:00";
        findings.push(PolicyFinding::refuses(FindingReason::NoMaintenanceWindow, "safety.windows", message));
    }
    for (index, window) in windows.windows.iter().enumerate() {
        let field = format!("safety.windows[{index}]");
        if window.is_empty() {
            let message = format!("window {window} is empty; for a whole day write 00:00 to 24:00");
            findings.push(PolicyFinding::refuses(FindingReason::MaintenanceWindowEmpty, field, message));
        }
    }
    let zones: BTreeSet<&str> = windows.windows.iter().map(|window| window.zone.name()).collect();
    if zones.len() > 1 {
        let names: Vec<&str> = zones.into_iter().collect();
        let message = format!("the windows are in several time zones ({}); use one", names.join(", "));
        findings.push(PolicyFinding::refuses(FindingReason::WindowsDisagreeOnZone, "safety.windows", message));
    }
    findings
}

#[cfg(test)]
#[path = "safety_tests.rs"]
mod tests;
