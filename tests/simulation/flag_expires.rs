//! No window opens while the flag is armed: it expires unused, nothing starts, and the Escalation says why.

use serde_json::Value;

use crate::story::{
    CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, condition, flag, text,
};

const NAME: &str = "flag-expires";

#[test]
fn a_flag_that_no_window_meets_expires_unused_and_the_reason_stays_visible() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i12_", "i14_", "i15_", "i30_"]);
    let verdicts = ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Degraded", "Degraded", "Healthy"];
    assert_eq!(story.verdicts(), verdicts);
    for nothing in [CANARIES, PROMOTIONS] {
        assert_eq!(story.objects(nothing), [] as [Value; 0]);
    }
    assert_eq!(story.operator_writes("deployments.apps"), 0);
    check_life(&story);
    let last = &story.objects(ESCALATIONS)[0];
    let oom = flag(last, "vllm_oom");
    assert_eq!((text(oom, "/state"), text(oom, "/reason")), ("Expired", "ExpiredUnused"));
    let outlasts = condition(last, "PhaseOutlastsWindow");
    assert_eq!(outlasts["status"], "True", "it is told for as long as the flag is shown");
    let why = text(outlasts, "/message");
    assert!(why.contains("and window 22:00-23:00 Europe/Berlin opens next at 2026-03-05T21:00:00Z; "), "{why}");
    assert!(why.ends_with("start the run earlier, lengthen flagTTL, or set validThroughNextWindow"), "{why}");
    assert_eq!(text(oom, "/message"), format!("expired unused at {}: {why}", text(oom, "/expiresAt")));
    assert_eq!(text(last, "/status/summary/flag"), "vllm_oom expired 2026-03-05 07:05", "what kubectl get shows");
    let told = story.events("ExpiredUnused");
    assert_eq!(told.iter().filter(|note| note.contains("vllm_oom: expired unused at ")).count(), 2, "{told:?}");
    assert!(told.iter().any(|note| note.ends_with(why)), "{told:?}");
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

/// It is armed twice, each time by a new run, holds for its four hours, and permits nothing when the window opens.
fn check_life(story: &Story) {
    let runs = story.objects(RUNS);
    let mut states: Vec<(String, String)> = Vec::new();
    for version in story.versions(ESCALATIONS, "llama-13b") {
        let oom = flag(&version, "vllm_oom");
        let state = (text(oom, "/state").to_owned(), text(oom, "/armedAt").to_owned());
        if !state.0.is_empty() && states.last() != Some(&state) {
            states.push(state);
        }
        let open = condition(&version, "WindowOpen")["status"] == "True";
        assert!(!(open && oom["state"] == "Armed"), "no window opens while it is armed");
    }
    let judged = |run: &Value| text(run, "/status/completedAt").to_owned();
    let (third, fourth) = (judged(&runs[5]), judged(&runs[6]));
    let expected = [("Idle", ""), ("Armed", &third), ("Expired", &third), ("Armed", &fourth), ("Expired", &fourth)];
    assert_eq!(states, expected.map(|(state, armed_at)| (state.to_owned(), armed_at.to_owned())));
    let opened = story.versions(ESCALATIONS, "llama-13b").iter().filter(|version| is_open(version)).count();
    assert!(opened > 0, "the window did open, after the flag had expired");
}

fn is_open(escalation: &Value) -> bool {
    condition(escalation, "WindowOpen")["status"] == "True" && flag(escalation, "vllm_oom")["state"] == "Expired"
}
