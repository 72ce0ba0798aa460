use core::slice;

use super::*;
use crate::{
    policy::{
        FindingReason, FindingSeverity,
        fixture::{lasts, spend, windows},
    },
    schedule::Zone,
    value::Severity,
};

fn defaults() -> CyclePolicy {
    CyclePolicy::with_defaults(Schedule { cron: "0 3 * * *".parse().unwrap(), zone: Zone::utc() })
}

fn found(change: impl FnOnce(&mut CyclePolicy)) -> Vec<(FindingReason, FindingSeverity, String)> {
    let mut policy = defaults();
    change(&mut policy);
    policy.findings().into_iter().map(|finding| (finding.reason, finding.severity, finding.field)).collect()
}

#[test]
fn the_default_rules_cover_every_kind_of_symptom_once() {
    let rules = CyclePolicy::default_rules();
    let kinds: Vec<SymptomKind> = rules.iter().map(|rule| rule.symptom).collect();
    assert_eq!(kinds, SymptomKind::ALL);
    for rule in rules {
        assert_eq!((rule.threshold, rule.window, rule.minimum_severity), (3, None, Severity::Warning));
        assert_eq!((rule.flag_ttl, rule.valid_through_next_window), (lasts("4h"), false));
    }
}

#[test]
fn an_escalation_that_names_only_its_target_has_every_default() {
    let policy = defaults();
    assert_eq!(policy.run_timeout, lasts("4h"));
    assert_eq!(policy.rules, CyclePolicy::default_rules());
    assert_eq!((policy.strategy, policy.max_candidates), (Strategy::List, 6));
    assert!(policy.rule_parameters.is_empty() && policy.parameters.is_empty() && policy.admin.is_empty());
    assert_eq!(policy.safety, SafetySettings::default());
    let canary = CanaryRequest {
        start_timeout: lasts("120s"),
        start_expected: SignedDuration::ZERO,
        measure: lasts("8s"),
        grace: lasts("5s"),
        gpu_wait: lasts("15m"),
        gpus: NonZeroU32::MIN,
    };
    assert_eq!(policy.canary, canary);
    assert_eq!(
        policy.load,
        CanaryLoad { rate_per_second: None, requests_max: None, answer_limit: None, samples_min: 50 }
    );
}

#[test]
fn the_defaults_have_no_findings() {
    assert_eq!(defaults().findings(), []);
}

#[test]
fn a_window_is_checked_against_the_schedule_and_its_run_timeout() {
    let with_window = |window: &'static str, timeout: &'static str| {
        found(|policy| {
            policy.rules[1].window = Some(lasts(window));
            policy.run_timeout = lasts(timeout);
        })
    };
    let field = || "rules[1].window".to_owned();
    let refused = (FindingReason::WindowCannotHoldThreshold, FindingSeverity::Refuses, field());
    let told = (FindingReason::WindowMayMissRuns, FindingSeverity::Advises, field());
    assert_eq!(with_window("48h", "4h"), [refused]);
    for (window, timeout) in [("2881m", "4h"), ("3179m", "4h"), ("53h", "241m")] {
        assert_eq!(with_window(window, timeout), slice::from_ref(&told), "{window}, {timeout}");
    }
    assert_eq!(with_window("53h", "4h"), []);
}

#[test]
fn the_message_of_a_finding_names_the_schedule() {
    let mut policy = defaults();
    policy.rules[0].window = Some(lasts("48h"));
    let message = &policy.findings()[0].message;
    assert!(message.contains(r#"schedule "0 3 * * *" makes at most 2"#), "{message}");
}

#[test]
fn an_hourly_schedule_fills_a_window_that_a_nightly_one_cannot() {
    let mut policy = CyclePolicy::with_defaults(Schedule { cron: "0 * * * *".parse().unwrap(), zone: Zone::utc() });
    policy.rules[0].window = Some(lasts("24h"));
    assert_eq!(policy.findings(), []);
}

#[test]
fn what_is_wrong_with_the_rules_is_told_before_what_is_wrong_with_safety() {
    let findings = found(|policy| {
        policy.safety.windows = windows(&[]);
        policy.safety.budget = spend(0, 900);
        policy.rules[0].flag_ttl = SignedDuration::ZERO;
    });
    let reasons: Vec<FindingReason> = findings.into_iter().map(|(reason, ..)| reason).collect();
    assert_eq!(reasons, [FindingReason::FlagTtlEmpty, FindingReason::NoMaintenanceWindow, FindingReason::BudgetEmpty]);
}
