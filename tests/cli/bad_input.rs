//! Bad recordings: a clear error with the place and the remedy, nothing written, no panic.

use std::fs;

use crate::support::{Folder, phaseloop, repository};

fn replay(folder: &Folder) -> crate::support::Ended {
    phaseloop(&["replay", "--runs", &folder.itself()])
}

#[test]
fn a_folder_without_recordings_is_refused() {
    let folder = Folder::new();
    replay(&folder).refused(3, &["the folder is empty", "remedy:"]);
    folder.file("notes.txt", "hello");
    replay(&folder).refused(3, &["no recording in it", "notes.txt"]);
    phaseloop(&["replay", "--runs", &folder.path("nowhere")]).refused(3, &["nowhere", "can't be read", "remedy:"]);
    phaseloop(&["replay", "--runs", &folder.path("notes.txt")]).refused(3, &["is a file, not a folder"]);
    phaseloop(&["analyze", &folder.itself()]).refused(3, &["is a folder", "replay --runs"]);
    phaseloop(&["analyze", &folder.path("gone.jsonl")]).refused(3, &["gone.jsonl", "remedy:"]);
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let gone = folder.path("gone.yaml");
    let latin = folder.file("latin.yaml", [b'a', b':', b' ', 0xe9]);
    let commands: [&[&str]; 3] =
        [&["simulate"], &["replay", "--runs", "examples/recorded-nights", "--policy"], &["audit", "verify", "--file"]];
    for command in commands {
        phaseloop(&[command, &[&gone]].concat())
            .refused(3, &["gone.yaml: can't be read: No such file", "remedy: check"]);
        phaseloop(&[command, &[&latin]].concat())
            .refused(3, &["latin.yaml: can't be read: not UTF-8", "byte 3", "remedy:"]);
    }
}

#[test]
fn a_truncated_result_is_refused_with_line_and_column() {
    let folder = Folder::new();
    let whole = fs::read(repository("examples/recorded-nights/night01.bench.json")).unwrap();
    folder.file("n1.bench.json", &whole[..whole.len() / 2]);
    replay(&folder).refused(3, &["n1.bench.json", "line", "column", "remedy:"]);
}

#[test]
fn a_file_of_another_format_is_refused_by_what_it_lacks() {
    let folder = Folder::new();
    let other = folder.file("n1.bench.json", "{\"hello\": 1}");
    phaseloop(&["analyze", &other]).refused(3, &["n1.bench.json", "vllm bench serve", "remedy:"]);
    let text = folder.file("n2.jsonl", "this is\nno report\n");
    phaseloop(&["analyze", &text]).refused(3, &["n2.jsonl", "not a PHASE report", "line 1", "remedy:"]);
    let picture = folder.file("n3.bench.json", [0x89, b'P', b'N', b'G', 0xff, 0xfe]);
    phaseloop(&["analyze", &picture]).refused(3, &["n3.bench.json", "remedy:"]);
    let unnamed = folder.file("n4.csv", "a,b\n");
    phaseloop(&["analyze", &unnamed]).refused(3, &["n4.csv", "remedy:"]);
}

#[test]
fn impossible_values_are_refused_by_field() {
    let folder = Folder::new();
    let whole = fs::read_to_string(repository("examples/recorded-nights/night01.bench.json")).unwrap();
    for (from, to, text) in [
        ("\"completed\":300", "\"completed\":-3", "completed"),
        ("\"completed\":300", "\"completed\":301", "completed"),
        ("\"completed\":300", "\"completed\":\"many\"", "completed"),
        ("\"duration\":10.14381", "\"duration\":0", "duration"),
        ("\"duration\":10.14381", "\"duration\":1e999", "n.bench.json"),
    ] {
        let changed = whole.replace(from, to);
        assert!(changed != whole, "{from}");
        let file = folder.file("n.bench.json", changed);
        phaseloop(&["analyze", &file]).refused(3, &[text, "remedy:"]);
    }
}

#[test]
fn an_engine_record_of_the_wrong_shape_is_refused_by_field() {
    let folder = Folder::new();
    for (record, text) in [
        ("{\"ready_seconds\": \"soon\"}", "`ready_seconds` = \"soon\", expected a number"),
        ("{\"args\": \"--a\"}", "`args`"),
        ("{\"exit_code\": 4000}", "`exit_code`"),
        ("{\"hello\": 1}", "none of its fields"),
        ("[]", "not an engine record"),
        ("", "not an engine record"),
    ] {
        folder.file("n1.engine.json", record);
        replay(&folder).refused(3, &["n1.engine.json", text, "remedy:"]);
    }
}

#[test]
fn a_misspelt_field_of_a_recording_is_noted_with_the_nearest_name() {
    let folder = Folder::new();
    folder.file("n1.engine.json", "{\"ready_seconds\": 3.5, \"preemption\": 0}");
    let ended = replay(&folder);
    assert!(ended.stdout.contains("did you mean `preemptions`?"), "{}", ended.stdout);
}

#[test]
fn two_reports_of_one_night_are_refused() {
    let folder = Folder::new();
    folder.file("n1.jsonl", "");
    folder.file("n1.report.jsonl", "");
    replay(&folder).refused(3, &["same part in night \"n1\"", "remedy:"]);
}

#[test]
fn a_night_without_any_data_is_unknown_and_never_healthy() {
    let folder = Folder::new();
    folder.file("n1.jsonl", "");
    folder.file("n2.log", "nothing to see\n");
    let ended = phaseloop(&["replay", "--runs", &folder.itself(), "--output", "json"]);
    let nights = ended.json();
    for night in nights["nights"].as_array().unwrap() {
        assert_eq!(night["verdict"], "Unknown", "{night:#}");
    }
}
