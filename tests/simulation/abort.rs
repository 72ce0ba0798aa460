//! A person aborts in the middle of a tuning run: the engine is gone within seconds, and half a search promotes nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt;
use phaseloop::api::TuningCanary;
use serde_json::Value;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

const NAME: &str = "abort";

#[test]
fn an_abort_ends_the_canary_within_seconds_and_the_search_begins_anew_in_the_next_night() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i18_", "i19_", "i22_", "i26_", "i30_"]);
    assert_eq!(story.verdicts(), ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Healthy"]);
    let canaries = story.objects(CANARIES);
    let verdicts: Vec<&str> = canaries.iter().map(|canary| text(canary, "/status/verdict")).collect();
    assert_eq!(verdicts, ["Failed", "Aborted", "Failed", "Passed", "Passed"], "what runs now is measured each time");
    check_abort(&story, &canaries[1]);
    check_phases(&story);
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1, "the first search promotes nothing");
    assert_eq!(promotions[0]["spec"]["cycle"], canaries[4]["spec"]["cycle"]);
    assert_eq!(text(&promotions[0], "/status/validation/phaseRun"), text(&story.objects(RUNS)[5], "/metadata/name"));
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

/// It has no fitness, everything is given back within the 15 s that are promised, and the tuning run ended with it.
fn check_abort(story: &Story, canary: &Value) {
    assert_eq!((canary["spec"]["abort"].as_bool(), &canary["status"]["fitness"]), (Some(true), &Value::Null));
    let writes = story.writes();
    let asked = writes.iter().find(|write| write.contains(" anna patch tuningcanaries.phaseloop.dev ")).unwrap();
    let asked: Timestamp = asked.split(' ').next().unwrap().parse().unwrap();
    let released: Timestamp = text(canary, "/status/releasedAt").parse().unwrap();
    let took = released.duration_since(asked);
    assert!(took > SignedDuration::ZERO && took <= SignedDuration::from_secs(15), "{took:?}");
    let last_tuning = |escalation: &Value| escalation["status"]["lastTuning"].clone();
    let ended = story.versions(ESCALATIONS, "llama-13b").iter().map(last_tuning).find(|last| !last.is_null()).unwrap();
    assert_eq!((text(&ended, "/reason"), &ended["candidatesTried"]), ("Aborted", &Value::from(1)));
}

/// Each phase that the definition promises of a canary is one that canaries go through.
fn check_phases(story: &Story) {
    let definition = serde_json::to_value(TuningCanary::crd()).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/phase/enum";
    let words = |value: Option<&Value>| {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|word| word.as_str().map(String::from)).collect::<BTreeSet<String>>()
    };
    let promised = words(definition.pointer(schema));
    let canaries = story.objects(CANARIES);
    let versions = canaries.iter().flat_map(|canary| story.versions(CANARIES, text(canary, "/metadata/name")));
    let seen: BTreeSet<String> = versions.map(|version| text(&version, "/status/phase").to_owned()).collect();
    assert!(promised.len() > 3 && promised.is_subset(&seen), "promised {promised:?}, seen {seen:?}");
}
