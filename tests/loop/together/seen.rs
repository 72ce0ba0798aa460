//! What somebody sees with `kubectl` who has never read a manual: a night in five tables, its events, and waiting.

use std::{env, fs};

use crate::{
    person::Person,
    story::{NAME, begin, is_rolled_out, over_commit, seed, told},
};
use serde_json::json;

/// Our kinds, as people type them.
const KINDS: [&str; 5] = ["phaseschedules", "phaseruns", "escalations", "tuningcanaries", "promotions.phaseloop.dev"];
/// What `kubectl get` showed, with what differs from day to day in words.
const SNAPSHOT: &str = "tests/snapshots/loop/get.txt";

/// A column as it is every day: instants, ages, measured figures and the ends of generated names in words.
fn every_day(word: &str) -> String {
    let digits = word.chars().any(|character| character.is_ascii_digit());
    if digits && word.contains('T') && word.ends_with('Z') {
        return "INSTANT".to_owned();
    }
    if digits && word.chars().all(|character| character.is_ascii_digit() || "hmsd".contains(character)) {
        return if word.chars().all(|character| character.is_ascii_digit()) {
            word.to_owned()
        } else {
            "SPAN".to_owned()
        };
    }
    let is_generated = |part: &str| part.len() >= 5 && part.chars().any(|character| character.is_ascii_digit());
    word.split('-').map(|part| if is_generated(part) { "X" } else { part }).collect::<Vec<_>>().join("-")
}

fn table(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<String> = line.split("   ").map(str::trim).filter(|it| !it.is_empty()).map(every_day).collect();
        words.join("  ")
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[allow(clippy::disallowed_methods, reason = "whoever changes what users see says so")]
fn compare(shown: &str) {
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::create_dir_all("tests/snapshots/loop").unwrap();
        fs::write(SNAPSHOT, shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(SNAPSHOT).unwrap_or_default(), "{SNAPSHOT}; UPDATE=1 takes it as it is now");
}

fn shown(person: &Person<'_>, arguments: &[&str]) -> String {
    let said = person.kubectl(arguments, "");
    assert_eq!(said.code, 0, "kubectl {arguments:?}: {}", said.err);
    said.out
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_tells_a_night_in_tables_and_events_and_can_wait_for_it() {
    told("seen", async |place, person| {
        begin(place, person, &json!({})).await;
        seed(person);
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
        place.until(NAME, "rolled out", is_rolled_out).await;
        assert_eq!(person.night(NAME), (0, "Healthy".to_owned()));

        for kind in KINDS {
            let condition = ["wait", kind, "--all", "--for", "condition=Ready", "--timeout", "60s"];
            let said = shown(person, &condition);
            assert!(said.contains("condition met"), "{kind}: {said}");
        }
        let mut tables = String::new();
        for kind in KINDS {
            let shown = shown(person, &["get", kind]);
            person.tell(&format!("kubectl get {kind}"));
            for line in shown.lines() {
                person.tell(line);
            }
            tables.extend(["$ kubectl get ", kind, "\n", &table(&shown), "\n"]);
        }
        compare(&tables);

        let described = shown(person, &["describe", &format!("escalation/{NAME}")]);
        let (_, events) = described.split_once("\nEvents:").expect("kubectl describe shows events");
        person.tell(events);
        for reason in ["FlagArmed", "Tuning", "Promot"] {
            assert!(events.contains(reason), "{reason} is told: {events}");
        }
    })
    .await;
}
