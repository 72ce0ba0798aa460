//! What is printed for people, held against committed files. `UPDATE=1 cargo test --test cli` writes them anew.

use std::fs;

use crate::{
    commands::pages,
    support::{phaseloop, repository},
};

#[allow(clippy::disallowed_methods, reason = "the switch that writes snapshots anew is an environment variable")]
fn same_as_committed(name: &str, printed: &str) {
    let path = repository("tests/snapshots").join(name);
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::write(&path, printed).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == printed,
        "{name} is not what is printed: run UPDATE=1 cargo test --test cli, and read the diff"
    );
}

#[test]
fn a_replay_reads_as_committed() {
    let ended = phaseloop(&["replay", "--runs", "examples/recorded-nights"]);
    same_as_committed("replay.txt", &ended.stdout);
}

#[test]
fn an_analysis_reads_as_committed() {
    let nights: Vec<String> =
        (1..=11).map(|night| format!("examples/recorded-nights/night{night:02}.bench.json")).collect();
    let mut arguments = vec!["analyze"];
    arguments.extend(nights.iter().map(String::as_str));
    same_as_committed("analyze-night11.txt", &phaseloop(&arguments).stdout);
    same_as_committed("analyze-night01.txt", &phaseloop(&arguments[..2]).stdout);
}

#[test]
fn the_help_reads_as_committed() {
    let printed: Vec<String> = pages()
        .iter()
        .map(|page| {
            let arguments: Vec<&str> = page.iter().map(String::as_str).collect();
            format!("$ phaseloop {}\n{}", page.join(" "), phaseloop(&arguments).stdout)
        })
        .collect();
    same_as_committed("help.txt", &printed.join("\n"));
}
