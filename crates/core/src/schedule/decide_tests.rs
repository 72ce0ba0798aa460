use proptest::prelude::*;

use super::*;
use crate::schedule::{Zone, earlier_by, later_by};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule { cron: cron.parse().unwrap(), zone: Zone::named(zone).unwrap() }
}

fn nightly() -> ScheduleInput {
    ScheduleInput {
        schedule: schedule("0 3 * * *", "Etc/UTC"),
        starting_deadline: SignedDuration::from_hours(1),
        suspended: false,
        last_schedule_time: Some(at("2026-03-03T03:00:00Z")),
        active_run: None,
        created_at: at("2026-03-01T12:00:00Z"),
    }
}

#[test]
fn each_situation_has_its_reason() {
    use ScheduleReason::{CaughtUp, NotYet, OnTime, TooLate};
    let table = [
        ("2026-03-04T02:59:59.999999999Z", None, NotYet),
        ("2026-03-04T03:00:00Z", Some("2026-03-04T03:00:00Z"), OnTime),
        ("2026-03-04T03:00:59.999999999Z", Some("2026-03-04T03:00:00Z"), OnTime),
        ("2026-03-04T03:01:00Z", Some("2026-03-04T03:00:00Z"), CaughtUp),
        ("2026-03-04T04:00:00Z", Some("2026-03-04T03:00:00Z"), CaughtUp),
        ("2026-03-04T04:00:00.000000001Z", None, TooLate),
        ("2026-03-05T02:59:59Z", None, TooLate),
        ("2026-03-05T03:30:00Z", Some("2026-03-05T03:00:00Z"), CaughtUp),
    ];
    for (now, start, reason) in table {
        let decision = decide_schedule(&nightly(), at(now));
        assert_eq!((decision.start, decision.reason), (start.map(at), reason), "{now}");
    }
}

#[test]
fn what_was_dealt_with_is_remembered_and_what_waits_is_not() {
    let started = decide_schedule(&nightly(), at("2026-03-04T03:20:00Z"));
    assert_eq!(started.settled, Some(at("2026-03-04T03:00:00Z")));
    assert_eq!(started.next, Some(at("2026-03-05T03:00:00Z")));
    assert_eq!(started.missed, 0);
    assert_eq!(started.message, "the run of 2026-03-04T03:00:00Z starts 20m late, within the starting deadline of 1h");
    let given_up = decide_schedule(&nightly(), at("2026-03-04T05:00:00Z"));
    assert_eq!((given_up.settled, given_up.missed), (Some(at("2026-03-04T03:00:00Z")), 1));
    assert_eq!(given_up.message, "the run of 2026-03-04T03:00:00Z is 2h late, more than the starting deadline of 1h");
    let mut input = nightly();
    input.active_run = Some("chat-20260303-0300".to_owned());
    let waiting = decide_schedule(&input, at("2026-03-04T03:20:00Z"));
    assert_eq!((waiting.start, waiting.settled, waiting.missed), (None, None, 0));
    assert_eq!(waiting.reason, ScheduleReason::OverlapsEarlierRun);
    assert_eq!(waiting.message, "the run of 2026-03-04T03:00:00Z waits for the earlier run chat-20260303-0300 to end");
    let overdue = decide_schedule(&input, at("2026-03-04T04:30:00Z"));
    assert_eq!(overdue.reason, ScheduleReason::TooLate);
    let on_time = decide_schedule(&nightly(), at("2026-03-04T03:00:00Z"));
    assert_eq!(on_time.message, "the run of 2026-03-04T03:00:00Z starts");
    let not_yet = decide_schedule(&nightly(), at("2026-03-04T02:00:00Z"));
    assert_eq!((not_yet.settled, not_yet.message.as_str()), (None, "next run at 2026-03-04T03:00:00Z"));
}

#[test]
fn a_suspended_schedule_starts_nothing_and_takes_up_what_is_still_in_time() {
    let mut input = nightly();
    input.suspended = true;
    let before = decide_schedule(&input, at("2026-03-04T02:00:00Z"));
    assert_eq!((before.reason, before.message.as_str()), (ScheduleReason::Suspended, "suspended: nothing is started"));
    let due = decide_schedule(&input, at("2026-03-04T03:10:00Z"));
    assert_eq!((due.start, due.settled, due.reason), (None, None, ScheduleReason::Suspended));
    assert_eq!(due.message, "suspended: the run of 2026-03-04T03:00:00Z is not started");
    let outlasted = decide_schedule(&input, at("2026-03-06T04:00:00.000000001Z"));
    assert_eq!((outlasted.start, outlasted.reason), (None, ScheduleReason::Suspended));
    assert_eq!((outlasted.settled, outlasted.missed), (Some(at("2026-03-06T03:00:00Z")), 0), "nobody missed it");
    assert_eq!(decide_schedule(&input, at("2026-03-06T04:00:00Z")).settled, None);
    input.suspended = false;
    assert_eq!(decide_schedule(&input, at("2026-03-04T03:40:00Z")).reason, ScheduleReason::CaughtUp);
}

#[test]
fn only_the_last_of_several_missed_starts_is_caught_up() {
    let decision = decide_schedule(&nightly(), at("2026-03-07T03:30:00Z"));
    assert_eq!(decision.start, Some(at("2026-03-07T03:00:00Z")));
    assert_eq!(decision.missed, 3);
    let too_late = decide_schedule(&nightly(), at("2026-03-07T04:30:00Z"));
    assert_eq!((too_late.start, too_late.missed), (None, 4));
}

#[test]
fn missed_starts_are_counted_up_to_a_hundred() {
    let mut input = nightly();
    input.schedule = schedule("*/10 * * * *", "Etc/UTC");
    input.last_schedule_time = Some(at("2026-03-04T00:00:00Z"));
    // The k-th firing after the last one dealt with, caught up in time: k - 1 were missed.
    for (minutes, missed) in [(10, 0), (20, 1), (990, 98), (1000, 99), (1010, 100), (1020, 100), (9000, 100)] {
        let now = later_by(at("2026-03-04T00:00:00Z"), SignedDuration::from_mins(minutes));
        assert_eq!(decide_schedule(&input, now).missed, missed, "{minutes}");
    }
    input.starting_deadline = SignedDuration::ZERO;
    for (minutes, missed) in [(11, 1), (991, 99), (1001, 100), (1011, 100)] {
        let now = later_by(at("2026-03-04T00:00:00Z"), SignedDuration::from_mins(minutes));
        let decision = decide_schedule(&input, now);
        assert_eq!((decision.reason, decision.missed), (ScheduleReason::TooLate, missed), "{minutes}");
    }
}

#[test]
fn what_lay_before_the_schedule_existed_was_never_missed() {
    let mut input = nightly();
    input.last_schedule_time = None;
    input.created_at = at("2026-03-04T03:00:00Z");
    assert_eq!(decide_schedule(&input, at("2026-03-04T03:10:00Z")).reason, ScheduleReason::NotYet);
    input.created_at = at("2026-03-04T02:59:59Z");
    assert_eq!(decide_schedule(&input, at("2026-03-04T03:10:00Z")).reason, ScheduleReason::CaughtUp);
    // A schedule that was made again under its old status starts with its own beginning.
    input.last_schedule_time = Some(at("2026-02-01T03:00:00Z"));
    assert_eq!(decide_schedule(&input, at("2026-03-04T03:10:00Z")).missed, 0);
}

#[test]
fn a_clock_put_back_starts_nothing_again() {
    let mut input = nightly();
    input.last_schedule_time = Some(at("2026-03-04T03:00:00Z"));
    for now in ["2026-03-04T03:00:00Z", "2026-03-04T02:00:00Z", "2026-03-03T12:00:00Z"] {
        let decision = decide_schedule(&input, at(now));
        assert_eq!((decision.start, decision.reason), (None, ScheduleReason::NotYet), "{now}");
        assert_eq!(decision.next, Some(at("2026-03-05T03:00:00Z")), "{now}");
    }
}

/// Each case is thousands of decisions.
fn a_twentieth_of_the_usual() -> u32 {
    (ProptestConfig::default().cases / 20).max(1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: a_twentieth_of_the_usual(), ..ProptestConfig::default() })]

    #[test]
    fn a_year_of_arbitrary_sleeps_starts_each_instant_at_most_once_and_never_too_late(
        cron in prop_oneof![Just("0 3 * * *"), Just("30 2 * * *"), Just("*/20 2 * * *"), Just("0 */6 * * *")],
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/New_York"), Just("Etc/UTC")],
        sleeps_minutes in prop::collection::vec(1_i64..2_000, 50..600),
    ) {
        let mut input = ScheduleInput { schedule: schedule(cron, zone), ..nightly() };
        input.created_at = at("2026-01-01T00:00:00Z");
        input.last_schedule_time = None;
        let mut now = input.created_at;
        let mut started: Vec<Timestamp> = Vec::new();
        for minutes in sleeps_minutes {
            now = later_by(now, SignedDuration::from_mins(minutes));
            let decision = decide_schedule(&input, now);
            if let Some(start) = decision.start {
                prop_assert!(started.last().is_none_or(|last| *last < start), "{} again", start);
                prop_assert!(start <= now && now.duration_since(start) <= input.starting_deadline);
                started.push(start);
            }
            input.last_schedule_time = decision.settled.or(input.last_schedule_time);
        }
    }

    #[test]
    fn sleeps_shorter_than_the_deadline_lose_nothing_and_double_nothing(
        cron in prop_oneof![Just("0 3 * * *"), Just("30 2 * * *"), Just("*/20 2 * * *"), Just("30 1 * * 0")],
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe")],
        seed in 0_u64..1_000,
        fortnight in 0_i64..26,
    ) {
        let mut input = ScheduleInput { schedule: schedule(cron, zone), ..nightly() };
        // Not longer than the shortest distance of firings, or a start could be overtaken by the next. On Lord Howe Island
        // half an hour is skipped, so the gap brings 02:20 and 02:40 as near as 02:30 and 02:40.
        input.starting_deadline = SignedDuration::from_mins(10);
        input.created_at = later_by(at("2026-01-01T00:00:00Z"), SignedDuration::from_hours(fortnight * 336));
        input.last_schedule_time = None;
        let end = later_by(input.created_at, SignedDuration::from_hours(340));
        let mut now = input.created_at;
        let mut random = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut started = Vec::new();
        while now < end {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now = later_by(now, SignedDuration::from_secs(1 + i64::try_from(random >> 33).unwrap() % 599));
            let decision = decide_schedule(&input, now);
            started.extend(decision.start);
            prop_assert_eq!(decision.missed, 0);
            input.last_schedule_time = decision.settled.or(input.last_schedule_time);
        }
        let mut expected = Vec::new();
        let mut firing = input.schedule.next_after(input.created_at);
        while let Some(instant) = firing.filter(|instant| *instant <= now) {
            expected.push(instant);
            firing = input.schedule.next_after(instant);
        }
        prop_assert_eq!(started, expected);
        prop_assert!(earlier_by(now, SignedDuration::ZERO) == now);
    }
}
