//! The simulation leaves out looks that would see nothing new. That must change nothing.

use phaseloop::simulation::scenario::{DEFAULT_SCENARIO, DEFAULT_SCENARIO_FILE};

use crate::story::Story;

#[test]
fn a_story_is_the_same_with_the_looks_that_are_left_out() {
    let short = DEFAULT_SCENARIO.replace("nightsBefore: 5", "nightsBefore: 4");
    let with = Story::adjusted(DEFAULT_SCENARIO_FILE, &short, |settings| settings.operator.skips_idle_looks = false);
    let without = Story::of(DEFAULT_SCENARIO_FILE, &short);
    assert!(with.answer.events > without.answer.events * 2, "{} {}", with.answer.events, without.answer.events);
    for (index, (first, second)) in with.writes().iter().zip(without.writes()).enumerate() {
        assert_eq!(*first, second, "write {index}");
    }
    assert_eq!(with.writes().len(), without.writes().len());
    assert_eq!(with.answer.nights, without.answer.nights);
}
