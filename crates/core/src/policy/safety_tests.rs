use super::*;
use crate::policy::{
    bound::{WINDOW_END_DEFAULT, WINDOW_START_DEFAULT},
    finding::FindingSeverity,
    fixture::{lasts, spend, windows},
};

fn reasons_of(safety: &SafetySettings) -> Vec<FindingReason> {
    check_safety(safety)
        .into_iter()
        .map(|finding| {
            assert_eq!(finding.severity, FindingSeverity::Refuses);
            finding.reason
        })
        .collect()
}

#[test]
fn the_defaults_are_those_of_the_mission() {
    let safety = SafetySettings::default();
    assert_eq!(safety.windows, windows(&["03:00-07:00 Etc/UTC"]));
    assert_eq!(safety.windows.to_string(), format!("{WINDOW_START_DEFAULT}-{WINDOW_END_DEFAULT} Etc/UTC"));
    assert_eq!(safety.budget, spend(60, 900));
    assert_eq!((safety.cooldown, safety.rate_runs, safety.rate_period), (lasts("6h"), 3, lasts("24h")));
    assert_eq!(check_safety(&safety), []);
}

#[test]
fn settings_that_allow_nothing_are_refused_each_with_its_field() {
    let whole = SafetySettings::default();
    let nano = SignedDuration::from_nanos(1);
    let zero = SignedDuration::ZERO;
    let with_budget = |budget| SafetySettings { budget, ..whole.clone() };
    let table = [
        (with_budget(Spend { measure: zero, ..whole.budget }), "safety.measureBudget", FindingReason::BudgetEmpty),
        (with_budget(Spend { hold: zero, ..whole.budget }), "safety.gpuHoldBudget", FindingReason::BudgetEmpty),
        (SafetySettings { cooldown: zero - nano, ..whole.clone() }, "safety.cooldown", FindingReason::CooldownNegative),
        (SafetySettings { rate_runs: 0, ..whole.clone() }, "safety.rate", FindingReason::RateEmpty),
        (SafetySettings { rate_period: zero, ..whole.clone() }, "safety.rate", FindingReason::RateEmpty),
        (
            SafetySettings { windows: windows(&["03:00-04:00 Etc/UTC", "03:00-03:00 Etc/UTC"]), ..whole.clone() },
            "safety.windows[1]",
            FindingReason::MaintenanceWindowEmpty,
        ),
        (
            SafetySettings { windows: windows(&[]), ..whole.clone() },
            "safety.windows",
            FindingReason::NoMaintenanceWindow,
        ),
        (
            SafetySettings { windows: windows(&["03:00-04:00 Etc/UTC", "03:00-04:00 Europe/Berlin"]), ..whole.clone() },
            "safety.windows",
            FindingReason::WindowsDisagreeOnZone,
        ),
    ];
    for (safety, field, reason) in table {
        let findings = check_safety(&safety);
        assert_eq!(reasons_of(&safety), [reason], "{field}");
        assert_eq!(findings[0].field, field);
    }
    let least = SafetySettings {
        budget: Spend { measure: nano, hold: nano },
        cooldown: zero,
        rate_runs: 1,
        rate_period: nano,
        windows: windows(&["03:00-04:00 Etc/UTC", "05:00-06:00 Etc/UTC"]),
    };
    assert_eq!(reasons_of(&least), []);
}

#[test]
fn the_messages_carry_the_figures() {
    let safety = SafetySettings {
        budget: spend(0, 900),
        rate_runs: 0,
        windows: windows(&["03:00-04:00 Etc/UTC", "03:00-04:00 Europe/Berlin"]),
        ..SafetySettings::default()
    };
    let messages: Vec<String> = check_safety(&safety).into_iter().map(|finding| finding.message).collect();
    assert_eq!(
        messages,
        [
            "the windows are in several time zones (Etc/UTC, Europe/Berlin); use one",
            "measureBudget 0s allows no canary",
            "0 runs per 24h allow no tuning run",
        ]
    );
}
