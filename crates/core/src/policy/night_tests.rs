use proptest::prelude::*;

use super::*;
use crate::{
    policy::fixture::{at, night, windows},
    schedule::later_by,
};

#[test]
fn a_night_is_the_local_date_on_which_its_window_started() {
    let late = windows(&["22:00-02:00 Europe/Berlin"]);
    for now in ["2026-03-04T21:00:00Z", "2026-03-04T23:30:00Z", "2026-03-05T00:59:59Z"] {
        let open = late.current(at(now)).unwrap();
        assert_eq!(open.night.to_string(), "2026-03-04 Europe/Berlin", "{now}");
        assert_eq!(open.closes_at, at("2026-03-05T01:00:00Z"), "{now}");
    }
    assert_eq!(late.current(at("2026-03-05T01:00:00Z")), None);
    // One night, although the clocks change in it.
    let berlin = windows(&["01:00-05:00 Europe/Berlin"]);
    for now in ["2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T03:59:59Z"] {
        assert_eq!(berlin.current(at(now)).unwrap().night.to_string(), "2026-10-25 Europe/Berlin", "{now}");
    }
}

#[test]
fn open_includes_the_start_and_excludes_the_end() {
    let nightly = windows(&["03:00-07:00 Etc/UTC"]);
    for (now, open, closes, next) in [
        ("2026-03-04T02:59:59.999999999Z", false, None, "2026-03-04T03:00:00Z"),
        ("2026-03-04T03:00:00Z", true, Some("2026-03-04T07:00:00Z"), "2026-03-04T03:00:00Z"),
        ("2026-03-04T06:59:59.999999999Z", true, Some("2026-03-04T07:00:00Z"), "2026-03-04T06:59:59.999999999Z"),
        ("2026-03-04T07:00:00Z", false, None, "2026-03-05T03:00:00Z"),
    ] {
        assert_eq!(nightly.is_open(at(now)), open, "{now}");
        assert_eq!(nightly.closes_at(at(now)), closes.map(at), "{now}");
        assert_eq!(nightly.next_open(at(now)), Some(at(next)), "{now}");
    }
}

#[test]
fn several_windows_are_open_when_one_is_and_join_without_a_break() {
    let both = windows(&["01:00-03:00 Etc/UTC", "03:00-04:00 Etc/UTC", "20:00-21:00 Etc/UTC"]);
    assert_eq!(both.closes_at(at("2026-03-04T01:30:00Z")), Some(at("2026-03-04T04:00:00Z")));
    assert_eq!(both.next_open(at("2026-03-04T04:00:00Z")), Some(at("2026-03-04T20:00:00Z")));
    assert_eq!(both.next_open(at("2026-03-04T21:00:00Z")), Some(at("2026-03-05T01:00:00Z")));
    let overlapping = windows(&["02:00-06:00 Etc/UTC", "22:00-03:00 Etc/UTC"]);
    let open = overlapping.current(at("2026-03-04T02:30:00Z")).unwrap();
    assert_eq!((open.night, open.closes_at), (night("2026-03-03"), at("2026-03-04T06:00:00Z")));
    // When the window that opened first closes, it is the other one's night.
    assert_eq!(overlapping.current(at("2026-03-04T03:00:00Z")).unwrap().night, night("2026-03-04"));
    assert_eq!(both.to_string(), "01:00-03:00 Etc/UTC or 03:00-04:00 Etc/UTC or 20:00-21:00 Etc/UTC");
}

#[test]
fn another_night_is_one_of_another_date() {
    let twice = windows(&["01:00-02:00 Etc/UTC", "20:00-21:00 Etc/UTC"]);
    let spent = night("2026-03-04");
    let next = |now: &str| twice.next_open_of_another_night(at(now), &spent);
    assert_eq!(next("2026-03-04T01:30:00Z"), Some(at("2026-03-05T01:00:00Z")));
    assert_eq!(next("2026-03-04T20:30:00Z"), Some(at("2026-03-05T01:00:00Z")));
    assert_eq!(next("2026-03-05T01:30:00Z"), Some(at("2026-03-05T01:30:00Z")));
    let always = windows(&["00:00-24:00 Etc/UTC"]);
    assert_eq!(always.next_open_of_another_night(at("2026-03-04T12:00:00Z"), &spent), Some(at("2026-03-05T00:00:00Z")));
    // Overlapping nights: the next one's budget is spent from when the first one closes.
    let overlapping = windows(&["22:00-03:00 Etc/UTC", "02:00-06:00 Etc/UTC"]);
    let spent = night("2026-03-03");
    assert_eq!(
        overlapping.next_open_of_another_night(at("2026-03-04T01:00:00Z"), &spent),
        Some(at("2026-03-04T03:00:00Z"))
    );
}

#[test]
fn the_night_of_an_instant_is_the_open_one_or_the_next() {
    let nightly = windows(&["03:00-07:00 Etc/UTC"]);
    assert_eq!(nightly.night_at(at("2026-03-04T05:00:00Z")), Some(night("2026-03-04")));
    assert_eq!(nightly.night_at(at("2026-03-04T08:00:00Z")), Some(night("2026-03-05")));
    let opening = |now: &str| nightly.next_opening_after(at(now)).map(|instance| instance.opens_at);
    assert_eq!(opening("2026-03-04T02:00:00Z"), Some(at("2026-03-04T03:00:00Z")));
    assert_eq!(opening("2026-03-04T03:00:00Z"), Some(at("2026-03-05T03:00:00Z")));
    let two = windows(&["20:00-21:00 Etc/UTC", "03:00-07:00 Etc/UTC"]);
    let opening = |now: &str| two.next_opening_after(at(now)).map(|instance| instance.opens_at);
    assert_eq!(opening("2026-03-04T05:00:00Z"), Some(at("2026-03-04T20:00:00Z")));
    assert_eq!(opening("2026-03-04T20:30:00Z"), Some(at("2026-03-05T03:00:00Z")));
}

#[test]
fn where_no_window_opens_there_is_neither_night_nor_instant() {
    for none in [windows(&[]), windows(&["03:00-03:00 Etc/UTC"])] {
        let now = at("2026-03-04T05:00:00Z");
        assert!(!none.is_open(now));
        assert_eq!((none.current(now), none.next_open(now), none.night_at(now)), (None, None, None));
        assert_eq!(none.next_opening_after(now), None);
    }
}

#[test]
fn a_window_that_never_closes_ends_two_weeks_ahead() {
    let always = windows(&["00:00-24:00 Etc/UTC"]);
    assert_eq!(always.closes_at(at("2026-03-04T12:00:00Z")), Some(at("2026-03-20T00:00:00Z")));
}

#[test]
fn a_weekly_window_that_the_clocks_skip_opens_a_week_later() {
    let sundays = windows(&["Sun 02:10-02:50 Europe/Berlin"]);
    assert_eq!(sundays.next_open(at("2026-03-22T02:00:00Z")), Some(at("2026-04-05T00:10:00Z")));
}

fn any_windows() -> impl Strategy<Value = MaintenanceWindows> {
    prop_oneof![
        Just(windows(&["03:00-07:00 Europe/Berlin"])),
        Just(windows(&["22:00-02:30 America/New_York"])),
        Just(windows(&["02:30-02:15 Europe/Berlin"])),
        Just(windows(&["01:00-03:00 Europe/Berlin", "02:30-05:00 Europe/Berlin", "Sat,Sun 12:00-24:00 Europe/Berlin"])),
        Just(windows(&["00:00-12:00 Australia/Lord_Howe", "12:00-00:00 Australia/Lord_Howe"])),
        Just(windows(&["Sun 02:10-02:50 Europe/Berlin"])),
    ]
}

proptest! {
    #[test]
    fn what_opens_next_is_open_then_and_not_a_moment_before(
        windows in any_windows(), second in 1_767_225_600_i64..1_798_761_600,
    ) {
        let now = Timestamp::from_second(second).unwrap();
        let next = windows.next_open(now).unwrap();
        prop_assert!(next >= now && windows.is_open(next));
        prop_assert_eq!(next == now, windows.is_open(now));
        if next > now {
            let moment = SignedDuration::from_nanos(-1);
            prop_assert!(!windows.is_open(later_by(next, moment)));
            let halfway = later_by(now, next.duration_since(now).checked_div(2).unwrap());
            prop_assert!(!windows.is_open(halfway));
        }
        let open = windows.current(next).unwrap();
        prop_assert!(open.closes_at > next);
        let halfway = later_by(next, open.closes_at.duration_since(next).checked_div(2).unwrap());
        prop_assert!(windows.is_open(halfway));
        prop_assert_eq!(windows.night_at(now), Some(open.night.clone()));
        let other = windows.next_open_of_another_night(now, &open.night).unwrap();
        prop_assert!(windows.current(other).unwrap().night != open.night);
        prop_assert!(other > now);
    }
}

#[test]
fn a_night_is_over_when_the_last_of_its_windows_has_closed() {
    let closes = |texts: &[&str], date: &str| {
        windows(texts).night_closes_at(&night(date)).map_or_else(|| "never".to_owned(), |at| at.to_string())
    };
    assert_eq!(closes(&["03:00-07:00 UTC"], "2026-03-04"), "2026-03-04T07:00:00Z");
    assert_eq!(closes(&["22:00-02:00 UTC"], "2026-03-04"), "2026-03-05T02:00:00Z");
    assert_eq!(closes(&["03:00-07:00 UTC", "12:00-13:00 UTC"], "2026-03-04"), "2026-03-04T13:00:00Z");
    assert_eq!(
        closes(&["22:00-24:00 UTC", "00:00-02:00 UTC"], "2026-03-04"),
        "2026-03-05T02:00:00Z",
        "without a break"
    );
    assert_eq!(closes(&["Mon 03:00-07:00 UTC"], "2026-03-04"), "never", "a Wednesday");
}
