use super::*;
use crate::tuning::rank::tests::{passed, without_fitness};

fn terms() -> WinnerTerms {
    WinnerTerms { minimum_gain: "0.02".parse().unwrap(), minimum_fitness: "0.5".parse().unwrap() }
}

fn decided(incumbent: &TrialResult, candidates: &[TrialResult]) -> (Option<String>, WinnerReason, String) {
    let decision = decide_winner(incumbent, candidates, &terms());
    let winner = decision.winner.map(|set| set.values().map(ToString::to_string).collect());
    (winner, decision.reason, decision.message)
}

#[test]
fn the_best_candidate_that_beats_the_incumbent_is_promoted() {
    let candidates = [passed("0.70", 160, 200), passed("0.75", 185, 200), passed("0.77", 173, 200)];
    assert_eq!(
        decided(&passed("0.92", 150, 200), &candidates),
        (Some("0.75".to_owned()), WinnerReason::BeatsIncumbent, "fitness 0.750 -> 0.925".to_owned())
    );
}

#[test]
fn the_minimum_gain_itself_is_enough_and_less_is_not() {
    let incumbent = passed("0.92", 900, 1000);
    assert_eq!(decided(&incumbent, &[passed("0.75", 920, 1000)]).1, WinnerReason::BeatsIncumbent);
    assert_eq!(
        decided(&incumbent, &[passed("0.75", 919, 1000)]),
        (None, WinnerReason::GainTooSmall, "best fitness 0.919, incumbent 0.900, minimum gain 0.02".to_owned())
    );
    assert_eq!(decided(&incumbent, &[passed("0.75", 900, 1000)]).1, WinnerReason::GainTooSmall);
}

#[test]
fn a_gain_that_noise_explains_promotes_nothing() {
    let incumbent = passed("0.92", 180, 200);
    assert_eq!(
        decided(&incumbent, &[passed("0.75", 185, 200)]),
        (
            None,
            WinnerReason::GainWithinNoise,
            "best fitness 0.925, incumbent 0.900: a difference like that comes by chance 6 times in 100".to_owned()
        )
    );
    assert_eq!(decided(&incumbent, &[passed("0.75", 186, 200)]).1, WinnerReason::BeatsIncumbent);
}

#[test]
fn a_failed_incumbent_loses_to_any_candidate_with_the_minimum_fitness() {
    let failed = without_fitness("0.92", TrialVerdict::Failed);
    assert_eq!(
        decided(&failed, &[passed("0.70", 100, 200)]),
        (Some("0.7".to_owned()), WinnerReason::IncumbentFailed, "the incumbent failed, fitness 0.500".to_owned())
    );
    assert_eq!(
        decided(&failed, &[passed("0.70", 99, 200)]),
        (None, WinnerReason::FitnessTooLow, "best fitness 0.495, minimum 0.5 where the incumbent failed".to_owned())
    );
}

#[test]
fn an_incumbent_that_was_not_measured_promotes_nothing() {
    for verdict in [TrialVerdict::Inconclusive, TrialVerdict::Aborted] {
        let (winner, reason, message) = decided(&without_fitness("0.92", verdict), &[passed("0.70", 200, 200)]);
        assert_eq!((winner, reason), (None, WinnerReason::IncumbentNotMeasured));
        assert_eq!(message, format!("the incumbent's trial is {}: nothing to compare with", verdict.name()));
    }
    let contradiction = without_fitness("0.92", TrialVerdict::Passed);
    assert_eq!(decided(&contradiction, &[passed("0.70", 200, 200)]).1, WinnerReason::IncumbentNotMeasured);
}

#[test]
fn candidates_that_all_failed_promote_nothing() {
    let candidates =
        [without_fitness("0.70", TrialVerdict::Failed), without_fitness("0.72", TrialVerdict::Inconclusive)];
    assert_eq!(
        decided(&passed("0.92", 100, 200), &candidates),
        (None, WinnerReason::NoCandidatePassed, "none of 2 candidates passed".to_owned())
    );
}

#[test]
fn a_tie_is_never_broken_in_favour_of_what_does_not_gain_enough() {
    // 0.72 is tied with 0.75 and has the higher throughput, but does not gain enough itself.
    let mut candidates = [passed("0.72", 103, 200), passed("0.75", 108, 200)];
    (candidates[0].throughput, candidates[1].throughput) = (Some(100.0), Some(50.0));
    let decision = decide_winner(&passed("0.92", 100, 200), &candidates, &terms());
    assert_eq!(decision.winner.as_ref(), Some(&candidates[1].parameters));
    assert_eq!(decision.message, "fitness 0.500 -> 0.540");
    let standings: Vec<Standing> = decision.ranking.trials.iter().map(|trial| trial.standing).collect();
    assert_eq!(standings, [Standing::Best, Standing::Behind]);
}

#[test]
fn a_tie_is_said_with_what_it_was_broken_by() {
    let mut candidates = [passed("0.72", 186, 200), passed("0.75", 188, 200)];
    (candidates[0].throughput, candidates[1].throughput) = (Some(100.0), Some(50.0));
    assert_eq!(
        decided(&passed("0.92", 100, 200), &candidates),
        (
            Some("0.72".to_owned()),
            WinnerReason::BeatsIncumbent,
            "fitness 0.500 -> 0.930; tie, chosen for throughput".to_owned()
        )
    );
}

#[test]
fn the_edge_of_a_bisection_wins_only_where_nothing_inside_it_does() {
    let mut edge = passed("0.80", 199, 200);
    edge.at_edge = true;
    let incumbent = passed("0.92", 100, 200);
    let inner = passed("0.77", 150, 200);
    assert_eq!(decided(&incumbent, &[edge.clone(), inner]).0, Some("0.77".to_owned()));
    assert_eq!(decided(&incumbent, &[edge, passed("0.77", 90, 200)]).0, Some("0.8".to_owned()));
}
