//! The seventeen recorded nights: what a good judge says of them, whatever their scale.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::support::{Folder, phaseloop, repository};

fn replay(folder: &str) -> Vec<Value> {
    let ended = phaseloop(&["replay", "--runs", folder, "--output", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.json()["nights"].as_array().unwrap().clone()
}

fn recorded() -> Vec<Value> {
    replay("examples/recorded-nights")
}

fn labels() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository("examples/recorded-nights/labels.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The names of the reasons, without their figures.
fn reason_names(night: &Value) -> Vec<&str> {
    texts(&night["reasons"]).into_iter().map(|reason| reason.split_once(": ").unwrap().0).collect()
}

fn served_as_baseline(nights: &[Value], run: &str) -> bool {
    let domains = nights.iter().flat_map(|night| night["domains"].as_array().unwrap());
    domains.flat_map(|domain| domain["baseline"]["runs"].as_array().unwrap()).any(|baseline| baseline["name"] == run)
}

#[test]
fn every_night_is_judged_as_its_label_demands() {
    let (nights, labels) = (recorded(), labels());
    assert_eq!(nights.len(), labels.len());
    for night in &nights {
        let run = night["run"].as_str().unwrap();
        let (verdict, reasons) = (night["verdict"].as_str().unwrap(), reason_names(night));
        let symptoms = night["symptoms"].as_array().unwrap();
        let has = |kind: &str, severity: &str| symptoms.iter().any(|s| s["kind"] == kind && s["severity"] == severity);
        match labels[run].as_str() {
            "healthy" if verdict == "Unknown" => assert_eq!(reasons[0], "BaselineSeeding", "{run}"),
            "healthy" => assert_eq!(verdict, "Healthy", "{run}: {reasons:?}"),
            "neighbour" => assert!(["Unknown", "Degraded"].contains(&verdict), "{run}"),
            "client_stalled" => {
                assert_eq!(verdict, "Unknown", "{run}");
                assert!(reasons.contains(&"ClientEngineDisagree"), "{run}: {reasons:?}");
                assert!(symptoms.is_empty() && !served_as_baseline(&nights, run), "{run}");
            }
            "seqs_lowered" => {
                assert_eq!(verdict, "Degraded", "{run}");
                assert!(has("latency_regression", "critical"), "{run}: {symptoms:?}");
                let change = json!({"field": "max-num-seqs", "from": "32", "to": "2"});
                assert_eq!(night["changedSinceBaseline"], json!([change]), "{run}");
            }
            "start_refused" => {
                assert_eq!(verdict, "Degraded", "{run}");
                assert!(has("vllm_oom", "critical"), "{run}: {symptoms:?}");
            }
            other => panic!("{run}: {other}"),
        }
    }
    let healthy = nights.iter().filter(|night| night["verdict"] == "Healthy").count();
    assert_eq!(healthy, 7, "seeding ends as soon as three nights agree");
}

#[test]
fn the_third_lowered_night_arms_the_flag_for_four_hours_and_the_neighbour_arms_nothing() {
    let nights = recorded();
    let armed: Vec<(&str, &Value)> = nights
        .iter()
        .flat_map(|night| night["flags"].as_array().unwrap().iter().map(|flag| (night["run"].as_str().unwrap(), flag)))
        .filter(|(_, flag)| flag["state"] == "Armed")
        .collect();
    let [(run, flag)] = armed.as_slice() else { panic!("{armed:?}") };
    assert_eq!((*run, flag["symptom"].as_str()), ("night13", Some("latency_regression")));
    assert_eq!(flag["evidence"], json!(["night11", "night12", "night13"]));
    let instant = |field: &str| flag[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(instant("expiresAt").duration_since(instant("armedAt")).as_hours(), 4);
    let night14 = nights.iter().find(|night| night["run"] == "night14").unwrap();
    assert_eq!((&night14["counts"]["vllm_oom"], &night14["counts"]["latency_regression"]), (&json!(1), &json!(2)));
    assert!(!served_as_baseline(&nights[5..], "night03"), "a busy neighbour shifts no baseline");
}

#[test]
fn the_first_candidate_is_what_the_healthy_nights_had() {
    for night in recorded() {
        let candidates = night["candidates"].as_array().unwrap();
        if night["run"] == "night13" {
            let values: Vec<&str> =
                candidates.iter().map(|c| c["parameters"]["max-num-seqs"].as_str().unwrap()).collect();
            assert_eq!(values, ["32", "64", "128", "256", "512", "1024"]);
            assert_eq!(candidates[0]["order"], 1);
        } else {
            assert!(candidates.is_empty(), "{}", night["run"]);
        }
    }
}

#[test]
fn each_night_carries_what_a_program_asks_for() {
    for night in recorded() {
        for list in ["reasons", "symptoms", "flags", "gates", "candidates"] {
            assert!(night[list].is_array(), "{list} of {}", night["run"]);
        }
        assert!(night["run"].is_string() && night["verdict"].is_string() && night["counts"].is_object());
        assert_eq!(night["gates"].as_array().unwrap().len(), 7);
    }
}

/// What must not depend on scale, labels or the clock of the recording.
fn judgement(nights: &[Value]) -> Vec<Value> {
    let of_night = |night: &Value| {
        let baselines: Vec<&Value> =
            night["domains"].as_array().unwrap().iter().map(|domain| &domain["baseline"]["runs"]).collect();
        let symptoms: Vec<_> = night["symptoms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| [&s["kind"], &s["severity"], &s["diagnosis"]])
            .collect();
        let states: Vec<&Value> = night["flags"].as_array().unwrap().iter().map(|flag| &flag["state"]).collect();
        json!({
            "run": night["run"], "verdict": night["verdict"], "reasons": reason_names(night), "symptoms": symptoms,
            "counts": night["counts"], "flags": states, "candidates": night["candidates"], "baselines": baselines,
            "changed": night["changedSinceBaseline"],
        })
    };
    nights.iter().map(of_night).collect()
}

#[test]
fn the_judgement_is_the_same_without_the_labels() {
    let folder = Folder::of_nights(|name, content| (name != "labels.json").then_some(content));
    assert_eq!(judgement(&replay(&folder.itself())), judgement(&recorded()));
}

#[test]
fn the_judgement_is_the_same_without_the_times_of_the_recording() {
    let folder = Folder::of_nights(|name, content| {
        if !name.ends_with(".engine.json") {
            return Some(content);
        }
        let mut record: Value = serde_json::from_slice(&content).unwrap();
        let fields = record.as_object_mut().unwrap();
        fields.retain(|field, _| !["start", "end", "night"].contains(&field.as_str()));
        Some(serde_json::to_vec(&record).unwrap())
    });
    assert_eq!(judgement(&replay(&folder.itself())), judgement(&recorded()));
}

/// Every latency of a recording times `factor`: lists of seconds, and figures in milliseconds.
fn scaled(name: &str, content: Vec<u8>, factor: f64) -> Vec<u8> {
    let is_recording = name.starts_with("night") && name.strip_suffix(".json").is_some();
    if !is_recording {
        return content;
    }
    let mut record: Value = serde_json::from_slice(&content).unwrap();
    for (field, value) in record.as_object_mut().unwrap() {
        if ["ttfts", "itls", "latencies", "queue_times"].contains(&field.as_str()) || field.ends_with("_ms") {
            multiply(value, factor);
        }
    }
    serde_json::to_vec(&record).unwrap()
}

fn multiply(value: &mut Value, factor: f64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| multiply(item, factor)),
        Value::Number(number) => *value = json!(number.as_f64().unwrap() * factor),
        _ => {}
    }
}

#[test]
fn the_judgement_is_the_same_with_every_latency_times_seven() {
    let folder = Folder::of_nights(|name, content| Some(scaled(name, content, 7.0)));
    let nights = replay(&folder.itself());
    assert_eq!(judgement(&nights), judgement(&recorded()));
    let ttft = |nights: &[Value]| nights[0]["domains"][0]["metrics"][3]["current"].as_f64().unwrap();
    assert!((ttft(&nights) / ttft(&recorded()) - 7.0).abs() < 1e-6, "the latencies were multiplied at all");
}
