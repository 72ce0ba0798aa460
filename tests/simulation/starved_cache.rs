//! A KV cache that is too small: a larger share of the card is found, promoted and confirmed.

use serde_json::Value;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

#[test]
fn a_starved_cache_gets_a_larger_share_of_the_card_and_the_smallest_that_is_enough() {
    let story = Story::in_file("starved-cache");
    let runs = story.objects(RUNS);
    assert_eq!(story.verdicts(), ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Healthy"]);
    for run in &runs[3..6] {
        for symptom in run["status"]["symptoms"].as_array().unwrap() {
            assert_eq!((text(symptom, "/kind"), text(symptom, "/diagnosis")), ("latency_regression", "CachePressure"));
        }
        let changed = &run["status"]["changedSinceBaseline"][0];
        assert_eq!((text(changed, "/field"), text(changed, "/from")), ("kv-cache-dtype", "fp8"));
        assert_eq!(changed["to"], Value::Null);
    }
    check_tuning(&story);
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1);
    assert_eq!(text(&promotions[0], "/status/phase"), "Validated");
    assert_eq!(text(&promotions[0], "/spec/parameters/gpu-memory-utilization"), "0.88");
    assert_eq!(text(&promotions[0], "/spec/previous/0/value"), "0.85");
    let first_token = |run: &Value| {
        let metrics = run["status"]["domains"][0]["deltas"].as_array().unwrap();
        let metric = metrics.iter().find(|delta| text(delta, "/metric") == "timeToFirstToken").unwrap();
        metric["current"].as_f64().unwrap() / metric["baseline"].as_f64().unwrap()
    };
    assert!(runs[3..6].iter().all(|run| first_token(run) > 1.5), "critical by the table");
    assert!(first_token(&runs[6]) < 1.2, "within the limit again: {}", first_token(&runs[6]));
    let deployment = &story.objects("deployments.apps")[0];
    assert_eq!(
        deployment["spec"]["template"]["spec"]["containers"][0]["args"],
        serde_json::json!([
            "codellama/CodeLlama-34b-Instruct-hf",
            "--gpu-memory-utilization=0.88",
            "--max-model-len=2048"
        ]),
        "what somebody took away stays away"
    );
    let kept = [
        "i1_budgets_are_kept",
        "i2_reservations_fit_the_budgets",
        "i12_an_armed_flag_was_counted",
        "i17_production_is_left_alone",
        "i20_what_passed_was_measured",
        "i21_fitness_rests_on_evidence",
        "i22_candidates_are_allowed",
        "i23_what_is_promoted_was_tested",
        "i26_validated_by_a_later_run",
    ];
    assert_kept(&story, &kept);
    assert_writes(&story, "starved-cache");
    assert_told(&story, "starved-cache");
}

/// Production's own value and the next one answer too few requests in time; all above are equally good, and the smallest
/// change among them is chosen.
fn check_tuning(story: &Story) {
    let canaries = story.objects(CANARIES);
    let value = |canary: &Value| text(canary, "/spec/parameters/gpu-memory-utilization").to_owned();
    let values: Vec<String> = canaries.iter().map(value).collect();
    assert_eq!(values, ["", "0.86", "0.88", "0.9", "0.92", "0.94", "0.96"], "nearest first, and nothing but this flag");
    for starved in &canaries[..2] {
        assert_eq!(text(starved, "/status/reasons/0"), "TooManyFailedRequests");
        assert_eq!(starved["status"]["fitness"], Value::Null);
    }
    assert!(canaries[2..].iter().all(|canary| canary["status"]["fitness"].as_f64().unwrap() > 0.95));
    let escalation = &story.objects(ESCALATIONS)[0];
    let message = text(escalation, "/status/lastTuning/message");
    assert_eq!(message, "the incumbent failed, fitness 1.000; tie, chosen for the smaller change");
}
