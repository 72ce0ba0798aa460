//! What holds for all planted bugs together.

use std::collections::BTreeSet;

use phaseloop::simulation::oracle::{Oracles, Violation};

use crate::{
    BUGS,
    plot::{Plot, tell},
};

#[test]
fn no_story_violates_anything_while_nobody_disturbs_it() {
    for plot in Plot::ALL {
        // As far as a bug is told in it.
        let until = BUGS.iter().filter(|(_, bug)| bug.plot == plot).map(|(_, bug)| bug.until).max().unwrap();
        let told = tell(plot, until, None);
        assert_eq!(told.figures.violations, [] as [Violation; 0], "{plot:?}");
        let evaluated = &told.figures.evaluated;
        assert!(evaluated["i30_the_audit_is_whole"] > 50, "{plot:?} {evaluated:#?}");
        for borrowing in ["i37_what_is_borrowed_was_remembered", "i38_what_was_borrowed_is_given_back"] {
            assert_eq!(
                evaluated[borrowing] > 1,
                plot == Plot::Lending,
                "{plot:?} {borrowing} {}",
                evaluated[borrowing]
            );
        }
        assert!(!told.was_disturbed);
    }
}

#[test]
fn every_invariant_of_the_registry_has_a_planted_bug() {
    let oracles = Oracles::default();
    let invariants: BTreeSet<&str> = oracles.figures().evaluated.keys().copied().collect();
    let caught: BTreeSet<&str> = BUGS.iter().map(|(_, bug)| bug.invariant).collect();
    assert_eq!(caught, invariants);
}

#[test]
fn the_sentence_of_a_planted_bug_names_the_invariant_that_catches_it() {
    for (sentence, bug) in BUGS {
        let number = bug.invariant.split('_').next().unwrap();
        assert!(sentence.ends_with(&format!("_caught_by_{number}")), "{sentence} {}", bug.invariant);
    }
}
