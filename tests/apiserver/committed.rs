//! Scripts and recordings belong together.

use std::{collections::BTreeSet, fs};

use crate::{
    recording::{COMMAND, Recording},
    script::{folder, objects, script_files},
    simulated::known_to_differ,
};

/// Fewer would leave parts of the API that phaseloop relies on without a recording.
const SCRIPTS_MIN: usize = 60;

#[test]
fn each_script_has_a_recording_and_each_recording_a_script() {
    let objects = objects().unwrap();
    let mut problems = Vec::new();
    let files = script_files().unwrap();
    for file in &files {
        let recording = Recording::read(&file.name).unwrap();
        let recorded: Vec<(&str, &str)> =
            recording.scripts.iter().map(|script| (script.name.as_str(), script.digest.as_str())).collect();
        for script in &file.scripts {
            let digest = script.digest(&objects);
            if !recorded.contains(&(script.name.as_str(), digest.as_str())) {
                problems.push(format!("{}: {:?} was not recorded as it is now: {COMMAND}", file.name, script.name));
            }
        }
        for (name, _) in recorded {
            if !file.scripts.iter().any(|script| script.name == name) {
                problems.push(format!("{}: {name:?} is recorded and there is no such script: {COMMAND}", file.name));
            }
        }
        for (script, recorded) in file.scripts.iter().zip(&recording.scripts) {
            let asked: Vec<String> = script.steps.iter().map(super::script::Step::line).collect();
            let answered: Vec<&str> = recorded.answers.iter().map(|answer| answer.request.as_str()).collect();
            if asked != answered {
                problems.push(format!("{}: {:?} has another answer than one per step", file.name, script.name));
            }
        }
    }
    let recorded = fs::read_dir(folder("recorded")).unwrap();
    for entry in recorded {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !files.iter().any(|file| format!("{}.json", file.name) == name) {
            problems.push(format!("recorded/{name} belongs to no file of scripts"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn there_are_enough_scripts_and_no_two_share_a_namespace() {
    let files = script_files().unwrap();
    let namespaces: Vec<String> =
        files.iter().flat_map(|file| &file.scripts).map(super::script::Script::namespace).collect();
    assert!(namespaces.len() >= SCRIPTS_MIN, "{} scripts, {SCRIPTS_MIN} are wanted", namespaces.len());
    let mut seen = BTreeSet::new();
    let twice: Vec<&String> = namespaces.iter().filter(|namespace| !seen.insert(*namespace)).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn a_recording_holds_no_uid_and_no_instant_of_the_day_it_was_made() {
    let uid = regex_lite::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    let instant = regex_lite::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d").unwrap();
    let objects = objects().unwrap();
    for file in script_files().unwrap() {
        let mut written: String = file.scripts.iter().map(super::script::Script::text).collect();
        written.extend(objects.values().map(ToString::to_string));
        let text = fs::read_to_string(folder(&format!("recorded/{}.json", file.name))).unwrap();
        for found in uid.find_iter(&text).chain(instant.find_iter(&text)) {
            assert!(written.contains(found.as_str()), "{}: {} is of one run", file.name, found.as_str());
        }
    }
}

/// Pages that say how many scripts there are, and how many of them the server in memory answers to the letter.
const PAGES: [&str; 2] = ["ARCHITECTURE.md", "docs/simulated-api-server.md"];

#[test]
fn the_pages_say_how_many_scripts_are_answered_to_the_letter() {
    let all: usize = script_files().unwrap().iter().map(|file| file.scripts.len()).sum();
    let told = format!("{} of {all} scripts", all - known_to_differ().len());
    for page in PAGES {
        let text = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&told), "{page} does not say: {told}");
    }
}
