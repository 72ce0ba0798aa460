//! Symptoms that a tuning run has used up: one more is no pattern, and starts nothing although every gate is open.

use serde_json::{Value, json};

use crate::story::{
    CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, condition, flag, text,
};

#[test]
fn a_second_symptom_after_the_tuning_run_starts_no_other_and_a_new_pattern_does() {
    let story = Story::in_file("second-symptom");
    let mut runs = story.objects(RUNS);
    runs.sort_by_key(|run| text(run, "/status/startedAt").to_owned());
    let verdicts: Vec<&str> = runs.iter().map(|run| text(run, "/status/verdict")).collect();
    let expected = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(verdicts, expected);
    assert_eq!(text(&runs[5], "/metadata/name"), "llama-13b-by-hand");
    check_consumption(&story, &runs);
    check_what_is_told(&story);
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1, "the run that found nothing promoted nothing");
    assert_eq!(text(&promotions[0], "/spec/parameters/gpu-memory-utilization"), "0.74");
    assert_eq!(text(&promotions[0], "/status/phase"), "Validated");
    let kept = [
        "i1_budgets_are_kept",
        "i2_reservations_fit_the_budgets",
        "i4_one_tuning_run_per_target",
        "i7_the_cooldown_is_kept",
        "i8_the_rate_is_kept",
        "i9_attempts_are_dense_and_taken_once",
        "i12_an_armed_flag_was_counted",
        "i14_an_expired_flag_starts_nothing",
        "i22_candidates_are_allowed",
        "i23_what_is_promoted_was_tested",
    ];
    assert_kept(&story, &kept);
    assert_writes(&story, "second-symptom");
    assert_told(&story, "second-symptom");
}

/// Two tuning runs, each for two symptoms of its own; nothing between them.
fn check_consumption(story: &Story, runs: &[Value]) {
    let uids = |runs: &[Value]| {
        let mut uids: Vec<String> = runs.iter().map(|run| text(run, "/metadata/uid").to_owned()).collect();
        uids.sort();
        json!(uids)
    };
    let canaries = story.objects(CANARIES);
    let incumbents: Vec<&Value> = canaries.iter().filter(|canary| text(canary, "/spec/role") == "Incumbent").collect();
    let [first, second] = incumbents.as_slice() else { panic!("{incumbents:?}") };
    assert_eq!(first["spec"]["consumes"], uids(&runs[3..5]));
    assert_eq!(second["spec"]["consumes"], uids(&runs[5..7]), "the symptom that started nothing was not lost either");
    let judged = text(&runs[5], "/status/completedAt");
    let begun: Vec<&str> = canaries.iter().map(|canary| text(canary, "/metadata/creationTimestamp")).collect();
    let next = text(&runs[6], "/status/startedAt");
    assert!(begun.iter().all(|begun| *begun < judged || *begun > next), "{judged} {begun:?} {next}");
}

/// After the second symptom: the flag stays cleared and counts 1 of 2, every gate is open, and the object says so.
fn check_what_is_told(story: &Story) {
    let second = &story.answer.nights.iter().filter(|night| night.night == 2).nth(1).unwrap();
    assert_eq!(second.run, "llama-13b-by-hand");
    assert_eq!(second.tuning, None);
    let line = &second.flags[0];
    assert_eq!((line.count, line.threshold, line.states.as_slice()), (1, 2, ["Cleared".to_owned()].as_slice()));
    let versions = story.versions(ESCALATIONS, "llama-13b");
    let cleared = |version: &&Value| {
        let flag = flag(version, "vllm_oom");
        text(flag, "/state") == "Cleared" && flag["count"] == 1
    };
    let told = versions.iter().find(cleared).unwrap();
    assert_eq!(text(flag(told, "vllm_oom"), "/reason"), "Consumed");
    let gates = told["status"]["gates"].as_array().unwrap();
    assert!(gates.iter().all(|gate| gate["open"] == true), "nothing but the flag stands in the way: {gates:?}");
    assert_eq!(text(told, "/status/state"), "Counting");
    let message = text(condition(told, "Ready"), "/message");
    assert!(message.contains("vllm_oom 1 of 2 in 29h"), "{message}");
    assert!(message.contains("NoCandidatePassed: none of 2 candidates passed"), "{message}");
}
