//! A value that lies in a ConfigMap: promoted in two writes, taken back to the letter from both objects, and another one
//! that stays.

use serde_json::{Value, json};

use crate::story::{CANARIES, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

const PROMOTION: &str = "/metadata/annotations/phaseloop.dev~1promotion";
const HASH: &str = "/spec/template/metadata/annotations/phaseloop.dev~1configuration-hash";

#[test]
fn a_value_in_a_config_map_is_promoted_taken_back_to_the_letter_and_replaced_by_one_that_stays() {
    let story = Story::in_file("config-map");
    let expected = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(story.verdicts(), expected);
    check_promotions(&story);
    check_config_map(&story);
    check_target(&story);
    assert_kept(
        &story,
        &[
            "i17_production_is_left_alone",
            "i20_what_passed_was_measured",
            "i23_what_is_promoted_was_tested",
            "i24_a_promotion_follows_the_edges",
            "i26_validated_by_a_later_run",
            "i27_rolled_back_is_exact",
        ],
    );
    assert_writes(&story, "config-map");
    assert_told(&story, "config-map");
}

fn check_promotions(story: &Story) {
    let mut promotions = story.objects(PROMOTIONS);
    promotions.sort_by_key(|promotion| text(promotion, "/metadata/creationTimestamp").to_owned());
    let [refuted, confirmed] = promotions.as_slice() else { panic!("{promotions:?}") };
    let runs = story.objects(RUNS);
    assert_eq!((text(refuted, "/status/phase"), text(refuted, "/status/reason")), ("RolledBack", "SymptomPersists"));
    let by = text(&runs[5], "/metadata/name");
    let back = format!(
        "ConfigMap/llama-13b-engine and Deployment/llama-13b are as they were before: run {by} still found vllm_oom"
    );
    assert_eq!(text(refuted, "/status/message"), back);
    assert_eq!(text(confirmed, "/status/phase"), "Validated");
    assert_eq!(text(confirmed, "/spec/parameters/gpu-memory-utilization"), "0.75");
    assert_eq!(text(confirmed, "/spec/previous/0/address"), "configMaps[llama-13b-engine].data[share]");
    assert_eq!(text(confirmed, "/spec/configMap/name"), "llama-13b-engine");
    let canaries = story.objects(CANARIES);
    let values: Vec<&str> =
        canaries.iter().map(|canary| text(canary, "/spec/parameters/gpu-memory-utilization")).collect();
    assert!(values.contains(&"0.8") && values.contains(&"0.75"), "{values:?}");
}

/// The ConfigMap, one version after the other: the value and its mark come together, go together, and come again.
fn check_config_map(story: &Story) {
    let versions = story.versions("configmaps", "llama-13b-engine");
    let seen: Vec<(&str, bool)> =
        versions.iter().map(|version| (text(version, "/data/share"), !text(version, PROMOTION).is_empty())).collect();
    assert_eq!(seen, [("0.92", false), ("0.8", true), ("0.92", false), ("0.75", true)]);
    let greetings = versions.iter().all(|version| text(version, "/data/greeting") == "hello\n");
    assert!(greetings, "another key is left alone");
    let content = |version: &Value| (version["data"].clone(), version["metadata"]["annotations"].clone());
    assert_eq!(content(&versions[2]), content(&versions[0]), "byte for byte, and without our mark");
}

/// The target follows the ConfigMap by the hash in its pod template, and is left without a trace of it when it goes back.
fn check_target(story: &Story) {
    let versions = story.versions("deployments.apps", "llama-13b");
    let mut templates: Vec<&Value> = versions.iter().map(|version| &version["spec"]["template"]).collect();
    templates.dedup();
    let [_, before, promoted, restored, confirmed] = templates.as_slice() else { panic!("{templates:?}") };
    let hash = |template: &Value| text(&json!({ "spec": { "template": template } }), HASH).to_owned();
    assert_eq!(restored, before, "byte for byte");
    assert_eq!(hash(before), "");
    assert!(!hash(promoted).is_empty() && !hash(confirmed).is_empty() && hash(promoted) != hash(confirmed));
    let arguments = |template: &Value| template["spec"]["containers"][0]["args"].clone();
    assert_eq!(arguments(confirmed), arguments(before), "no argument was touched");
}
