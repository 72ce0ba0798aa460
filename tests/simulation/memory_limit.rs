//! A limit on the card's memory: a candidate that takes more of it is no winner, and the guard is who sees it.

use phaseloop::simulation::scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE};
use serde_json::Value;

use crate::story::{CANARIES, PROMOTIONS, Story, text};

/// Between what the engines with 0.72 and with 0.75 of the card come to.
const LIMIT: &str = "  canary:\n    limits: {maxGPUMemoryPercent: 75}\n";

#[test]
fn a_candidate_that_takes_more_of_the_card_than_the_limit_is_not_promoted() {
    let text_of = DEFAULT_SCENARIO.replacen("  canary:\n", LIMIT, 1);
    assert!(text_of != DEFAULT_SCENARIO);
    let story = Story::of(DEFAULT_SCENARIO_FILE, &text_of);
    let canaries = story.objects(CANARIES);
    let of = |value: &str| {
        let asked = |canary: &&Value| text(canary, "/spec/parameters/gpu-memory-utilization") == value;
        canaries.iter().find(asked).unwrap_or_else(|| panic!("no canary of {value}"))
    };
    for value in ["0.7", "0.72"] {
        assert_eq!(text(of(value), "/status/verdict"), "Passed", "{value}");
    }
    let above = of("0.75");
    assert_eq!((text(above, "/status/verdict"), text(above, "/status/reasons/0")), ("Failed", "LimitExceeded"));
    assert!(text(above, "/status/messages/0").ends_with("% of a card's memory in use, limit 75%"), "{above:#}");
    let promotions = story.objects(PROMOTIONS);
    assert_eq!(text(&promotions[0], "/spec/parameters/gpu-memory-utilization"), "0.72");
}
