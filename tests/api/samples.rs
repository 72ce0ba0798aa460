//! The samples are what the API server takes, and the full ones show every field.

use std::{collections::BTreeSet, fs};

use kube::core::{CustomResourceExt, Resource};
use phaseloop::{
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary, read_object},
    yaml::read_documents,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    case::{request, sample},
    committed::{read, repository},
    definitions::{schemas, walk},
};

/// The samples of the kinds.
pub(crate) const KINDS: [(&str, &str); 5] = [
    ("PhaseSchedule", "phaseschedule"),
    ("PhaseRun", "phaserun"),
    ("Escalation", "escalation"),
    ("TuningCanary", "tuningcanary"),
    ("Promotion", "promotion"),
];

/// Reads a sample into its type and back: what the type writes must be what the API server would store.
fn reads_and_writes<K>(file: &str)
where
    K: Resource<DynamicType = ()> + CustomResourceExt + DeserializeOwned + Serialize,
{
    let path = format!("manifests/samples/{file}");
    let documents = read_documents(&path, &read(&path)).unwrap();
    let [document] = documents.as_slice() else { panic!("{path} holds several documents") };
    let object: K = read_object(document).unwrap_or_else(|faults| panic!("{faults}"));
    let stored = request(&document.value, None).unwrap_or_else(|refusals| panic!("{path}: {refusals:#?}"));
    let written = serde_json::to_value(&object).unwrap();
    let mut differences = differences(&stored["spec"], &written["spec"], "spec");
    // A schedule's run is a PhaseRun's spec without `abort`: its type has the field, its schema has not.
    differences.retain(|difference| difference != "spec.run.abort: null is written as false");
    assert_eq!(differences, Vec::<String>::new(), "{path}");
}

/// Paths at which two values differ. Numbers, durations and zone-less times are compared as they are written; an empty
/// list or map is the same as none.
fn differences(left: &Value, right: &Value, path: &str) -> Vec<String> {
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            let of =
                |fields: &serde_json::Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
            names
                .iter()
                .flat_map(|name| differences(&of(left, name), &of(right, name), &format!("{path}.{name}")))
                .collect()
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate();
            pairs.flat_map(|(index, (left, right))| differences(left, right, &format!("{path}[{index}]"))).collect()
        }
        _ if left == right || (empty(left) && empty(right)) || same_text(left, right) => Vec::new(),
        _ => vec![format!("{path}: {left} is written as {right}")],
    }
}

/// Whether two texts are two spellings of one duration or one number.
fn same_text(left: &Value, right: &Value) -> bool {
    let (Some(left), Some(right)) = (left.as_str(), right.as_str()) else { return false };
    let durations = (phaseloop_core::value::parse_duration(left), phaseloop_core::value::parse_duration(right));
    let numbers = (left.parse::<phaseloop_core::value::Decimal>(), right.parse::<phaseloop_core::value::Decimal>());
    matches!(durations, (Ok(left), Ok(right)) if left == right)
        || matches!(numbers, (Ok(left), Ok(right)) if left == right)
}

#[test]
fn every_sample_is_accepted_and_reads_into_its_type() {
    for size in ["small", "full"] {
        reads_and_writes::<PhaseSchedule>(&format!("phaseschedule-{size}.yaml"));
        reads_and_writes::<PhaseRun>(&format!("phaserun-{size}.yaml"));
        reads_and_writes::<Escalation>(&format!("escalation-{size}.yaml"));
        reads_and_writes::<TuningCanary>(&format!("tuningcanary-{size}.yaml"));
        reads_and_writes::<Promotion>(&format!("promotion-{size}.yaml"));
    }
}

#[test]
fn there_is_no_sample_that_no_test_reads() {
    let mut expected: BTreeSet<String> =
        KINDS.iter().flat_map(|(_, file)| ["small", "full"].map(|size| format!("{file}-{size}.yaml"))).collect();
    expected.insert("phaseloop-policy.yaml".to_owned());
    let entries = fs::read_dir(repository("manifests/samples")).unwrap();
    let found: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_escalation_with_a_target_alone_is_one_of_the_samples() {
    let escalation = sample("escalation-small.yaml");
    assert_eq!(escalation["spec"].as_object().unwrap().keys().collect::<Vec<_>>(), ["targetRef"]);
}

/// Paths of every field of an object, as schemas name them.
pub(crate) fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    for (name, value) in value.as_object().into_iter().flatten() {
        paths(value, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
    }
    for value in value.as_array().into_iter().flatten() {
        paths(value, &format!("{path}[]"), found);
    }
}

#[test]
fn the_full_samples_show_every_field_of_the_spec() {
    // Alternatives that exclude each other are shown in another sample of the same kind or type, or in a comment.
    let elsewhere =
        ["Escalation spec.suspend", "Escalation spec.parameters[].binding.fieldPath", "Promotion spec.approvedBy"];
    let mut missing = Vec::new();
    for (kind, schema) in schemas() {
        let (_, file) = KINDS.iter().find(|(name, _)| name == kind).unwrap();
        let mut shown = BTreeSet::new();
        for size in ["small", "full"] {
            paths(&sample(&format!("{file}-{size}.yaml")), "", &mut shown);
        }
        walk(&schema["properties"]["spec"], "spec", &mut |path, _| {
            let alternative = ["arrival", "Tokens", "tokens"].iter().any(|part| path.contains(part));
            let map_entry = path.ends_with("parameters[]");
            let told = elsewhere.iter().any(|place| format!("{kind} {path}").starts_with(place));
            if !shown.contains(path) && !alternative && !map_entry && !told {
                missing.push(format!("{kind} {path}"));
            }
        });
    }
    assert_eq!(missing, Vec::<String>::new());
}
