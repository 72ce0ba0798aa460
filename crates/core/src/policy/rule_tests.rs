use super::*;
use crate::policy::{finding::FindingSeverity, fixture::lasts};

const NIGHTLY: SchedulePeriod =
    SchedulePeriod { shortest: SignedDuration::from_hours(24), longest: SignedDuration::from_hours(24) };

fn check(rules: &[EscalationRule]) -> Vec<PolicyFinding> {
    check_rules(rules, "0 3 * * *", NIGHTLY, lasts("4h"))
}

fn reasons_of(rule: EscalationRule) -> Vec<FindingReason> {
    check(&[rule]).into_iter().map(|finding| finding.reason).collect()
}

fn default_rule() -> EscalationRule {
    EscalationRule::default_for(SymptomKind::VllmOom)
}

#[test]
fn a_rule_without_a_window_gets_the_one_that_its_schedule_needs() {
    let counting = default_rule().counting_rule(NIGHTLY, lasts("4h"));
    assert_eq!(counting.window, lasts("53h"));
    assert_eq!((counting.symptom, counting.threshold), (SymptomKind::VllmOom, 3));
    assert_eq!(counting.minimum_severity, Severity::Warning);
    let explicit = EscalationRule { window: Some(lasts("24h")), ..default_rule() };
    assert_eq!(explicit.counting_rule(NIGHTLY, lasts("4h")).window, lasts("24h"));
    assert_eq!(default_rule().flag_ttl, lasts("4h"));
    assert!(!default_rule().valid_through_next_window);
}

#[test]
fn a_threshold_is_between_one_and_a_months_nights() {
    for (threshold, expected) in [(0, 1), (1, 0), (32, 0), (33, 1), (-1, 1), (i64::MAX, 1)] {
        let rule = EscalationRule { threshold, ..default_rule() };
        assert_eq!(reasons_of(rule), vec![FindingReason::ThresholdOutOfBounds; expected], "{threshold}");
    }
    let finding = check(&[EscalationRule { threshold: 33, ..default_rule() }]).remove(0);
    assert_eq!(
        (finding.field.as_str(), finding.message.as_str()),
        ("rules[0].threshold", "threshold 33 is outside 1-32")
    );
    assert_eq!(finding.severity, FindingSeverity::Refuses);
}

#[test]
fn a_window_that_can_never_hold_the_threshold_is_refused_with_the_least_that_always_does() {
    use FindingReason::{CountingWindowEmpty, WindowCannotHoldThreshold, WindowMayMissRuns};
    let table = [
        (3, SignedDuration::ZERO, Some(CountingWindowEmpty)),
        (3, SignedDuration::from_nanos(1), Some(WindowCannotHoldThreshold)),
        (3, lasts("24h"), Some(WindowCannotHoldThreshold)),
        (3, lasts("48h"), Some(WindowCannotHoldThreshold)),
        (3, lasts("48h") + SignedDuration::from_nanos(1), Some(WindowMayMissRuns)),
        (3, lasts("53h") - SignedDuration::from_nanos(1), Some(WindowMayMissRuns)),
        (3, lasts("53h"), None),
        (1, SignedDuration::from_nanos(1), Some(WindowMayMissRuns)),
        (1, lasts("5h"), None),
        (2, lasts("24h"), Some(WindowCannotHoldThreshold)),
        (2, lasts("25h"), Some(WindowMayMissRuns)),
    ];
    for (threshold, window, expected) in table {
        let rule = EscalationRule { threshold, window: Some(window), ..default_rule() };
        assert_eq!(reasons_of(rule), expected.into_iter().collect::<Vec<_>>(), "{threshold} in {window}");
    }
    let negative = EscalationRule { window: Some(lasts("1h") - lasts("2h")), ..default_rule() };
    assert_eq!(reasons_of(negative), [CountingWindowEmpty]);
}

#[test]
fn the_messages_carry_the_figures_and_the_remedy() {
    let message = |threshold, window: &str| {
        let rule = EscalationRule { threshold, window: Some(lasts(window)), ..default_rule() };
        check(&[default_rule(), EscalationRule { symptom: SymptomKind::ThroughputDrop, ..rule }]).remove(0)
    };
    let refused = message(3, "24h");
    assert_eq!(refused.field, "rules[1].window");
    assert_eq!(refused.severity, FindingSeverity::Refuses);
    assert_eq!(
        refused.message,
        "threshold 3 needs 3 runs, but schedule \"0 3 * * *\" makes at most 1 within 24h; set window to at least 53h \
         or threshold to 1"
    );
    let advised = message(3, "49h");
    assert_eq!(advised.severity, FindingSeverity::Advises);
    assert_eq!(
        advised.message,
        "within 49h schedule \"0 3 * * *\" does not always make 3 runs: a run may take up to 4h; 53h always holds them"
    );
}

#[test]
fn what_a_window_can_hold_is_judged_by_the_shortest_period_and_what_it_always_holds_by_the_longest() {
    let weekdays = SchedulePeriod { shortest: SignedDuration::from_hours(24), longest: SignedDuration::from_hours(72) };
    let reasons = |window: &str| {
        let rule = EscalationRule { window: Some(lasts(window)), ..default_rule() };
        let findings = check_rules(&[rule], "0 3 * * 1-5", weekdays, lasts("4h"));
        findings.into_iter().map(|finding| finding.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons("48h"), [FindingReason::WindowCannotHoldThreshold]);
    assert_eq!(reasons("49h"), [FindingReason::WindowMayMissRuns]);
    assert_eq!(reasons("148h"), [FindingReason::WindowMayMissRuns]);
    assert_eq!(reasons("149h"), []);
}

#[test]
fn a_flag_lives_longer_than_nothing() {
    let with_ttl = |flag_ttl| reasons_of(EscalationRule { flag_ttl, ..default_rule() });
    assert_eq!(with_ttl(SignedDuration::ZERO), [FindingReason::FlagTtlEmpty]);
    assert_eq!(with_ttl(SignedDuration::from_nanos(-1)), [FindingReason::FlagTtlEmpty]);
    assert_eq!(with_ttl(SignedDuration::from_nanos(1)), []);
}

#[test]
fn two_rules_of_one_symptom_are_refused() {
    let findings = check(&[default_rule(), EscalationRule::default_for(SymptomKind::PassRateDrop), default_rule()]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].reason, FindingReason::DuplicateRule);
    assert_eq!(findings[0].field, "rules[2].symptom");
    assert_eq!(findings[0].message, "vllm_oom already has a rule above; keep one of them");
}

#[test]
fn a_window_holds_one_firing_per_period_and_one_for_what_is_left() {
    let nanos = SignedDuration::from_nanos;
    for (window, shortest, runs) in [(1, 10, 1), (10, 10, 1), (11, 10, 2), (20, 10, 2), (21, 10, 3), (5, 0, 5)] {
        assert_eq!(runs_within(nanos(window), nanos(shortest)), runs, "{window} by {shortest}");
    }
}
