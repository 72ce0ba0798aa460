//! A person decides: a decision in another's name is refused, the approver's own is applied in its window.

use serde_json::Value;

use crate::story::{PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, condition, text};

const NAME: &str = "approval";

#[test]
fn only_the_approvers_own_decision_counts_and_it_is_applied_in_the_promotion_window() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i12_", "i17_", "i23_", "i24_", "i25_", "i26_", "i30_"]);
    let verdicts = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(story.verdicts(), verdicts, "the night before the promotion window is still a bad one");
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(promotions.len(), 1);
    let promotion = &promotions[0];
    assert_eq!((text(promotion, "/spec/decision"), text(promotion, "/spec/approvedBy")), ("Approved", "anna"));
    assert_eq!(text(condition(promotion, "Approved"), "/message"), "approved by anna");
    assert_eq!(promotion["status"]["approvalGuarded"], true);
    let runs = story.objects(RUNS);
    assert_eq!(promotion["status"]["validation"]["phaseRun"], runs[7]["metadata"]["name"]);
    check_steps(promotion);
    check_refusal(&story);
    let value = text(promotion, "/spec/parameters/gpu-memory-utilization");
    assert_eq!(
        text(&story.objects("deployments.apps")[0], "/spec/template/spec/containers/0/args/1"),
        format!("--gpu-memory-utilization={value}")
    );
    assert_eq!(story.operator_writes("deployments.apps"), 1);
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

/// It waits for a person, then for the window, and nothing is written before that opens.
fn check_steps(promotion: &Value) {
    let records = promotion["status"]["history"]["records"].as_array().unwrap();
    let steps: Vec<(&str, &str)> =
        records.iter().map(|record| (text(record, "/to"), text(record, "/reason"))).collect();
    let expected = [
        ("Staged", "JustMade"),
        ("AwaitingReview", "AwaitingApproval"),
        ("Staged", "WindowClosed"),
        ("Applying", "Patching"),
        ("Applied", "AwaitingValidation"),
        ("Validated", "Improved"),
    ];
    assert_eq!(steps, expected);
    assert!(text(&records[2], "/at").starts_with("2026-03-04T14:00:00"), "anna decides at three in the afternoon");
    assert_eq!(
        text(&records[2], "/message"),
        "no promotion window is open; the next one opens at 2026-03-05T03:00:00Z"
    );
    assert!(text(&records[3], "/at").starts_with("2026-03-05T03:00:00"), "four in the morning, in Berlin");
}

/// Mallory's request is on record, refused by the admission policy, and changed nothing.
fn check_refusal(story: &Story) {
    let writes = story.writes();
    let refused: Vec<&String> = writes.iter().filter(|write| write.contains(" mallory ")).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("2026-03-04T07:30:00Z mallory patch promotions.phaseloop.dev "), "{}", refused[0]);
    assert!(refused[0].ends_with(" 403 Forbidden"), "{}", refused[0]);
    assert_eq!(story.answer.refused_decisions, 1);
    let steps = &story.answer.promotions[0].steps;
    let told: Vec<&str> = steps.iter().map(|step| step.what.as_str()).collect();
    let expected = ["Staged", "AwaitingReview", "Refused", "Approved", "Staged", "Applying", "Applied", "Validated"];
    assert_eq!(told, expected);
    assert!(steps[2].message.starts_with("Approved by mallory in the name of anna: "), "{}", steps[2].message);
    assert!(steps[2].message.ends_with("approvedBy must be the user name of the requester"), "{}", steps[2].message);
}
