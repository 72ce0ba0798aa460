use jiff::civil::date;

use super::*;
use crate::policy::fixture::{at, window};

fn instance(text: &str, day: Date) -> Option<(String, String)> {
    window(text).instance_on(day).map(|instance| {
        assert_eq!(instance.night, NightId { date: day, zone: window(text).zone });
        (instance.opens_at.to_string(), instance.closes_at.to_string())
    })
}

#[expect(clippy::unnecessary_wraps, reason = "the tables read better")]
fn span(from: &str, to: &str) -> Option<(String, String)> {
    Some((from.to_owned(), to.to_owned()))
}

#[test]
fn a_window_that_ends_at_or_before_its_start_crosses_midnight() {
    let day = date(2026, 3, 4);
    assert_eq!(instance("03:00-07:00 Etc/UTC", day), span("2026-03-04T03:00:00Z", "2026-03-04T07:00:00Z"));
    assert_eq!(instance("22:00-02:00 Etc/UTC", day), span("2026-03-04T22:00:00Z", "2026-03-05T02:00:00Z"));
    assert_eq!(instance("22:00-00:00 Etc/UTC", day), span("2026-03-04T22:00:00Z", "2026-03-05T00:00:00Z"));
    assert_eq!(instance("22:00-24:00 Etc/UTC", day), span("2026-03-04T22:00:00Z", "2026-03-05T00:00:00Z"));
    assert_eq!(instance("00:00-24:00 Etc/UTC", day), span("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"));
    assert_eq!(instance("03:01-03:00 Etc/UTC", day), span("2026-03-04T03:01:00Z", "2026-03-05T03:00:00Z"));
    assert_eq!(instance("03:00-03:01 Etc/UTC", day), span("2026-03-04T03:00:00Z", "2026-03-04T03:01:00Z"));
    assert_eq!(instance("03:00-03:00 Etc/UTC", day), None);
    assert!(window("03:00-03:00 Etc/UTC").is_empty() && !window("03:00-03:01 Etc/UTC").is_empty());
}

#[test]
fn a_window_starts_only_on_its_days() {
    let text = "Mon,Fri 22:00-02:00 Etc/UTC";
    assert!(instance(text, date(2026, 3, 2)).is_some()); // Monday
    assert!(instance(text, date(2026, 3, 3)).is_none());
    assert!(instance(text, date(2026, 3, 6)).is_some()); // Friday
    assert_eq!(window(text).to_string(), text);
}

#[test]
fn the_odd_nights_of_berlin_open_as_the_table_says() {
    let spring = date(2026, 3, 29);
    let autumn = date(2026, 10, 25);
    let table = [
        ("03:00-07:00 Europe/Berlin", spring, span("2026-03-29T01:00:00Z", "2026-03-29T05:00:00Z")),
        ("01:00-05:00 Europe/Berlin", spring, span("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z")),
        ("02:30-05:00 Europe/Berlin", spring, span("2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z")),
        ("01:30-02:30 Europe/Berlin", spring, span("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z")),
        ("02:10-02:50 Europe/Berlin", spring, None),
        ("02:00-03:00 Europe/Berlin", spring, None),
        ("02:59-03:01 Europe/Berlin", spring, span("2026-03-29T01:00:00Z", "2026-03-29T01:01:00Z")),
        ("03:00-07:00 Europe/Berlin", autumn, span("2026-10-25T02:00:00Z", "2026-10-25T06:00:00Z")),
        ("01:00-05:00 Europe/Berlin", autumn, span("2026-10-24T23:00:00Z", "2026-10-25T04:00:00Z")),
        ("02:30-05:00 Europe/Berlin", autumn, span("2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z")),
        ("01:30-02:30 Europe/Berlin", autumn, span("2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z")),
        ("02:10-02:50 Europe/Berlin", autumn, span("2026-10-25T00:10:00Z", "2026-10-25T00:50:00Z")),
        ("23:00-02:30 Europe/Berlin", date(2026, 3, 28), span("2026-03-28T22:00:00Z", "2026-03-29T01:00:00Z")),
        ("01:30-06:00 America/New_York", date(2026, 11, 1), span("2026-11-01T05:30:00Z", "2026-11-01T11:00:00Z")),
        ("02:30-06:00 America/New_York", date(2026, 3, 8), span("2026-03-08T07:00:00Z", "2026-03-08T10:00:00Z")),
    ];
    for (text, day, expected) in table {
        assert_eq!(instance(text, day), expected, "{text} on {day}");
    }
}

#[test]
fn an_instance_holds_its_start_and_not_its_end() {
    let instance = window("03:00-07:00 Etc/UTC").instance_on(date(2026, 3, 4)).unwrap();
    for (instant, holds) in [
        ("2026-03-04T02:59:59.999999999Z", false),
        ("2026-03-04T03:00:00Z", true),
        ("2026-03-04T06:59:59.999999999Z", true),
        ("2026-03-04T07:00:00Z", false),
    ] {
        assert_eq!(instance.holds(at(instant)), holds, "{instant}");
    }
}

#[test]
fn the_instances_from_an_instant_begin_with_the_open_one_and_reach_two_weeks_ahead() {
    let dates = |text: &str, now: &str| -> Vec<String> {
        window(text).instances_from(at(now)).map(|instance| instance.night.date.to_string()).collect()
    };
    let nightly = dates("22:00-02:00 Etc/UTC", "2026-03-04T01:59:59Z");
    assert_eq!(nightly.first().map(String::as_str), Some("2026-03-03"));
    assert_eq!(nightly.last().map(String::as_str), Some("2026-03-19"));
    let nightly = dates("22:00-02:00 Etc/UTC", "2026-03-04T02:00:00Z");
    assert_eq!(nightly.first().map(String::as_str), Some("2026-03-04"));
    // The Sunday whose hour the clocks skip does not open; the Sunday after does.
    let weekly = dates("Sun 02:10-02:50 Europe/Berlin", "2026-03-22T03:00:00Z");
    assert_eq!(weekly, ["2026-04-05"]);
    assert_eq!(dates("03:00-07:00 Etc/UTC", "9999-12-30T22:00:00Z").len(), 0);
}
