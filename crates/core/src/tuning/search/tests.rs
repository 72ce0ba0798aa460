use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::{
    tuning::{
        candidate::FeasibleSide,
        outcome::{TrialFinding, TrialReason},
    },
    value::{Decimal, ParameterName},
};

const LIMITS: SearchLimits = SearchLimits { stop_after_failures: 2, trials_left: None, time_left: true };

fn set(name: &str, value: &str) -> ParameterSet {
    [(ParameterName::new(name), ParameterValue::from(value))].into()
}

fn memory(value: &str) -> ParameterSet {
    set("gpu-memory-utilization", value)
}

fn plan(strategy: Strategy, sets: Vec<ParameterSet>) -> CandidatePlan {
    CandidatePlan {
        strategy,
        candidates: sets.into_iter().map(|parameters| Candidate { parameters, why: String::new() }).collect(),
        refused: Vec::new(),
        nothing: None,
        higher_can_only_fail: [ParameterName::new("gpu-memory-utilization")].into(),
        feasible_side: (strategy == Strategy::Bisection).then_some(FeasibleSide::Below),
        max_candidates: 6,
    }
}

fn seed() -> CandidatePlan {
    plan(Strategy::List, ["0.70", "0.72", "0.75", "0.77", "0.80", "0.82"].map(memory).to_vec())
}

const PASSED: fn() -> TrialEnding = || TrialEnding::Passed(Fitness::new(9, 10).unwrap());

fn trial(value: &str, ending: TrialEnding) -> Trial {
    Trial { parameters: memory(value), ending }
}

fn incumbent(ending: TrialEnding) -> Trial {
    Trial { parameters: ParameterSet::new(), ending }
}

fn next(plan: &CandidatePlan, trials: &[Trial]) -> NextTrial {
    next_trial(plan, trials, &LIMITS)
}

fn tries(plan: &CandidatePlan, trials: &[Trial]) -> Option<ParameterSet> {
    match next(plan, trials) {
        NextTrial::Try(candidate) => Some(candidate.parameters),
        _ => None,
    }
}

fn ended(next: NextTrial) -> (SearchEndReason, Vec<String>) {
    let NextTrial::Done(end) = next else { panic!("{next:?}") };
    (end.reason, end.untried.into_iter().map(|untried| untried.message).collect())
}

#[test]
fn the_incumbent_is_always_first_even_where_it_will_fail() {
    assert_eq!(next(&seed(), &[]), NextTrial::TryIncumbent);
    assert_eq!(next(&seed(), &[trial("0.70", PASSED())]), NextTrial::TryIncumbent);
    assert_eq!(tries(&seed(), &[incumbent(TrialEnding::Failed)]), Some(memory("0.70")));
    assert_eq!(tries(&seed(), &[incumbent(PASSED())]), Some(memory("0.70")));
}

#[test]
fn the_night_of_the_seed_ends_after_two_failures_in_a_row() {
    let mut trials = vec![incumbent(TrialEnding::Failed)];
    for value in ["0.70", "0.72", "0.75"] {
        assert_eq!(tries(&seed(), &trials), Some(memory(value)));
        trials.push(trial(value, PASSED()));
    }
    for value in ["0.77", "0.80"] {
        assert_eq!(tries(&seed(), &trials), Some(memory(value)));
        trials.push(trial(value, TrialEnding::Failed));
    }
    assert_eq!(
        ended(next(&seed(), &trials)),
        (SearchEndReason::FailuresInARow, vec!["not tried: 2 failures in a row, and higher can only fail".to_owned()])
    );
}

#[test]
fn only_failures_of_candidates_in_a_row_count() {
    let with = |endings: &[TrialEnding]| {
        let mut trials = vec![incumbent(TrialEnding::Failed)];
        let values = ["0.70", "0.72", "0.75", "0.77", "0.80"];
        trials.extend(values.iter().zip(endings).map(|(value, ending)| trial(value, *ending)));
        tries(&seed(), &trials).is_some()
    };
    assert!(with(&[TrialEnding::Failed]), "the incumbent's failure counts for nothing");
    assert!(!with(&[TrialEnding::Failed, TrialEnding::Failed]));
    assert!(with(&[TrialEnding::Failed, PASSED(), TrialEnding::Failed]));
    assert!(with(&[TrialEnding::Failed, TrialEnding::Inconclusive, TrialEnding::Failed]));
    assert!(!with(&[TrialEnding::Failed, TrialEnding::Infrastructure, TrialEnding::Failed]));
    assert!(with(&[TrialEnding::Infrastructure, TrialEnding::Failed]));
    let mut patient = LIMITS;
    patient.stop_after_failures = 3;
    let failed = [incumbent(PASSED()), trial("0.70", TrialEnding::Failed), trial("0.72", TrialEnding::Failed)];
    assert!(matches!(next_trial(&seed(), &failed, &patient), NextTrial::Try(_)));
    patient.stop_after_failures = 0;
    assert!(matches!(next_trial(&seed(), &failed[..1], &patient), NextTrial::Try(_)), "zero is read as one");
    assert!(matches!(next_trial(&seed(), &failed[..2], &patient), NextTrial::Done(_)));
}

#[test]
fn values_that_got_too_little_memory_rule_out_nothing_above_them() {
    let mut trials = vec![incumbent(TrialEnding::Failed)];
    for value in ["0.70", "0.72", "0.75"] {
        assert_eq!(tries(&seed(), &trials), Some(memory(value)));
        trials.push(trial(value, TrialEnding::Starved));
    }
    for value in ["0.77", "0.80"] {
        assert_eq!(tries(&seed(), &trials), Some(memory(value)));
        trials.push(trial(value, TrialEnding::Failed));
    }
    assert_eq!(
        ended(next(&seed(), &trials)),
        (SearchEndReason::FailuresInARow, vec!["not tried: 2 failures in a row, and higher can only fail".to_owned()])
    );
    let between = ["0.70", "0.72", "0.75"].map(memory).to_vec();
    let trials = [incumbent(PASSED()), trial("0.72", TrialEnding::Failed), trial("0.70", TrialEnding::Starved)];
    assert_eq!(tries(&plan(Strategy::List, between), &trials), Some(memory("0.75")), "one failure, and a starved one");
}

#[test]
fn a_cluster_that_keeps_failing_ends_the_search_and_is_told_apart() {
    let mut trials = vec![incumbent(PASSED()), trial("0.70", TrialEnding::Infrastructure)];
    assert_eq!(tries(&seed(), &trials), Some(memory("0.72")));
    trials.push(trial("0.72", TrialEnding::Infrastructure));
    let (reason, untried) = ended(next(&seed(), &trials));
    assert_eq!(reason, SearchEndReason::InfrastructureFailing);
    assert_eq!(untried, vec!["not tried: the cluster keeps failing"; 4]);
    trials.push(trial("0.75", PASSED()));
    assert_eq!(tries(&seed(), &trials), Some(memory("0.77")), "one that worked separates");
}

#[test]
fn without_the_incumbents_measurement_nothing_is_tried() {
    for ending in [TrialEnding::Infrastructure, TrialEnding::Inconclusive] {
        let (reason, untried) = ended(next(&seed(), &[incumbent(ending)]));
        assert_eq!(reason, SearchEndReason::IncumbentNotMeasured);
        assert_eq!(untried[0], "not tried: the incumbent was not measured");
    }
}

#[test]
fn an_abort_ends_everything() {
    for trials in [vec![incumbent(TrialEnding::Aborted)], vec![trial("0.70", TrialEnding::Aborted)]] {
        let (reason, untried) = ended(next(&seed(), &trials));
        assert_eq!(reason, SearchEndReason::Aborted);
        assert_eq!(untried[0], "not tried: the run was ended from outside");
    }
}

#[test]
fn a_spent_budget_ends_the_search_before_the_next_trial() {
    let with = |trials_left, trials: &[Trial]| {
        next_trial(&seed(), trials, &SearchLimits { trials_left: Some(trials_left), ..LIMITS })
    };
    assert_eq!(with(1, &[]), NextTrial::TryIncumbent);
    assert_eq!(ended(with(0, &[])).0, SearchEndReason::BudgetSpent);
    assert!(matches!(with(1, &[incumbent(PASSED())]), NextTrial::Try(_)));
    let (reason, untried) = ended(with(0, &[incumbent(PASSED())]));
    assert_eq!((reason, untried.len()), (SearchEndReason::BudgetSpent, 6));
    assert_eq!(untried[0], "not tried: the budgets hold no further trial");
}

#[test]
fn without_time_nothing_more_is_tried_and_what_was_measured_stays() {
    let late = SearchLimits { time_left: false, ..LIMITS };
    assert_eq!(ended(next_trial(&seed(), &[], &late)).0, SearchEndReason::OutOfTime);
    let (reason, untried) = ended(next_trial(&seed(), &[incumbent(PASSED())], &late));
    assert_eq!(
        (reason, untried[0].as_str()),
        (SearchEndReason::OutOfTime, "not tried: there was no time for a further trial")
    );
    let spent = SearchLimits { trials_left: Some(0), ..late };
    assert_eq!(ended(next_trial(&seed(), &[], &spent)).0, SearchEndReason::BudgetSpent, "the budget is named first");
}

#[test]
fn the_most_candidates_are_tried_and_not_one_more() {
    let mut plan = seed();
    plan.max_candidates = 2;
    let trials = [incumbent(PASSED()), trial("0.70", PASSED()), trial("0.72", PASSED())];
    assert_eq!(tries(&plan, &trials[..2]), Some(memory("0.72")));
    let (reason, untried) = ended(next(&plan, &trials));
    assert_eq!((reason, untried[0].as_str()), (SearchEndReason::MaximumTried, "not tried: 2 candidates were tried"));
}

#[test]
fn what_was_all_tried_ends_as_such_and_an_empty_plan_tries_nothing() {
    let short = plan(Strategy::List, vec![memory("0.70")]);
    let trials = [incumbent(PASSED()), trial("0.70", TrialEnding::Failed)];
    assert_eq!(ended(next(&short, &trials)), (SearchEndReason::EverythingTried, Vec::new()));
    assert_eq!(ended(next(&plan(Strategy::List, Vec::new()), &[])), (SearchEndReason::NothingPlanned, Vec::new()));
}

#[test]
fn only_what_asks_for_more_memory_than_a_failure_can_only_fail() {
    let sets = vec![memory("0.70"), memory("0.72"), memory("0.60"), set("watermark", "0.05"), memory("0.80")];
    let trials = [incumbent(PASSED()), trial("0.70", TrialEnding::Failed), trial("0.72", TrialEnding::Failed)];
    let (_, untried) = ended(next(&plan(Strategy::List, sets), &trials));
    assert_eq!(
        untried,
        [
            "not tried: 2 failures in a row",
            "not tried: 2 failures in a row",
            "not tried: 2 failures in a row, and higher can only fail",
        ]
    );
    let mut other = memory("0.80");
    other.extend(set("max-num-seqs", "8"));
    let (_, untried) = ended(next(&plan(Strategy::List, vec![memory("0.70"), memory("0.72"), other]), &trials));
    assert_eq!(untried, ["not tried: 2 failures in a row"], "it differs in more than one parameter");
}

#[test]
fn a_candidate_of_several_parameters_lies_above_a_failure_only_where_the_rest_is_equal() {
    let both = |utilization: &str, sequences: &str| {
        let mut set = memory(utilization);
        set.extend(self::set("max-num-seqs", sequences));
        set
    };
    let grid = plan(Strategy::Grid, vec![both("0.7", "8"), both("0.75", "8"), both("0.8", "8"), both("0.8", "16")]);
    let failed = |utilization| Trial { parameters: both(utilization, "8"), ending: TrialEnding::Failed };
    let (_, untried) = ended(next(&grid, &[incumbent(PASSED()), failed("0.7"), failed("0.75")]));
    assert_eq!(untried, ["not tried: 2 failures in a row, and higher can only fail", "not tried: 2 failures in a row"]);
}

#[test]
fn a_judgement_reads_as_its_ending() {
    let judgement = |verdict, fitness, findings| TrialJudgement { verdict, fitness, findings };
    let found = |reason| TrialFinding { reason, message: String::new() };
    let fitness = Fitness::new(9, 10);
    for (judgement, ending) in [
        (judgement(TrialVerdict::Passed, fitness, vec![]), PASSED()),
        (judgement(TrialVerdict::Passed, None, vec![]), TrialEnding::Inconclusive),
        (judgement(TrialVerdict::Failed, None, vec![]), TrialEnding::Failed),
        (judgement(TrialVerdict::Failed, None, vec![found(TrialReason::TooLittleMemory)]), TrialEnding::Starved),
        (judgement(TrialVerdict::Aborted, None, vec![]), TrialEnding::Aborted),
        (judgement(TrialVerdict::Inconclusive, None, vec![]), TrialEnding::Inconclusive),
        (
            judgement(TrialVerdict::Inconclusive, None, vec![found(TrialReason::InfrastructureFault)]),
            TrialEnding::Infrastructure,
        ),
    ] {
        assert_eq!(TrialEnding::from(&judgement), ending);
    }
}

/// A line of `count` values in steps of a hundredth.
fn line(count: i64, side: FeasibleSide) -> CandidatePlan {
    let values = (0..count).map(|step| ParameterValue::Number(Decimal::from_millionths(100_000 + step * 10_000)));
    let sets = values.map(|value| [(ParameterName::new("gpu-memory-utilization"), value)].into()).collect();
    CandidatePlan { feasible_side: Some(side), max_candidates: usize::MAX, ..plan(Strategy::Bisection, sets) }
}

/// Runs a bisection on which exactly `held` values hold; returns the positions tried and the edge.
fn bisect(plan: &CandidatePlan, held: usize) -> (Vec<usize>, Option<usize>) {
    let count = plan.candidates.len();
    let position = |set: &ParameterSet| plan.candidates.iter().position(|one| one.parameters == *set).unwrap();
    let mut trials = vec![incumbent(TrialEnding::Failed)];
    while let NextTrial::Try(candidate) = next(plan, &trials) {
        let at = position(&candidate.parameters);
        let holds = match plan.feasible_side {
            Some(FeasibleSide::Above) => at >= count - held,
            _ => at < held,
        };
        let ending = if holds { PASSED() } else { TrialEnding::Failed };
        trials.push(Trial { parameters: candidate.parameters, ending });
        assert!(trials.len() <= count + 1, "a value is tried once");
    }
    let tried = trials.iter().skip(1).map(|trial| position(&trial.parameters)).collect();
    (tried, edge_of(plan, &trials).map(|set| position(&set)))
}

#[test]
fn a_bisection_halves_and_then_looks_inside_the_edge() {
    assert_eq!(bisect(&line(7, FeasibleSide::Below), 5), (vec![3, 5, 4, 2], Some(4)));
    assert_eq!(bisect(&line(7, FeasibleSide::Above), 5), (vec![3, 1, 2, 4], Some(2)));
    assert_eq!(bisect(&line(7, FeasibleSide::Below), 0), (vec![3, 1, 0], None));
    assert_eq!(bisect(&line(7, FeasibleSide::Below), 7), (vec![3, 5, 6, 4], None), "all hold: no edge was seen");
    assert_eq!(bisect(&line(1, FeasibleSide::Below), 1), (vec![0], None));
    assert_eq!(bisect(&line(2, FeasibleSide::Below), 1), (vec![0, 1], Some(0)));
}

#[test]
fn a_bisection_passes_over_what_could_not_be_measured() {
    let plan = line(7, FeasibleSide::Below);
    let at = |position: usize, ending| Trial { parameters: plan.candidates[position].parameters.clone(), ending };
    let mut trials = vec![incumbent(TrialEnding::Failed), at(3, TrialEnding::Inconclusive)];
    assert_eq!(tries(&plan, &trials), Some(plan.candidates[2].parameters.clone()));
    trials.push(at(2, PASSED()));
    assert_eq!(tries(&plan, &trials), Some(plan.candidates[4].parameters.clone()));
    trials.push(at(4, TrialEnding::Failed));
    assert_eq!(edge_of(&plan, &trials), None, "the value between was not measured");
    assert_eq!(tries(&plan, &trials), Some(plan.candidates[1].parameters.clone()), "inside what is known to hold");
    let untried = match next(&plan, &[trials, vec![at(1, PASSED()), at(0, PASSED())]].concat()) {
        NextTrial::Done(end) => end.untried,
        other => panic!("{other:?}"),
    };
    assert_eq!(untried[0].message, "not tried: the bisection did not need it");
}

#[test]
fn a_bisection_of_over_committed_memory_goes_up_from_what_got_too_little() {
    let plan = line(7, FeasibleSide::Below);
    let at = |position: usize, ending| Trial { parameters: plan.candidates[position].parameters.clone(), ending };
    let wanted = |position: usize| Some(plan.candidates[position].parameters.clone());
    let mut trials = vec![incumbent(TrialEnding::Failed), at(3, TrialEnding::Starved)];
    assert_eq!(tries(&plan, &trials), wanted(5));
    trials.push(at(5, TrialEnding::Failed));
    assert_eq!(edge_of(&plan, &trials), None);
    assert_eq!(tries(&plan, &trials), wanted(4));
    let nothing_holds = [trials.clone(), vec![at(4, TrialEnding::Starved)]].concat();
    assert_eq!(
        (tries(&plan, &nothing_holds), edge_of(&plan, &nothing_holds)),
        (None, None),
        "too little, then too much"
    );
    trials.push(at(4, PASSED()));
    assert_eq!(edge_of(&plan, &trials), wanted(4));
    assert_eq!(tries(&plan, &trials), None, "what lies inside the edge got too little or less");
    let above = line(7, FeasibleSide::Above);
    let trials = [incumbent(TrialEnding::Failed), at(3, TrialEnding::Starved)];
    assert_eq!(tries(&above, &trials), wanted(5), "where large values hold, too little is the failure that is sought");
}

#[test]
fn a_contradiction_counts_as_the_failure_it_holds() {
    let plan = line(7, FeasibleSide::Below);
    let at = |position: usize, ending| Trial { parameters: plan.candidates[position].parameters.clone(), ending };
    let trials = [incumbent(TrialEnding::Failed), at(5, PASSED()), at(1, TrialEnding::Failed), at(0, PASSED())];
    assert_eq!(
        next(&plan, &trials).clone(),
        NextTrial::Done(end(&plan, &trials, &LIMITS, SearchEndReason::EverythingTried))
    );
    assert_eq!(edge_of(&plan, &trials), Some(plan.candidates[0].parameters.clone()));
}

#[test]
fn only_a_bisection_has_an_edge() {
    let trials = [incumbent(PASSED()), trial("0.70", PASSED()), trial("0.72", TrialEnding::Failed)];
    assert_eq!(edge_of(&seed(), &trials), None);
}

proptest! {
    #[test]
    fn a_bisection_finds_the_edge_within_its_bound(count in 1_u32..70, part in 0_u32..70, above in any::<bool>()) {
        let held = part.min(count) as usize;
        let side = if above { FeasibleSide::Above } else { FeasibleSide::Below };
        let plan = line(i64::from(count), side);
        let (tried, edge) = bisect(&plan, held);
        // ceil(log2(n + 1)) is the number of binary digits of n.
        let bound = (u32::BITS - count.leading_zeros()) as usize;
        prop_assert!(tried.len() <= bound + 2, "{tried:?}");
        let count = plan.candidates.len();
        let expected = (0 < held && held < count).then(|| if above { count - held } else { held - 1 });
        prop_assert_eq!(edge, expected);
    }
}
