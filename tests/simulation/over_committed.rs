//! A card of which somebody else holds a part: the one value between too little and too much is found.

use serde_json::Value;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

#[test]
fn between_values_that_get_too_little_and_those_that_ask_for_too_much_the_right_one_is_found() {
    let story = Story::in_file("over-committed");
    let runs = story.objects(RUNS);
    assert_eq!(story.verdicts(), ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Healthy"]);
    for run in &runs[3..6] {
        let symptoms = run["status"]["symptoms"].as_array().unwrap();
        assert_eq!(symptoms.len(), 1, "{symptoms:?}");
        assert_eq!(text(&symptoms[0], "/kind"), "vllm_oom");
        assert_eq!(text(&symptoms[0], "/diagnosis"), "MemoryOvercommitted");
        assert_eq!(run["status"]["changedSinceBaseline"], Value::Null, "nobody changed anything: the card did");
    }
    let canaries = story.objects(CANARIES);
    let came: Vec<(&str, &str, &str)> = canaries
        .iter()
        .map(|canary| {
            let value = text(canary, "/spec/parameters/gpu-memory-utilization");
            (value, text(canary, "/status/verdict"), text(canary, "/status/reasons/0"))
        })
        .collect();
    let expected = [
        ("", "Failed", "StartRefusedForMemory"),
        ("0.7", "Failed", "TooLittleMemory"),
        ("0.72", "Failed", "TooLittleMemory"),
        ("0.75", "Failed", "TooLittleMemory"),
        ("0.77", "Failed", "TooLittleMemory"),
        ("0.8", "Passed", ""),
        ("0.82", "Failed", "StartRefusedForMemory"),
    ];
    assert_eq!(came, expected);
    let message = text(&canaries[6], "/status/messages/0");
    assert!(message.contains("is less than desired GPU memory utilization (0.82"), "{message}");
    let promotion = &story.objects(PROMOTIONS)[0];
    assert_eq!((text(promotion, "/status/phase"), text(promotion, "/status/reason")), ("Validated", "Improved"));
    assert_eq!(text(promotion, "/status/validation/phaseRun"), text(&runs[6], "/metadata/name"));
    let deployment = &story.objects("deployments.apps")[0];
    assert_eq!(text(deployment, "/spec/template/spec/containers/0/args/1"), "--gpu-memory-utilization=0.8");
    assert_eq!(deployment["status"]["readyReplicas"], 1, "on the same card, with the new value, production starts");
    assert_eq!(story.objects(ESCALATIONS)[0]["status"]["denied"], Value::Null);
    let kept = [
        "i1_budgets_are_kept",
        "i2_reservations_fit_the_budgets",
        "i4_one_canary_engine_per_target",
        "i12_an_armed_flag_was_counted",
        "i16_no_production_selector_finds_a_test_pod",
        "i20_what_passed_was_measured",
        "i21_fitness_rests_on_evidence",
        "i23_what_is_promoted_was_tested",
        "i26_validated_by_a_later_run",
    ];
    assert_kept(&story, &kept);
    assert_writes(&story, "over-committed");
    assert_told(&story, "over-committed");
}
