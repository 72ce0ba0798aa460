//! A promoted value that does not hold in the night: taken back to the letter, denied, and the loop goes on.

use serde_json::Value;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

const PROMOTION: &str = "/metadata/annotations/phaseloop.dev~1promotion";

#[test]
fn a_value_that_does_not_hold_is_taken_back_to_the_letter_denied_and_replaced_by_one_that_does() {
    let story = Story::in_file("not-validated");
    let runs = story.objects(RUNS);
    let expected = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(
        story.verdicts(),
        expected,
        "three seeds, two bad nights, the one that refutes, one more, and the confirmation"
    );
    let uids: Vec<&str> = runs.iter().map(|run| text(run, "/metadata/uid")).collect();
    check_promotions(&story, &runs);
    check_target(&story);
    check_second_search(&story, &uids);
    assert_kept(
        &story,
        &[
            "i1_budgets_are_kept",
            "i2_reservations_fit_the_budgets",
            "i7_the_cooldown_is_kept",
            "i12_an_armed_flag_was_counted",
            "i17_production_is_left_alone",
            "i20_what_passed_was_measured",
            "i23_what_is_promoted_was_tested",
            "i24_a_promotion_follows_the_edges",
            "i25_one_open_promotion_per_target",
            "i26_validated_by_a_later_run",
            "i27_rolled_back_is_exact",
        ],
    );
    assert_writes(&story, "not-validated");
    assert_told(&story, "not-validated");
}

/// The first promotion says by which run it was refuted, and of what; the second holds.
fn check_promotions(story: &Story, runs: &[Value]) {
    let mut promotions = story.objects(PROMOTIONS);
    promotions.sort_by_key(|promotion| text(promotion, "/metadata/creationTimestamp").to_owned());
    let [refuted, confirmed] = promotions.as_slice() else { panic!("{promotions:?}") };
    assert_eq!(text(refuted, "/spec/parameters/gpu-memory-utilization"), "0.8");
    assert_eq!((text(refuted, "/status/phase"), text(refuted, "/status/reason")), ("RolledBack", "SymptomPersists"));
    assert_eq!(text(refuted, "/status/validation/phaseRun"), text(&runs[5], "/metadata/name"));
    assert_eq!(text(refuted, "/status/validation/verdict"), "Degraded");
    assert_eq!(
        text(refuted, "/status/message"),
        "Deployment/llama-13b is as it was before: run llama-13b-20260304-0200 still found vllm_oom"
    );
    let phases: Vec<&str> =
        refuted["status"]["history"]["records"].as_array().unwrap().iter().map(|record| text(record, "/to")).collect();
    assert_eq!(phases, ["Staged", "Applying", "Applied", "RollingBack", "RolledBack"]);
    let told = story.events("SymptomPersists");
    let name = text(refuted, "/metadata/name");
    let back = format!(
        "{name}: Deployment/llama-13b gets back containers[vllm].args[--gpu-memory-utilization]: 0.8 -> 0.92: run \
         llama-13b-20260304-0200 still found vllm_oom"
    );
    assert!(told.contains(&back), "{told:?}");
    assert_eq!(text(confirmed, "/spec/parameters/gpu-memory-utilization"), "0.77");
    assert_eq!(text(confirmed, "/status/phase"), "Validated");
    assert_eq!(text(confirmed, "/status/validation/phaseRun"), text(&runs[7], "/metadata/name"));
}

/// What production's template was, one version after the other: the value comes, goes without a trace, and another comes.
fn check_target(story: &Story) {
    let versions = story.versions("deployments.apps", "llama-13b");
    let mut templates: Vec<(String, String)> = versions
        .iter()
        .map(|version| (version["spec"]["template"].to_string(), text(version, PROMOTION).to_owned()))
        .collect();
    templates.dedup();
    let [_, before, promoted, restored, other] = templates.as_slice() else { panic!("{templates:?}") };
    assert!(before.0.contains(r#"["meta-llama/Llama-2-13b-chat-hf","--gpu-memory-utilization=0.92""#), "{before:?}");
    assert!(promoted.0.contains("--gpu-memory-utilization=0.8\""), "{promoted:?}");
    assert_eq!(restored, before, "byte for byte, and without our mark");
    assert_eq!(restored.1, "");
    assert!(other.0.contains("--gpu-memory-utilization=0.77\""), "{other:?}");
}

/// The refuted value is denied with the reason, is not tried again, and both searches used up their own symptoms only.
fn check_second_search(story: &Story, uids: &[&str]) {
    let canaries = story.objects(CANARIES);
    let of = |night: &str| canaries.iter().filter(|canary| text(canary, "/spec/night") == night).collect::<Vec<_>>();
    let (first, second) = (of("2026-03-03"), of("2026-03-05"));
    let values = |canaries: &[&Value]| -> Vec<String> {
        canaries.iter().map(|canary| text(canary, "/spec/parameters/gpu-memory-utilization").to_owned()).collect()
    };
    assert_eq!(values(&first), ["", "0.7", "0.72", "0.75", "0.77", "0.8", "0.82"]);
    assert_eq!(values(&second), ["", "0.7", "0.72", "0.75", "0.77", "0.82", ""], "the last one sets something else");
    assert_eq!(text(second[6], "/spec/parameters/max-num-seqs"), "32");
    let consumed = |canary: &Value| canary["spec"]["consumes"].clone();
    assert_eq!(consumed(first[0]), serde_json::json!(sorted(&uids[3..5])));
    assert_eq!(
        consumed(second[0]),
        serde_json::json!(sorted(&uids[5..7])),
        "the refuting night is the first of its count"
    );
    let escalation = &story.objects(ESCALATIONS)[0];
    let denied = escalation["status"]["denied"].as_array().unwrap();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(text(&denied[0], "/parameters/gpu-memory-utilization"), "0.8");
    let name = text(&denied[0], "/promotionName");
    assert_eq!(text(&denied[0], "/reason"), format!("promotion {name} was rolled back"));
    let untried = &escalation["status"]["lastTuning"]["untried"][0];
    assert_eq!(text(untried, "/parameters/gpu-memory-utilization"), "0.8");
    assert_eq!(text(untried, "/message"), format!("not tried: promotion {name} was rolled back"));
    let refuting = story.answer.nights.iter().find(|night| night.night == 3).unwrap();
    assert_eq!((refuting.flags[0].count, refuting.flags[0].state.as_str()), (1, "Cleared"), "one of a new count");
    assert_eq!(refuting.denied, [format!("gpu-memory-utilization=0.8: promotion {name} was rolled back")]);
}

fn sorted(uids: &[&str]) -> Vec<String> {
    let mut uids: Vec<String> = uids.iter().map(ToString::to_string).collect();
    uids.sort();
    uids
}
