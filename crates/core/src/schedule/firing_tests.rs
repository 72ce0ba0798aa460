use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn schedule(cron: &str, zone: &str) -> Schedule {
    Schedule { cron: cron.parse().unwrap(), zone: Zone::named(zone).unwrap() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn firings(cron: &str, zone: &str, day: Date) -> Vec<String> {
    schedule(cron, zone).firings_on(day).iter().map(ToString::to_string).collect()
}

#[test]
fn a_night_that_skips_the_hour_fires_at_the_first_instant_after_the_gap() {
    let berlin = date(2026, 3, 29);
    assert_eq!(firings("30 2 * * *", "Europe/Berlin", berlin), ["2026-03-29T01:00:00Z"]);
    // Three times in the gap and the first after it are one instant, hence one firing.
    assert_eq!(firings("*/20 2 * * *", "Europe/Berlin", berlin), ["2026-03-29T01:00:00Z"]);
    assert_eq!(firings("0 2,3 * * *", "Europe/Berlin", berlin), ["2026-03-29T01:00:00Z"]);
    assert_eq!(firings("30 2 * * *", "America/New_York", date(2026, 3, 8)), ["2026-03-08T07:00:00Z"]);
    assert_eq!(firings("0 3 * * *", "Europe/Berlin", berlin), ["2026-03-29T01:00:00Z"]);
}

#[test]
fn a_night_that_repeats_the_hour_fires_once() {
    assert_eq!(firings("30 2 * * *", "Europe/Berlin", date(2026, 10, 25)), ["2026-10-25T00:30:00Z"]);
    assert_eq!(firings("30 1 * * *", "America/New_York", date(2026, 11, 1)), ["2026-11-01T05:30:00Z"]);
    assert_eq!(
        firings("*/30 2 * * *", "Europe/Berlin", date(2026, 10, 25)),
        ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"]
    );
    assert_eq!(firings("0 3 * * *", "Europe/Berlin", date(2026, 10, 25)), ["2026-10-25T02:00:00Z"]);
}

#[test]
fn an_hourly_schedule_follows_the_minute_hand_through_both_nights() {
    for (day, hours) in [(date(2026, 3, 29), 23), (date(2026, 3, 30), 24), (date(2026, 10, 25), 25)] {
        let fired = schedule("30 * * * *", "Europe/Berlin").firings_on(day);
        assert_eq!(fired.len(), hours, "{day}");
        for (earlier, later) in fired.iter().zip(fired.iter().skip(1)) {
            assert_eq!(later.duration_since(*earlier), SignedDuration::from_hours(1), "{day}");
        }
    }
}

#[test]
fn next_is_after_and_previous_is_at_or_before() {
    let nightly = schedule("0 3 * * *", "Europe/Berlin");
    let table = [
        ("2026-03-04T01:59:59.999999999Z", "2026-03-04T02:00:00Z", "2026-03-03T02:00:00Z"),
        ("2026-03-04T02:00:00Z", "2026-03-05T02:00:00Z", "2026-03-04T02:00:00Z"),
        ("2026-03-04T02:00:00.000000001Z", "2026-03-05T02:00:00Z", "2026-03-04T02:00:00Z"),
        ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-28T02:00:00Z"),
        ("2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z", "2026-10-24T01:00:00Z"),
    ];
    for (now, next, previous) in table {
        assert_eq!(nightly.next_after(at(now)), Some(at(next)), "next after {now}");
        assert_eq!(nightly.previous_at_or_before(at(now)), Some(at(previous)), "previous before {now}");
    }
}

#[test]
fn zones_far_from_utc_and_a_day_that_never_was_lose_nothing() {
    let kiritimati = schedule("0 0 * * *", "Pacific/Kiritimati");
    assert_eq!(kiritimati.next_after(at("2026-03-04T09:59:00Z")), Some(at("2026-03-04T10:00:00Z")));
    assert_eq!(kiritimati.previous_at_or_before(at("2026-03-04T10:00:00Z")), Some(at("2026-03-04T10:00:00Z")));
    // Samoa had no 30 December 2011: that day's run is the first instant of the 31st.
    let samoa = schedule("0 3 30 12 *", "Pacific/Apia");
    assert_eq!(samoa.next_after(at("2011-12-30T09:59:59Z")), Some(at("2011-12-30T10:00:00Z")));
    assert_eq!(samoa.previous_at_or_before(at("2011-12-30T10:00:00Z")), Some(at("2011-12-30T10:00:00Z")));
    // St John's put its clocks back at one minute past midnight until 2011, so 00:00 came before 23:30.
    let newfoundland = schedule("0 0 6 11 *", "America/St_Johns");
    assert_eq!(newfoundland.previous_at_or_before(at("2010-11-07T02:45:00Z")), Some(at("2010-11-06T02:30:00Z")));
    let newfoundland = schedule("0 0 7 11 *", "America/St_Johns");
    assert_eq!(newfoundland.previous_at_or_before(at("2010-11-07T02:45:00Z")), Some(at("2010-11-07T02:30:00Z")));
    assert_eq!(
        schedule("0 3 29 2 *", "Etc/UTC").next_after(at("2096-03-01T00:00:00Z")),
        Some(at("2104-02-29T03:00:00Z"))
    );
    assert_eq!(
        schedule("0 3 29 2 *", "Etc/UTC").previous_at_or_before(at("2104-02-29T02:59:59Z")),
        Some(at("2096-02-29T03:00:00Z"))
    );
}

#[test]
fn the_ends_of_the_calendar_end_the_search() {
    let nightly = schedule("0 3 * * *", "Etc/UTC");
    assert_eq!(nightly.next_after(Timestamp::MAX), None);
    assert_eq!(nightly.previous_at_or_before(Timestamp::MIN), None);
}

#[test]
fn the_period_is_that_of_the_local_clock() {
    let hours = SignedDuration::from_hours;
    let table = [
        ("0 3 * * *", hours(24), hours(24)),
        ("0 3 * * 1-5", hours(24), hours(72)),
        ("0 3 * * SUN", hours(168), hours(168)),
        ("0 3,4 * * *", hours(1), hours(23)),
        ("15 1,13 * * *", hours(12), hours(12)),
        ("0 22 * * 1,2", hours(24), hours(144)),
        ("*/30 * * * *", SignedDuration::from_mins(30), SignedDuration::from_mins(30)),
        ("50,55 23 * * *", SignedDuration::from_mins(5), SignedDuration::from_mins(24 * 60 - 5)),
        ("0 3 1 * *", hours(28 * 24), hours(31 * 24)),
        ("0 3 1 1 *", hours(365 * 24), hours(366 * 24)),
        ("0 3 29 2 *", hours(1461 * 24), hours(1461 * 24)),
    ];
    for (cron, shortest, longest) in table {
        let period = schedule(cron, "Europe/Berlin").period();
        assert_eq!(period, SchedulePeriod { shortest, longest }, "{cron}");
    }
}

#[test]
fn where_no_clock_changes_it_agrees_with_another_implementation() {
    let expressions = [
        "0 3 * * *",
        "*/15 2-5 * * *",
        "5,35 * * * *",
        "0 0 13 * 5",
        "30 4 1,15 * *",
        "0 3 * * 1-5",
        "0 12 29 2 *",
        "59 23 31 12 *",
        "0 */6 * JAN,jul SUN",
        "7 7 */10 * *",
    ];
    for text in expressions {
        let ours = schedule(text, "Asia/Tokyo");
        let theirs: croner::Cron = text.parse().unwrap();
        let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
        let mut instant = at("2026-01-01T00:00:00Z");
        for _ in 0..60 {
            let expected = theirs.find_next_occurrence(&instant.to_zoned(zone.clone()), false).unwrap().timestamp();
            assert_eq!(ours.next_after(instant), Some(expected), "{text} after {instant}");
            instant = expected;
        }
    }
}

#[test]
fn stepped_minutes_in_the_gap_are_kept_where_the_other_implementation_loses_the_night() {
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let theirs: croner::Cron = "*/15 2 * * *".parse().unwrap();
    let evening = at("2026-03-08T01:00:00Z");
    let lost = theirs.find_next_occurrence(&evening.to_zoned(zone), false).unwrap().timestamp();
    assert_eq!(lost, at("2026-03-09T06:00:00Z"));
    assert_eq!(schedule("*/15 2 * * *", "America/New_York").next_after(evening), Some(at("2026-03-08T07:00:00Z")));
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let cron = prop_oneof![
        Just("0 3 * * *"),
        Just("30 2 * * *"),
        Just("30 1 * * *"),
        Just("*/20 2 * * *"),
        Just("45 * * * *"),
        Just("0 0 * * *"),
        Just("0 3 * * 0"),
        Just("15 0,23 * * *")
    ];
    let zone = prop_oneof![
        Just("Etc/UTC"),
        Just("Europe/Berlin"),
        Just("America/New_York"),
        Just("Australia/Lord_Howe"),
        Just("America/Santiago"),
        Just("Pacific/Kiritimati")
    ];
    (cron, zone).prop_map(|(cron, zone)| schedule(cron, zone))
}

proptest! {
    #[test]
    fn next_and_previous_are_inverse(schedule in any_schedule(), second in 1_767_225_600_i64..1_830_297_600) {
        let instant = Timestamp::from_second(second).unwrap();
        let next = schedule.next_after(instant).unwrap();
        prop_assert!(next > instant);
        prop_assert_eq!(schedule.previous_at_or_before(next), Some(next));
        let just_before = super::super::instant::earlier_by(next, SignedDuration::from_nanos(1));
        let previous = schedule.previous_at_or_before(just_before).unwrap();
        prop_assert!(previous <= instant);
        prop_assert_eq!(schedule.next_after(previous), Some(next));
    }

    #[test]
    fn every_local_day_of_a_nightly_schedule_fires_exactly_once(
        hour in 0_i8..24, minute in 0_i8..60, day in 0_i64..730,
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("America/Santiago")],
    ) {
        let nightly = schedule(&format!("{minute} {hour} * * *"), zone);
        let day = date(2026, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
        prop_assert_eq!(nightly.firings_on(day).len(), 1);
    }
}
