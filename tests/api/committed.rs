//! Generated files that are committed. `UPDATE=1 cargo test --test api` writes them anew.

use std::{env, fs, path::PathBuf};

/// A path within the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), path].iter().collect()
}

/// The text of a committed file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a committed file with what is generated, or writes it where `UPDATE` is set.
#[allow(clippy::disallowed_methods, reason = "the switch that writes generated files anew is an environment variable")]
fn same_as_committed(path: &str, generated: &str) {
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::write(repository(path), generated).unwrap();
    }
    let committed = fs::read_to_string(repository(path)).unwrap_or_default();
    assert!(committed == generated, "{path} is not what is generated: run UPDATE=1 cargo test --test api");
}

#[test]
fn the_committed_definitions_are_those_of_the_code() {
    let files = phaseloop::api::crd_files().unwrap();
    assert_eq!(files.len(), 5);
    for (name, text) in &files {
        same_as_committed(&format!("crds/{name}"), text);
        assert!(text.len() < 300_000, "{name} has {} bytes", text.len());
    }
    let committed = fs::read_dir(repository("crds")).unwrap().count();
    assert_eq!(committed, files.len(), "crds/ holds a file that is not generated");
}

#[test]
fn the_definitions_that_every_process_reads_are_those_that_the_types_make() {
    same_as_committed("src/api/definitions.json", &phaseloop::api::crds::definitions_text());
    assert_eq!(phaseloop::api::crds::kept_definitions()[..], phaseloop::api::crds::crd_values());
}

#[test]
fn the_schema_of_scenarios_that_every_process_reads_is_that_of_the_types() {
    same_as_committed("src/simulation/scenario/schema.json", &phaseloop::simulation::scenario::scenario_schema_text());
}

#[test]
fn generating_twice_gives_the_same_bytes() {
    assert_eq!(phaseloop::api::crds_yaml().unwrap(), phaseloop::api::crds_yaml().unwrap());
    assert_eq!(phaseloop::api::api_reference_markdown(), phaseloop::api::api_reference_markdown());
}

#[test]
fn the_committed_reference_is_that_of_the_definitions() {
    same_as_committed("docs/reference/api.md", &phaseloop::api::api_reference_markdown());
}

#[test]
fn the_committed_reference_of_the_administrators_policy_is_that_of_its_schema() {
    let generated = phaseloop::administrator::administrator_policy_markdown();
    same_as_committed("docs/reference/administrator-policy.md", &generated);
}

#[test]
fn the_committed_reference_of_the_actuators_is_that_of_the_catalogue() {
    same_as_committed("docs/reference/actuators.md", &phaseloop_core::tuning::actuators_markdown());
}

#[test]
fn the_committed_reference_of_the_reasons_is_that_of_the_code() {
    same_as_committed("docs/reference/reasons.md", &phaseloop_core::reference::reasons_markdown());
}

#[test]
fn the_committed_reference_of_test_pods_is_that_of_the_table() {
    same_as_committed("docs/reference/test-pod.md", &phaseloop::workload::test_pod_markdown());
}

#[test]
fn every_enum_of_reasons_is_in_the_reference() {
    let mut declared = Vec::new();
    let mut folders = vec![repository("crates/core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("value/reason.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let after = text.split("reasons! {").skip(1).filter_map(|rest| rest.split_once("pub enum "));
                declared.extend(after.filter_map(|(_, rest)| rest.split_whitespace().next().map(str::to_owned)));
            }
        }
    }
    declared.sort();
    let mut listed: Vec<_> = phaseloop_core::reference::REASON_GROUPS.iter().map(|group| group.enum_name).collect();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}
