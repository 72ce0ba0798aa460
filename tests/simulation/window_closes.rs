//! A window that closes in the middle of a search: no canary begins that may not be over in time, and what was found decides.

use jiff::Timestamp;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, Story, assert_kept, assert_told, assert_writes, text};

#[test]
fn a_search_is_concluded_before_its_window_closes_with_what_it_has_found() {
    let story = Story::in_file("window-closes");
    let canaries = story.objects(CANARIES);
    let values: Vec<&str> =
        canaries.iter().map(|canary| text(canary, "/spec/parameters/gpu-memory-utilization")).collect();
    assert_eq!(values, ["", "0.7", "0.72", "0.75", "0.77", "0.8"], "0.82 may not be over in time");
    let closes_at: Timestamp = "2026-03-04T02:08:00Z".parse().unwrap();
    for canary in &canaries {
        let not_after: Timestamp = text(canary, "/spec/notAfter").parse().unwrap();
        assert!(closes_at.duration_since(not_after).as_secs() >= 15, "{not_after}");
    }
    let outcome = &story.objects(ESCALATIONS)[0]["status"]["lastTuning"];
    assert_eq!((text(outcome, "/reason"), text(outcome, "/searchEnded")), ("IncumbentFailed", "OutOfTime"));
    let message = text(outcome, "/message");
    assert!(
        message.contains("; concluded with 5 of 6 candidates: the window closes at 2026-03-04T02:08:00Z"),
        "{message}"
    );
    let promotion = &story.objects(PROMOTIONS)[0];
    assert_eq!((text(promotion, "/status/phase"), text(promotion, "/status/reason")), ("Validated", "Improved"));
    assert_kept(
        &story,
        &[
            "i2_reservations_fit_the_budgets",
            "i6_canaries_stay_before_their_not_after",
            "i23_what_is_promoted_was_tested",
        ],
    );
    assert_writes(&story, "window-closes");
    assert_told(&story, "window-closes");
}
