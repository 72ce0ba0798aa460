//! Files of the chart that are copies, and pages that are generated. `UPDATE=1 cargo test --test chart` writes them anew.

use std::{env, fs, path::PathBuf};

use phaseloop::installation::{rights, rights_markdown};

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
pub(crate) fn same_as_committed(path: &str, generated: &str) {
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::create_dir_all(repository(path).parent().unwrap()).unwrap();
        fs::write(repository(path), generated).unwrap();
    }
    let committed = fs::read_to_string(repository(path)).unwrap_or_default();
    let differs = committed.lines().zip(generated.lines()).position(|(committed, line)| committed != line);
    let at = differs.unwrap_or_else(|| committed.lines().count().min(generated.lines().count()));
    assert!(
        committed == generated,
        "{path} is not what is generated, from line {}:\n  committed {}\n  generated {}\nrun UPDATE=1 cargo test --test chart",
        at + 1,
        committed.lines().nth(at).unwrap_or("(nothing more)"),
        generated.lines().nth(at).unwrap_or("(nothing more)"),
    );
}

/// A definition as the chart has it: kept when the chart is uninstalled, with everything that was made of it.
fn kept(definition: &str) -> String {
    let (head, rest) = definition.split_once("metadata:\n").unwrap();
    format!("{head}metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n{rest}")
}

#[test]
fn the_chart_s_definitions_are_those_of_the_code_and_are_kept() {
    let files = phaseloop::api::crd_files().unwrap();
    for (name, text) in &files {
        same_as_committed(&format!("charts/phaseloop/files/definitions/{name}"), &kept(text));
    }
    let committed = fs::read_dir(repository("charts/phaseloop/files/definitions")).unwrap().count();
    assert_eq!(committed, files.len(), "a file that is not generated is there");
}

#[test]
fn the_chart_s_policies_are_those_of_the_manifests() {
    for name in ["promotion-decision.yaml", "escalation-deletion.yaml"] {
        let text = read(&format!("manifests/policies/{name}"));
        same_as_committed(&format!("charts/phaseloop/files/policies/{name}"), &text);
    }
}

#[test]
fn the_committed_page_of_rights_is_that_of_the_table() {
    same_as_committed("docs/reference/rights.md", &rights_markdown(&rights().unwrap()));
}

#[test]
fn the_chart_and_the_program_bear_one_version() {
    let chart = phaseloop::yaml::read_documents("Chart.yaml", &read("charts/phaseloop/Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart[0].value["version"], &chart[0].value["appVersion"]), (&version.into(), &version.into()));
}
