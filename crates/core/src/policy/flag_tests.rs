use proptest::prelude::*;

use super::*;
use crate::{
    policy::{
        counting::count_symptoms,
        fixture::{at, lasts, oom, uids, windows},
    },
    schedule::SchedulePeriod,
    value::RunFacts,
};

const NIGHTLY: SchedulePeriod =
    SchedulePeriod { shortest: SignedDuration::from_hours(24), longest: SignedDuration::from_hours(24) };

fn rule() -> EscalationRule {
    EscalationRule::default_for(SymptomKind::VllmOom)
}

fn decide_with(
    rule: &EscalationRule,
    runs: &[RunFacts],
    consumed: &[&str],
    previous: Option<&Flag>,
    now: &str,
) -> Flag {
    let consumed = uids(consumed);
    let count = count_symptoms(&rule.counting_rule(NIGHTLY, lasts("4h")), runs, &consumed, at(now));
    decide_flag(rule, &count, &consumed, &windows(&["03:00-07:00 Etc/UTC"]), previous, at(now))
}

fn decide(runs: &[RunFacts], consumed: &[&str], previous: Option<&Flag>, now: &str) -> Flag {
    decide_with(&rule(), runs, consumed, previous, now)
}

fn three_nights() -> Vec<RunFacts> {
    vec![oom("a", "2026-03-02T03:22:00Z"), oom("b", "2026-03-03T03:24:00Z"), oom("c", "2026-03-04T03:23:00Z")]
}

fn armed() -> Flag {
    decide(&three_nights(), &[], None, "2026-03-04T03:23:00Z")
}

#[test]
fn a_flag_is_armed_by_the_run_that_makes_the_pattern_and_from_then_on_its_time_runs() {
    let two = decide(&three_nights()[..2], &[], None, "2026-03-03T03:24:00Z");
    assert_eq!((two.state, two.reason, two.count), (FlagState::Idle, FlagReason::BelowThreshold, 2));
    assert_eq!(two.message(), "2 of 3 in 53h");
    // Seen only an hour after the verdict, it is armed since the verdict.
    let three = decide(&three_nights(), &[], Some(&two), "2026-03-04T04:23:00Z");
    assert_eq!((three.state, three.reason, three.count), (FlagState::Armed, FlagReason::ThresholdReached, 3));
    assert_eq!(three.armed_at, Some(at("2026-03-04T03:23:00Z")));
    assert_eq!(three.expires_at, Some(at("2026-03-04T07:23:00Z")));
    assert_eq!(three.ended_at, None);
    assert_eq!(three.evidence_uids(), uids(&["a", "b", "c"]));
    assert_eq!(three.message(), "3 of 3 in 53h, armed until 2026-03-04T07:23:00Z");
    assert_eq!(three, armed());
}

#[test]
fn a_flag_permits_until_but_not_at_its_expiry() {
    let flag = armed();
    for (now, permits) in [
        ("2026-03-04T03:23:00Z", true),
        ("2026-03-04T07:22:59.999999999Z", true),
        ("2026-03-04T07:23:00Z", false),
        ("2026-03-05T00:00:00Z", false),
    ] {
        assert_eq!(flag.permits(at(now)), permits, "{now}");
        let state = if permits { FlagState::Armed } else { FlagState::Expired };
        assert_eq!(decide(&three_nights(), &[], Some(&flag), now).state, state, "{now}");
    }
    for state in [FlagState::Idle, FlagState::Cleared, FlagState::Expired] {
        assert!(!Flag { state, ..flag.clone() }.permits(at("2026-03-04T04:00:00Z")));
    }
    assert!(!Flag { expires_at: None, ..flag }.permits(at("2026-03-04T04:00:00Z")));
}

#[test]
fn an_expired_flag_never_permits_again_also_after_a_clock_put_back() {
    let expired = decide(&three_nights(), &[], Some(&armed()), "2026-03-04T07:23:00Z");
    assert_eq!((expired.state, expired.reason), (FlagState::Expired, FlagReason::ExpiredUnused));
    assert_eq!(expired.ended_at, Some(at("2026-03-04T07:23:00Z")));
    assert_eq!(expired.message(), "3 of 3 in 53h, expired at 2026-03-04T07:23:00Z");
    let back = decide(&three_nights(), &[], Some(&expired), "2026-03-04T04:00:00Z");
    assert_eq!(back.state, FlagState::Expired);
    assert!(!back.permits(at("2026-03-04T04:00:00Z")));
}

#[test]
fn an_expired_flag_is_armed_again_only_by_a_newer_symptom() {
    let expired = decide(&three_nights(), &[], Some(&armed()), "2026-03-04T08:00:00Z");
    let same = decide(&three_nights(), &[], Some(&expired), "2026-03-04T08:20:00Z");
    assert_eq!((same.state, same.count), (FlagState::Expired, 3));
    let mut runs = three_nights();
    runs.push(oom("d", "2026-03-04T07:23:00Z"));
    let at_the_end = decide(&runs, &[], Some(&expired), "2026-03-04T08:00:00Z");
    assert_eq!((at_the_end.state, at_the_end.count), (FlagState::Expired, 4));
    runs.push(oom("e", "2026-03-04T07:23:00.000000001Z"));
    let newer = decide(&runs, &[], Some(&expired), "2026-03-04T08:00:00Z");
    assert_eq!((newer.state, newer.count), (FlagState::Armed, 5));
    assert_eq!(newer.armed_at, Some(at("2026-03-04T07:23:00.000000001Z")));
    assert_eq!(newer.ended_at, Some(at("2026-03-04T07:23:00Z")));
}

#[test]
fn a_newer_symptom_does_not_lengthen_an_armed_flag() {
    let mut runs = three_nights();
    runs.push(oom("d", "2026-03-04T05:00:00Z"));
    let flag = decide(&runs, &[], Some(&armed()), "2026-03-04T05:00:00Z");
    assert_eq!((flag.state, flag.count), (FlagState::Armed, 4));
    assert_eq!(flag.expires_at, Some(at("2026-03-04T07:23:00Z")));
    assert_eq!(flag.evidence_uids(), uids(&["a", "b", "c"]));
}

#[test]
fn a_policy_changed_while_a_flag_is_armed_shows_its_new_figures_and_moves_no_expiry() {
    let rule = EscalationRule { threshold: 5, window: Some(lasts("100h")), flag_ttl: lasts("9h"), ..rule() };
    let flag = decide_with(&rule, &three_nights(), &[], Some(&armed()), "2026-03-04T04:00:00Z");
    assert_eq!((flag.state, flag.threshold, flag.window), (FlagState::Armed, 5, lasts("100h")));
    assert_eq!(flag.message(), "3 of 5 in 100h, armed until 2026-03-04T07:23:00Z");
}

#[test]
fn a_flag_that_nobody_looked_at_in_time_is_expired_from_the_start() {
    let late = decide(&three_nights(), &[], None, "2026-03-04T07:23:00Z");
    assert_eq!((late.state, late.reason), (FlagState::Expired, FlagReason::ExpiredUnused));
    assert_eq!(late.armed_at, Some(at("2026-03-04T03:23:00Z")));
    assert_eq!(late.ended_at, Some(at("2026-03-04T07:23:00Z")));
    assert_eq!(decide(&three_nights(), &[], None, "2026-03-04T07:22:59Z").state, FlagState::Armed);
}

#[test]
fn consumed_symptoms_clear_the_flag_and_one_later_symptom_does_not_arm_it_again() {
    let used_up = ["a", "b", "c"];
    let cleared = decide(&three_nights(), &used_up, Some(&armed()), "2026-03-04T04:00:00Z");
    assert_eq!((cleared.state, cleared.reason, cleared.count), (FlagState::Cleared, FlagReason::Consumed, 0));
    assert_eq!(cleared.ended_at, Some(at("2026-03-04T04:00:00Z")));
    assert_eq!(cleared.message(), "0 of 3 in 53h, cleared at 2026-03-04T04:00:00Z");
    let mut runs = three_nights();
    runs.push(oom("d", "2026-03-05T03:22:00Z"));
    let one = decide(&runs, &used_up, Some(&cleared), "2026-03-05T03:22:00Z");
    assert_eq!((one.state, one.count), (FlagState::Cleared, 1));
    runs.push(oom("e", "2026-03-06T03:22:00Z"));
    runs.push(oom("f", "2026-03-07T03:22:00Z"));
    let again = decide(&runs, &used_up, Some(&one), "2026-03-07T03:22:00Z");
    assert_eq!((again.state, again.count), (FlagState::Armed, 3));
    assert_eq!(again.evidence_uids(), uids(&["d", "e", "f"]));
}

#[test]
fn one_consumed_run_of_its_evidence_clears_a_flag_and_a_strange_one_does_not() {
    let part = decide(&three_nights(), &["b"], Some(&armed()), "2026-03-04T04:00:00Z");
    assert_eq!((part.state, part.count), (FlagState::Cleared, 2));
    let other = decide(&three_nights(), &["x"], Some(&armed()), "2026-03-04T04:00:00Z");
    assert_eq!(other.state, FlagState::Armed);
    // Used up and out of time at once: it was used.
    let both = decide(&three_nights(), &["a", "b", "c"], Some(&armed()), "2026-03-04T08:00:00Z");
    assert_eq!(both.state, FlagState::Cleared);
}

#[test]
fn an_armed_flag_outlives_evidence_that_slides_out_of_the_window() {
    let later = decide(&three_nights(), &[], Some(&armed()), "2026-03-04T07:00:00Z");
    let mut with_long_ttl = later.clone();
    with_long_ttl.expires_at = Some(at("2026-03-06T00:00:00Z"));
    let slid = decide(&three_nights(), &[], Some(&with_long_ttl), "2026-03-04T09:00:00Z");
    assert_eq!((slid.state, slid.count), (FlagState::Armed, 2));
    assert_eq!(slid.evidence_uids(), uids(&["a", "b", "c"]));
}

#[test]
fn an_ended_flag_is_idle_when_nothing_of_it_counts_any_more_and_remembers_its_end() {
    let expired = decide(&three_nights(), &[], Some(&armed()), "2026-03-04T08:00:00Z");
    // 53 h after its end at 2026-03-04T07:23:00Z, to the moment.
    let still = decide(&three_nights(), &[], Some(&expired), "2026-03-06T12:22:59.999999999Z");
    assert_eq!((still.state, still.count), (FlagState::Expired, 0));
    assert_eq!(decide(&three_nights(), &[], Some(&expired), "2026-03-06T12:23:00Z").state, FlagState::Idle);
    let idle = decide(&three_nights(), &[], Some(&expired), "2026-03-10T00:00:00Z");
    assert_eq!((idle.state, idle.count, idle.armed_at), (FlagState::Idle, 0, None));
    assert_eq!(idle.ended_at, Some(at("2026-03-04T07:23:00Z")));
    // Put the clock back: the old symptoms count again, and still arm nothing.
    let back = decide(&three_nights(), &[], Some(&idle), "2026-03-04T05:00:00Z");
    assert_eq!((back.state, back.count), (FlagState::Idle, 3));
    assert_eq!(back.ended_at, Some(at("2026-03-04T07:23:00Z")));
    assert_eq!(decide(&[], &[], None, "2026-03-04T05:00:00Z").ended_at, None);
}

#[test]
fn a_threshold_of_nothing_arms_nothing() {
    let rule = EscalationRule { threshold: 0, ..rule() };
    assert_eq!(decide_with(&rule, &[], &[], None, "2026-03-04T05:00:00Z").state, FlagState::Idle);
}

#[test]
fn a_flag_that_a_clock_put_back_saw_used_up_has_not_ended_before_it_began() {
    let armed = armed();
    let consumed = ["a", "b", "c"];
    let cleared = decide(&three_nights(), &consumed, Some(&armed), "2026-03-01T00:00:00Z");
    assert_eq!((cleared.state, cleared.ended_at), (FlagState::Cleared, armed.armed_at));
    // Three nights before those that were used up, by the same clock: they are no news.
    let earlier =
        vec![oom("x", "2026-02-27T03:22:00Z"), oom("y", "2026-02-28T03:24:00Z"), oom("z", "2026-03-01T03:23:00Z")];
    assert_eq!(decide(&earlier, &consumed, Some(&cleared), "2026-03-01T04:00:00Z").state, FlagState::Cleared);
}

#[test]
fn a_flag_may_live_through_the_window_that_opens_next() {
    let nightly = windows(&["03:00-07:00 Etc/UTC"]);
    let through = EscalationRule { valid_through_next_window: true, ..rule() };
    let table = [
        ("2026-03-04T05:00:00Z", "2026-03-04T09:00:00Z", "2026-03-05T07:00:00Z"),
        ("2026-03-04T03:00:00Z", "2026-03-04T07:00:00Z", "2026-03-05T07:00:00Z"),
        ("2026-03-04T02:59:59Z", "2026-03-04T06:59:59Z", "2026-03-04T07:00:00Z"),
        ("2026-03-04T12:00:00Z", "2026-03-04T16:00:00Z", "2026-03-05T07:00:00Z"),
    ];
    for (armed_at, by_ttl, by_window) in table {
        assert_eq!(expiry(&rule(), &nightly, at(armed_at)), at(by_ttl));
        assert_eq!(expiry(&through, &nightly, at(armed_at)), at(by_window));
    }
    let long = EscalationRule { flag_ttl: lasts("48h"), ..through.clone() };
    assert_eq!(expiry(&long, &nightly, at("2026-03-04T05:00:00Z")), at("2026-03-06T05:00:00Z"));
    assert_eq!(expiry(&through, &windows(&[]), at("2026-03-04T05:00:00Z")), at("2026-03-04T09:00:00Z"));
}

#[test]
fn a_phase_that_outlasts_its_window_is_told_with_the_figures() {
    let check = |rule: &EscalationRule, verdict_at: &str, texts: &[&str]| {
        check_phase_fits_window(rule, &windows(texts), at(verdict_at))
    };
    let nightly: &[&str] = &["03:00-07:00 Etc/UTC"];
    assert_eq!(check(&rule(), "2026-03-04T03:22:00Z", nightly), None);
    assert_eq!(check(&rule(), "2026-03-04T06:59:59Z", nightly), None);
    let finding = check(&rule(), "2026-03-04T07:00:00Z", nightly).unwrap();
    assert_eq!(finding.reason, FindingReason::PhaseOutlastsWindow);
    assert_eq!(
        finding.message,
        "a flag armed by the verdict at 2026-03-04T07:00:00Z expires at 2026-03-04T11:00:00Z, and window 03:00-07:00 \
         Etc/UTC opens next at 2026-03-05T03:00:00Z; start the run earlier, lengthen flagTTL, or set \
         validThroughNextWindow"
    );
    // The flag's last instant is before its expiry: a window that opens then opens too late.
    assert!(check(&rule(), "2026-03-03T23:00:00Z", nightly).is_some());
    assert_eq!(check(&rule(), "2026-03-03T23:00:00.000000001Z", nightly), None);
    let through = EscalationRule { valid_through_next_window: true, ..rule() };
    assert_eq!(check(&through, "2026-03-04T07:00:00Z", nightly), None);
    let never = check(&rule(), "2026-03-04T07:00:00Z", &["03:00-03:00 Etc/UTC"]).unwrap();
    assert!(never.message.contains("never opens"), "{}", never.message);
}

proptest! {
    #[test]
    fn whatever_the_order_of_looks_no_flag_outlives_its_time_or_comes_back(
        hours in prop::collection::btree_set(0_i64..200, 0..12),
        looks in prop::collection::vec(0_i64..220 * 60, 1..60),
        consume_at_look in 0_usize..60,
    ) {
        let start = at("2026-03-01T00:00:00Z");
        let instant = |minutes: i64| later_by(start, SignedDuration::from_mins(minutes));
        let runs: Vec<RunFacts> =
            hours.iter().map(|hour| oom(&hour.to_string(), &instant(hour * 60).to_string())).collect();
        let mut consumed = BTreeSet::new();
        let mut previous: Option<Flag> = None;
        let mut over: Vec<Timestamp> = Vec::new();
        for (position, minutes) in looks.into_iter().enumerate() {
            let now = instant(minutes);
            let counting = rule().counting_rule(NIGHTLY, lasts("4h"));
            let count = count_symptoms(&counting, &runs, &consumed, now);
            let flag = decide_flag(&rule(), &count, &consumed, &windows(&["03:00-07:00 Etc/UTC"]), previous.as_ref(), now);
            if flag.state == FlagState::Armed {
                let armed_at = flag.armed_at.unwrap();
                prop_assert!(flag.permits(now) && now < later_by(armed_at, lasts("4h")));
                prop_assert!(!over.contains(&armed_at), "armed again by the same symptom");
                prop_assert!(flag.evidence.len() >= 3);
                prop_assert!(flag.evidence.iter().all(|run| !consumed.contains(&run.uid)));
            } else {
                prop_assert!(!flag.permits(now));
            }
            let was_armed = previous.as_ref().filter(|flag| flag.state == FlagState::Armed);
            if let Some(before) = was_armed.filter(|_| flag.state != FlagState::Armed) {
                over.extend(before.armed_at);
            }
            if position == consume_at_look && flag.state == FlagState::Armed {
                consumed.extend(flag.evidence_uids());
            }
            previous = Some(flag);
        }
    }
}
