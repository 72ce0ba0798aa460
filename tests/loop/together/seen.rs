//! What somebody sees with `kubectl` who has never read a manual: a night in five tables, its events, and waiting.

use std::{env, fs};

use crate::{
    person::Person,
    story::{NAME, begin, confirming_night, is_rolled_out, over_commit, seed, told},
};
use serde_json::json;

/// Our kinds, as people type them.
const KINDS: [&str; 5] = ["phaseschedules", "phaseruns", "escalations", "tuningcanaries", "promotions.phaseloop.dev"];
/// What `kubectl get` showed, with what differs from day to day in words.
const SNAPSHOT: &str = "tests/snapshots/loop/get.txt";

/// Letters of a hash in a name.
const HASH_LETTERS: usize = 10;

/// A word of a column as it is every day: instants, ages and measured figures in words.
fn every_day(word: &str) -> String {
    // What else an engine's death shows depends on whether the first measured request had been sent by then.
    if let Some(("vllm_oom", _)) = word.split_once(',') {
        return "vllm_oom".to_owned();
    }
    let made_of = |others: &str| word.chars().all(|letter| letter.is_ascii_digit() || others.contains(letter));
    if word.chars().all(|letter| letter.is_ascii_digit()) || !word.starts_with(|letter: char| letter.is_ascii_digit()) {
        return word.to_owned();
    }
    match word {
        _ if made_of("-:.TZ") && word.contains('T') => "INSTANT".to_owned(),
        _ if made_of("-") => "DAY".to_owned(),
        _ if made_of(":") => "TIME".to_owned(),
        _ if made_of("hmsd/") => "SPAN".to_owned(),
        // A fitness; what was chosen of has fewer digits.
        _ if made_of(".") && word.split('.').nth(1).is_some_and(|digits| digits.len() == 3) => "FIGURE".to_owned(),
        _ => word.to_owned(),
    }
}

/// The name of an object without what was made for this one.
fn named(name: &str) -> String {
    // Named by its minute, and by its second as well where that is not the first.
    if let Some((schedule, _)) = name.split_once("-forced-") {
        return format!("{schedule}-forced-X");
    }
    // One hash in 26 has no digit.
    let is_made =
        |part: &str| part.len() == HASH_LETTERS || part.len() > 1 && part.contains(|it: char| it.is_ascii_digit());
    name.split('-').map(|part| if is_made(part) { "X" } else { part }).collect::<Vec<_>>().join("-")
}

/// A column as it is every day: the schedule of a story is half a day from whenever it is told.
fn column(text: &str) -> String {
    match text.strip_suffix(" * * *") {
        Some(time) if time.split(' ').all(|part| part.parse::<u8>().is_ok()) => "DAILY".to_owned(),
        _ => text.split(' ').map(every_day).collect::<Vec<_>>().join(" "),
    }
}

/// Lines that are alike on every day are shown once: a baseline takes three nights, and sometimes four.
fn table(text: &str) -> String {
    let line = |line: &str| {
        let mut words = line.split("   ").map(str::trim).filter(|it| !it.is_empty());
        let name = words.next().map(named);
        name.into_iter().chain(words.map(column)).collect::<Vec<_>>().join("  ")
    };
    let mut lines: Vec<String> = text.lines().map(|text| line(text) + "\n").collect();
    lines.dedup();
    lines.concat()
}

#[test]
fn a_table_is_alike_in_every_second_and_whatever_a_hash_is_made_of() {
    let runs = ["chat-forced-20261130-2218", "chat-forced-20261130-2218-14-0"];
    assert_eq!(runs.map(named), ["chat-forced-X"; 2].map(str::to_owned));
    let promotions = ["chat-3h390c3dcl", "chat-rljxfbpjpv"];
    assert_eq!(promotions.map(named), ["chat-X"; 2].map(str::to_owned));
    assert_eq!(named("chat-7b5700bhuu-20261130-2"), "chat-X-X-2");
    assert_eq!(table("chat   Degraded   vllm_oom,pass_rate_drop   55s\n"), "chat  Degraded  vllm_oom  SPAN\n");
    assert_eq!(table("chat   chat   41 16 * * *   Etc/UTC\n"), "chat  chat  DAILY  Etc/UTC\n");
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
        seed(place, person).await;
        over_commit(person);
        assert_eq!(person.night(NAME), (2, "Promoted".to_owned()));
        place.until(NAME, "rolled out", is_rolled_out).await;
        confirming_night(place, person).await;

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
        for reason in ["ThresholdReached", "MakingCanary"] {
            assert!(events.contains(reason), "{reason} is told: {events}");
        }
    })
    .await;
}
