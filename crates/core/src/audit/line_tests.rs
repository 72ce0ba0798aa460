//! The canonical line, and the recipe of the documentation, which is run as it stands there.

use std::{fs, process::Command};

use super::*;
use crate::audit::fixture::{chain, forged};

fn export(records: &[AuditRecord]) -> String {
    records.iter().map(|record| format!("{}\n", record.line())).collect()
}

#[test]
fn the_line_of_a_record_is_fixed_to_the_byte() {
    let record = chain(1).remove(0);
    let expected = concat!(
        r#"{"sequence":0,"at":"2026-03-04T03:00:00Z","object":{"kind":"Promotion","namespace":"models","#,
        r#""name":"llama-8b-x","uid":"7c9e"},"cycle":"cycle-1","from":null,"to":"Phase0","reason":"RollingOut","#,
        r#""message":"step 0: \"quoted\" back\\slash é 漢","#,
        r#""evidence":[{"kind":"PhaseRun","name":"run-0","uid":null}],"#,
        r#""previousHash":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
    );
    assert_eq!(record.hashed_line(), expected);
    let whole = format!("{},\"hash\":\"{}\"}}", expected.strip_suffix('}').unwrap(), record.hash);
    assert_eq!(record.line(), whole);
}

#[test]
fn an_export_reads_back_as_it_was_written() {
    let records = chain(5);
    assert_eq!(parse_export(&export(&records)), Ok(records.clone()));
    assert_eq!(parse_export(&export(&records).replace('\n', "\n\n")), Ok(records));
    assert_eq!(parse_export(""), Ok(vec![]));
}

#[test]
fn a_line_that_is_no_record_is_named_by_its_number() {
    let text = format!("{}{{\"sequence\":1\n", export(&chain(1)));
    assert!(matches!(parse_export(&text), Err(ExportLineError::Unreadable { line: 2, .. })));
    let unknown = export(&chain(1)).replace("\"cycle\"", "\"color\":1,\"cycle\"");
    assert!(matches!(parse_export(&unknown), Err(ExportLineError::Unreadable { line: 1, .. })));
}

#[test]
fn a_line_that_was_written_again_by_something_else_is_named() {
    for (from, to) in [(":0,", ": 0,"), ("T03:00:00Z", "T03:00:00.000Z"), ("é", "\\u00e9")] {
        let text = export(&chain(1)).replace(from, to);
        assert_eq!(parse_export(&text), Err(ExportLineError::NotCanonical { line: 1 }), "{from} as {to}");
    }
}

/// The first fenced `sh` block of the reference.
fn documented_recipe() -> &'static str {
    let document = include_str!("../../../../docs/reference/audit.md");
    let (_, rest) = document.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// What the documented recipe says of an export.
fn recipe_says(name: &str, text: &str) -> String {
    let folder = std::env::temp_dir().join(format!("phaseloop-audit-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cycles.jsonl"), text).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", documented_recipe()]).current_dir(&folder).env("UID_OF_OBJECT", "7c9e");
    let output = shell.output().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_documented_recipe_finds_a_sound_chain_sound() {
    let records = chain(3);
    let foreign = export(&chain(1)).replace("7c9e", "another object");
    let text = format!("{foreign}{}", export(&records));
    assert_eq!(recipe_says("sound", &text), format!("3 records, head {}\n", records[2].hash));
}

#[test]
fn the_documented_recipe_finds_what_was_tampered_with() {
    let records = chain(3);
    let mut changed = records.clone();
    changed[1].message = "nothing happened".into();
    let mut swapped = records.clone();
    swapped.swap(1, 2);
    let missing = [records[0].clone(), records[2].clone()];
    let rewritten = [&records[..1], &forged(&records, 1)[1..2], &records[2..]].concat();
    for (name, tampered, says) in [
        ("changed", &changed[..], "record 1: changed\n"),
        ("swapped", &swapped, "record 2: does not follow the one before it\n"),
        ("missing", &missing, "record 2: does not follow the one before it\n"),
        ("rewritten", &rewritten, "record 2: does not follow the one before it\n"),
    ] {
        let said = recipe_says(name, &export(tampered));
        assert!(said.starts_with(says), "{name}: {said}");
    }
}
