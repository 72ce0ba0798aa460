//! Pages that are generated from the code, and pages that say what the code does.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use phaseloop::telemetry::metrics_page;

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that writes generated files anew is an environment variable")]
fn the_reference_of_metrics_is_that_of_the_code() {
    let path = repository("docs/reference/metrics.md");
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::write(&path, metrics_page()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == metrics_page(), "docs/reference/metrics.md is behind: UPDATE=1 cargo test --test operator");
}

/// Flags and their variables, as `--help` prints them.
fn flags_of_help() -> BTreeSet<(String, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_phaseloop")).args(["operator", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let mut flags = BTreeSet::new();
    let mut flag = String::new();
    for line in help.lines() {
        if let Some(named) = line.trim_start().strip_prefix("--").and_then(|rest| rest.split([' ', '\n']).next()) {
            flag = format!("--{named}");
        }
        if let Some(variable) = line.split("[env: ").nth(1).and_then(|rest| rest.split(['=', ']']).next()) {
            flags.insert((flag.clone(), variable.to_owned()));
        }
    }
    flags
}

#[test]
fn the_page_on_operating_has_every_flag_with_its_variable_and_no_other() {
    let page = fs::read_to_string(repository("docs/operating.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `--")?.split('`');
        let flag = format!("--{}", cells.next()?.split(' ').next()?);
        Some((flag, cells.find(|cell| cell.starts_with("PHASELOOP_"))?.to_owned()))
    });
    let told: BTreeSet<(String, String)> = rows.collect();
    let expected = flags_of_help();
    assert!(expected.len() >= 15, "{expected:?}");
    assert_eq!(told, expected);
}
