use serde_json::json;

use super::*;

fn outcome(parts: &[(&str, Value)]) -> Outcome {
    Outcome(parts.iter().map(|(place, value)| ((*place).to_owned(), value.clone())).collect())
}

fn places(wanted: &Value, came: &Value) -> Vec<String> {
    let (wanted, came) = (outcome(&[("x", wanted.clone())]), outcome(&[("x", came.clone())]));
    compare(&wanted, &came).differences.into_iter().map(|one| one.place).collect()
}

#[test]
fn what_is_the_same_does_not_differ_and_each_difference_names_its_place() {
    let wanted = json!({ "a": { "b": [1, "t"] }, "c": true });
    assert_eq!(places(&wanted, &wanted), [] as [&str; 0]);
    assert_eq!(places(&wanted, &json!({ "a": { "b": [2, "t"] }, "c": true })), ["x/a/b/0"]);
    assert_eq!(places(&wanted, &json!({ "a": { "b": [1] }, "d": true })), ["x/a/b", "x/c", "x/d"]);
}

#[test]
fn an_instant_may_be_late_by_what_a_death_takes_and_not_by_more() {
    let at = |time: &str| json!({ "m": format!("ended 2026-03-04T{time}Z, twice") });
    assert_eq!(places(&at("02:00:00"), &at("02:05:59")), [] as [&str; 0]);
    assert_eq!(places(&at("02:00:00"), &at("02:06:01")), ["x/m"]);
    assert_eq!(places(&at("02:00:00"), &json!({ "m": "ended 2026-03-04T02:00:00Z, once" })), ["x/m"]);
    let compared = compare(&outcome(&[("x", at("02:00:10"))]), &outcome(&[("x", at("02:00:00"))]));
    assert_eq!((compared.earliest.as_secs(), compared.latest.as_secs()), (-10, 0));
}

#[test]
fn a_held_gpu_may_round_to_a_second_more_and_nothing_else_may() {
    let used = |hold: &str| json!({ "used": { "hold": hold, "measure": "4s" }, "status": { "summary": { "used": format!("4s/{hold}") } } });
    assert_eq!(places(&used("54s"), &used("55s")), [] as [&str; 0]);
    assert_eq!(places(&used("59s"), &used("1m")), [] as [&str; 0]);
    assert_eq!(places(&used("54s"), &used("56s")), ["x/status/summary/used", "x/used/hold"]);
    let measured = |measure: &str| json!({ "used": { "measure": measure } });
    assert_eq!(places(&measured("4s"), &measured("5s")), ["x/used/measure"]);
}

#[test]
fn an_object_that_only_one_history_left_differs() {
    let (one, none) = (outcome(&[("object pods chat/a", json!(1))]), outcome(&[]));
    assert_eq!(compare(&one, &none).differences.len(), 1);
    assert_eq!(compare(&none, &one).differences.len(), 1);
}

#[test]
fn news_may_be_missing_and_none_is_told_twice() {
    let told = |notes: &[&str]| outcome(&[("told PhaseRun a", json!(notes))]);
    let differences = |wanted: &[&str], came: &[&str]| compare(&told(wanted), &told(came)).differences.len();
    assert_eq!(differences(&["a", "b"], &["b"]), 0);
    assert_eq!(differences(&["a", "b"], &["b", "b"]), 1);
    assert_eq!(differences(&["a"], &["c"]), 1);
    assert_eq!(compare(&told(&["a"]), &outcome(&[])).differences.len(), 0);
}

#[test]
fn a_phase_that_went_by_unseen_may_be_missing_and_none_is_recorded_twice() {
    let history = |phases: &[&str]| {
        let records: Vec<Value> = phases.iter().map(|to| json!({ "to": to, "reason": to })).collect();
        json!({ "status": { "history": { "records": records } } })
    };
    let all = history(&["Pending", "Starting", "Measuring", "Done"]);
    assert_eq!(places(&all, &history(&["Pending", "Measuring", "Done"])), [] as [&str; 0]);
    for wrong in [
        &["Pending", "Starting", "Measuring"][..],
        &["Pending", "Pending", "Starting", "Measuring", "Done"],
        &["Starting", "Pending", "Done"],
    ] {
        assert_ne!(places(&all, &history(wrong)), [] as [&str; 0], "{wrong:?}");
    }
}
