use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use RejectionReason::{ImpossibleValue, MissingField, UnknownStatus, WrongType};

fn full() -> Value {
    json!({
        "epoch_id": "e7", "run_id": "r1", "test_id": "t1", "domain": "chat", "status": "pass", "latency_ms": 120.5,
        "throughput": 900, "oom_events": 2, "cpu_pct": 50.5, "memory_mb": 2048, "start_time": "2026-01-01T03:00:00Z",
        "end_time": "2026-01-01T03:00:01+00:00", "params": {"deep": [1, {"x": null}]}
    })
}

fn rejection(row: &Value) -> (RejectionReason, String) {
    let Rejection { reason, detail } = RawRow::parse(row.to_string().as_bytes()).unwrap().check().unwrap_err();
    (reason, detail)
}

fn with(field: &str, value: Value) -> Value {
    let mut row = full();
    row[field] = value;
    row
}

/// Whether the row with this value is accepted.
fn accepts(field: &str, value: Value) -> bool {
    RawRow::parse(with(field, value).to_string().as_bytes()).unwrap().check().is_ok()
}

#[test]
fn a_full_row_is_read_whole() {
    let text = full().to_string();
    let raw = RawRow::parse(text.as_bytes()).unwrap();
    assert_eq!(raw.unknown, Vec::<Cow<'_, str>>::new());
    let row = raw.check().unwrap();
    let start: Timestamp = "2026-01-01T03:00:00Z".parse().unwrap();
    let end: Timestamp = "2026-01-01T03:00:01Z".parse().unwrap();
    assert_eq!(
        row,
        Row {
            epoch_id: Some("e7".into()),
            run_id: Some("r1".into()),
            test_id: "t1".into(),
            domain: "chat".into(),
            status: TestStatus::Pass,
            latency_ms: Some(120.5),
            throughput: Some(900.0),
            oom_events: 2,
            cpu_percent: Some(50.5),
            memory_megabytes: Some(2048.0),
            start_time: Some(start),
            end_time: Some(end),
        }
    );
}

#[test]
fn only_test_domain_and_status_are_needed() {
    for row in [
        r#"{"test_id":"t1","domain":"chat","status":"skip"}"#.to_owned(),
        r#"{"test_id":"t1","domain":"chat","status":"skip","latency_ms":null,"oom_events":null,"start_time":null,"run_id":null}"#.to_owned(),
    ] {
        let row = RawRow::parse(row.as_bytes()).unwrap().check().unwrap();
        assert_eq!((row.status, row.latency_ms, row.oom_events), (TestStatus::Skip, None, 0));
        assert_eq!((row.run_id, row.start_time, row.cpu_percent), (None, None, None));
    }
    for field in ["test_id", "domain", "status"] {
        let mut row = full();
        row.as_object_mut().unwrap().remove(field);
        assert_eq!(rejection(&row), (MissingField, format!("no field {field:?}")));
        assert_eq!(rejection(&with(field, Value::Null)), (MissingField, format!("no field {field:?}")));
    }
}

#[test]
fn every_status_is_known_and_another_is_told_with_its_nearest() {
    for (name, status) in TestStatus::NAMES {
        let text = with("status", json!(name)).to_string();
        assert_eq!(RawRow::parse(text.as_bytes()).unwrap().check().unwrap().status, status);
        assert_eq!(serde_json::to_value(status).unwrap(), name);
    }
    let unknown = |name: &str| rejection(&with("status", json!(name)));
    assert_eq!(
        unknown("passed"),
        (UnknownStatus, "status \"passed\" is none of pass, fail, flake, skip; did you mean \"pass\"?".to_owned())
    );
    assert_eq!(unknown("PASS").1, "status \"PASS\" is none of pass, fail, flake, skip; did you mean \"pass\"?");
    assert_eq!(unknown("error").1, "status \"error\" is none of pass, fail, flake, skip");
    assert_eq!(unknown(&"x".repeat(100)).1, format!("status {:?} is none of pass, fail, flake, skip", "x".repeat(20)));
    assert_eq!(
        rejection(&with("status", json!(1))),
        (WrongType, "field \"status\" is a number, expected a text".to_owned())
    );
}

#[test]
fn figures_are_possible_from_zero_to_their_maximum() {
    for (field, maximum) in [
        ("latency_ms", LATENCY_MS_MAX),
        ("throughput", THROUGHPUT_MAX),
        ("oom_events", OOM_EVENTS_MAX),
        ("cpu_pct", CPU_PERCENT_MAX),
        ("memory_mb", MEMORY_MEGABYTES_MAX),
    ] {
        assert!(accepts(field, json!(0)) && accepts(field, json!(maximum)), "{field}");
        for value in [json!(-1), json!(maximum + 1.0), json!("NaN"), json!("-inf")] {
            assert_eq!(rejection(&with(field, value)).0, ImpossibleValue, "{field}");
        }
        for (value, found) in [
            (json!("12"), "a text"),
            (json!(true), "true or false"),
            (json!([1]), "a list"),
            (json!({"x": 1}), "an object"),
        ] {
            assert_eq!(
                rejection(&with(field, value)),
                (WrongType, format!("field {field:?} is {found}, expected a number"))
            );
        }
    }
    assert_eq!(rejection(&with("latency_ms", json!(-0.5))).1, "field \"latency_ms\" is -0.5, expected 0 to 86400000");
    assert_eq!(rejection(&with("latency_ms", json!("nan"))).1, "field \"latency_ms\" is nan, expected 0 to 86400000");
    assert_eq!(rejection(&with("oom_events", json!(1.5))).1, "field \"oom_events\" is 1.5, expected a whole number");
    assert!(accepts("oom_events", json!(3.0)));
}

#[test]
fn names_and_ids_are_bounded_and_printable() {
    for (field, maximum) in [("domain", 63), ("test_id", 253), ("run_id", 253), ("epoch_id", 253)] {
        assert!(accepts(field, json!("x")) && accepts(field, json!("x".repeat(maximum))), "{field}");
        for value in [json!(""), json!("x".repeat(maximum + 1)), json!("a\nb"), json!("a\u{7f}")] {
            assert_eq!(rejection(&with(field, value)).0, ImpossibleValue, "{field}");
        }
        assert_eq!(
            rejection(&with(field, json!([]))),
            (WrongType, format!("field {field:?} is a list, expected a text"))
        );
    }
    let text = with("epoch_id", json!(17)).to_string();
    assert_eq!(RawRow::parse(text.as_bytes()).unwrap().check().unwrap().epoch_id.as_deref(), Some("17"));
    let escaped = with("domain", json!("a\"b"));
    assert_eq!(RawRow::parse(escaped.to_string().as_bytes()).unwrap().check().unwrap().domain, "a\"b");
}

#[test]
fn a_time_is_rfc_3339_or_seconds() {
    let start = |value: Value| {
        let mut row = with("start_time", value);
        row["end_time"] = Value::Null;
        RawRow::parse(row.to_string().as_bytes()).unwrap().check().map(|row| row.start_time.unwrap().to_string())
    };
    for value in [
        json!("2026-01-01T03:00:00Z"),
        json!("2026-01-01T04:00:00+01:00"),
        json!("2026-01-01T03:00:00"),
        json!("2026-01-01 03:00:00"),
        json!(1_767_236_400),
    ] {
        assert_eq!(start(value.clone()).unwrap(), "2026-01-01T03:00:00Z", "{value}");
    }
    assert_eq!(start(json!(1_767_236_400.5)).unwrap(), "2026-01-01T03:00:00.5Z");
    assert_eq!(start(json!(0)).unwrap(), "1970-01-01T00:00:00Z");
    assert_eq!(start(json!(4_102_444_800.0)).unwrap(), "2100-01-01T00:00:00Z");
    for value in [json!("yesterday"), json!(-1), json!(4_102_444_801.0), json!(1_767_236_400_000_i64), json!("")] {
        let Rejection { reason, detail } = start(value).unwrap_err();
        assert_eq!(reason, ImpossibleValue);
        assert_eq!(detail, "field \"start_time\" is no time of RFC 3339, and no count of seconds since 1970");
    }
    assert_eq!(start(json!(false)).unwrap_err().reason, WrongType);
}

#[test]
fn a_test_does_not_end_before_it_began() {
    assert_eq!(
        rejection(&with("end_time", json!("2026-01-01T02:59:59Z"))),
        (ImpossibleValue, "\"end_time\" lies before \"start_time\"".to_owned())
    );
    assert!(accepts("end_time", json!("2026-01-01T03:00:00Z")));
    assert!(accepts("start_time", Value::Null));
}

#[test]
fn unknown_fields_are_handed_on_by_name() {
    let mut row = full();
    row["hostname"] = json!({"deep": [1]});
    row["stauts"] = json!("pass");
    let text = row.to_string();
    assert_eq!(RawRow::parse(text.as_bytes()).unwrap().unknown, ["hostname", "stauts"]);
}

#[test]
fn a_field_that_stands_twice_is_an_error() {
    let error = RawRow::parse(br#"{"domain":"a","domain":"b"}"#).unwrap_err().to_string();
    assert!(error.contains("field \"domain\" stands twice"), "{error}");
    assert!(RawRow::parse(br#"{"own":1,"own":2}"#).is_ok());
    assert!(RawRow::parse(b"{} {}").is_err());
}

#[test]
fn the_fields_of_the_contract_are_all_used() {
    let row = full();
    let mut names: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = FIELDS.to_vec();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(row) = RawRow::parse(&bytes) {
            let _ = row.check();
        }
    }

    #[test]
    fn no_change_of_one_byte_makes_it_panic(place in 0_usize..400, byte in any::<u8>()) {
        let mut bytes = full().to_string().into_bytes();
        let length = bytes.len();
        bytes[place % length] = byte;
        if let Ok(Ok(row)) = RawRow::parse(&bytes).map(RawRow::check) {
            prop_assert!(row.latency_ms.is_none_or(|latency| (0.0..=LATENCY_MS_MAX).contains(&latency)));
        }
    }
}
