use super::*;
use crate::{tuning::outcome::TrialVerdict, value::ParameterName};

/// A trial that passed, with the first `met` of `offered` requests within their limits.
pub(in super::super) fn passed(value: &str, met: u64, offered: u64) -> TrialResult {
    let answers = (0..offered).map(|position| position < met).collect();
    TrialResult {
        parameters: [(ParameterName::new("gpu-memory-utilization"), ParameterValue::from(value))].into(),
        judgement: TrialJudgement {
            verdict: TrialVerdict::Passed,
            fitness: Fitness::new(met, offered),
            findings: Vec::new(),
        },
        met: Some(MetRequests { schedule: "s".to_owned(), met: answers }),
        throughput: None,
        latency_ms_p95: None,
        change: ChangeSize::default(),
        at_edge: false,
    }
}

/// A trial without a fitness.
pub(in super::super) fn without_fitness(value: &str, verdict: TrialVerdict) -> TrialResult {
    let mut trial = passed(value, 0, 1);
    trial.judgement = TrialJudgement { verdict, fitness: None, findings: Vec::new() };
    trial
}

fn ranked(trials: &[TrialResult]) -> (Vec<(String, Standing)>, Option<TieBreak>) {
    let ranking = rank_trials(&trials.iter().collect::<Vec<_>>());
    let lines = ranking
        .trials
        .iter()
        .map(|trial| (trial.parameters.values().map(ToString::to_string).collect::<String>(), trial.standing));
    (lines.collect(), ranking.tie_break)
}

fn line(value: &str, standing: Standing) -> (String, Standing) {
    (value.to_owned(), standing)
}

#[test]
fn the_highest_fitness_is_best_and_what_noise_can_explain_is_tied() {
    // Five more of 200 the same way are noise (p = 0.0625), six are not (p = 0.03125).
    let trials = [passed("0.70", 180, 200), passed("0.72", 186, 200), passed("0.75", 181, 200)];
    assert_eq!(
        ranked(&trials),
        (
            vec![line("0.72", Standing::Best), line("0.75", Standing::Tied), line("0.7", Standing::Behind)],
            Some(TieBreak::TriedFirst)
        )
    );
    assert_eq!(ranked(&trials[..1]), (vec![line("0.7", Standing::Best)], None));
    assert_eq!(ranked(&[]), (vec![], None));
    assert_eq!(ranked(&[without_fitness("0.77", TrialVerdict::Failed)]), (vec![], None));
}

#[test]
fn a_probability_of_exactly_the_limit_is_noise() {
    let tie = |probability| Comparison { probability, basis: ComparisonBasis::Paired }.is_tie();
    assert!(tie(NOISE_PROBABILITY_MIN));
    assert!(tie(0.051));
    assert!(!tie(0.049));
}

#[test]
fn ties_go_to_throughput_then_latency_then_the_smaller_change_then_the_first() {
    let pair = |change: fn(&mut TrialResult, &mut TrialResult)| {
        let mut trials = [passed("0.70", 184, 200), passed("0.72", 186, 200)];
        let [low, high] = &mut trials;
        (low.throughput, high.throughput) = (Some(100.0), Some(100.0));
        (low.latency_ms_p95, high.latency_ms_p95) = (Some(100.0), Some(100.0));
        change(low, high);
        let (lines, tie_break) = ranked(&trials);
        (lines[0].0.clone(), tie_break)
    };
    let low = |by| ("0.7".to_owned(), Some(by));
    let high = |by| ("0.72".to_owned(), Some(by));
    assert_eq!(pair(|_, high| high.throughput = Some(94.9)), low(TieBreak::Throughput));
    assert_eq!(pair(|_, high| high.throughput = Some(95.0)), high(TieBreak::TriedFirst), "within 5 %");
    assert_eq!(pair(|low, _| low.throughput = Some(94.9)), high(TieBreak::Throughput));
    assert_eq!(pair(|_, high| high.throughput = None), low(TieBreak::Throughput), "missing is never better");
    assert_eq!(pair(|_, high| high.latency_ms_p95 = Some(105.1)), low(TieBreak::LatencyP95));
    assert_eq!(pair(|_, high| high.latency_ms_p95 = Some(105.0)), high(TieBreak::TriedFirst), "within 5 %");
    assert_eq!(pair(|_, high| high.latency_ms_p95 = None), low(TieBreak::LatencyP95));
    assert_eq!(pair(|low, _| low.latency_ms_p95 = Some(105.1)), high(TieBreak::LatencyP95));
    assert_eq!(
        pair(|_, high| {
            high.latency_ms_p95 = Some(50.0);
            high.throughput = Some(94.0);
        }),
        low(TieBreak::Throughput),
        "throughput before latency"
    );
    assert_eq!(pair(|_, high| high.change.parameters = 2), low(TieBreak::SmallerChange));
    assert_eq!(pair(|low, _| low.change.relative_millionths = 1), high(TieBreak::SmallerChange));
    assert_eq!(
        pair(|low, high| {
            (low.throughput, high.throughput) = (None, None);
            (low.latency_ms_p95, high.latency_ms_p95) = (None, None);
            high.change.parameters = 2;
        }),
        low(TieBreak::SmallerChange)
    );
}

#[test]
fn of_equals_the_first_that_was_tried_is_chosen() {
    let trials = [passed("0.75", 186, 200), passed("0.70", 186, 200), passed("0.72", 186, 200)];
    let (lines, tie_break) = ranked(&trials);
    assert_eq!((lines[0].clone(), tie_break), (line("0.75", Standing::Best), Some(TieBreak::TriedFirst)));
}

#[test]
fn three_tied_trials_are_narrowed_step_by_step() {
    let mut trials = [passed("0.70", 186, 200), passed("0.72", 186, 200), passed("0.75", 186, 200)];
    for (trial, (throughput, latency)) in trials.iter_mut().zip([(50.0, 10.0), (100.0, 90.0), (98.0, 80.0)]) {
        (trial.throughput, trial.latency_ms_p95) = (Some(throughput), Some(latency));
    }
    let (lines, tie_break) = ranked(&trials);
    assert_eq!((lines[0].clone(), tie_break), (line("0.75", Standing::Best), Some(TieBreak::LatencyP95)));
}

#[test]
fn without_pairs_the_counts_are_compared_and_the_ranking_says_so() {
    let basis = |change: fn(&mut TrialResult)| {
        let (one, mut other) = (passed("0.70", 186, 200), passed("0.72", 180, 200));
        change(&mut other);
        compare(&one, &other).unwrap()
    };
    let paired = basis(|_| {});
    assert_eq!((paired.basis, paired.is_tie()), (ComparisonBasis::Paired, false));
    let unpaired = [
        basis(|other| other.met = None),
        basis(|other| other.met = other.met.take().map(|met| MetRequests { schedule: "t".to_owned(), ..met })),
        basis(|other| other.judgement.fitness = Fitness::new(179, 200)),
        basis(|other| other.judgement.fitness = Fitness::new(180, 201)),
    ];
    for comparison in unpaired {
        assert_eq!((comparison.basis, comparison.is_tie()), (ComparisonBasis::Unpaired, true));
    }
    let (mut one, other) = (passed("0.70", 186, 200), passed("0.72", 180, 200));
    one.judgement.fitness = Fitness::new(185, 200);
    assert_eq!(compare(&one, &other).unwrap().basis, ComparisonBasis::Unpaired, "answers and count contradict");
    one.judgement.fitness = None;
    assert_eq!(compare(&one, &other), None);
}

#[test]
fn a_change_is_measured_against_what_it_replaces() {
    let configuration: BTreeMap<String, String> =
        [("max-num-seqs", "32"), ("watermark", "0"), ("performance-mode", "balanced"), ("own-flag", "10")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let size = |pairs: &[(&str, &str)]| {
        let set = pairs.iter().map(|(name, value)| (ParameterName::new(name), ParameterValue::from(*value))).collect();
        let size = change_size(&set, &configuration);
        (size.parameters, size.relative_millionths)
    };
    assert_eq!(size(&[]), (0, 0));
    assert_eq!(size(&[("max-num-seqs", "32")]), (0, 0));
    assert_eq!(size(&[("max-num-seqs", "40")]), (1, 250_000));
    assert_eq!(size(&[("max-num-seqs", "24")]), (1, 250_000));
    assert_eq!(size(&[("gpu-memory-utilization", "0.46")]), (1, 500_000), "against the engine's default");
    assert_eq!(size(&[("watermark", "0.01")]), (1, 1_000_000), "from nothing");
    assert_eq!(size(&[("max-num-batched-tokens", "512")]), (1, 1_000_000), "the old value is not known");
    assert_eq!(size(&[("performance-mode", "throughput")]), (1, 1_000_000));
    assert_eq!(size(&[("own-flag", "11"), ("max-num-seqs", "64")]), (2, 1_100_000));
    assert!(
        ChangeSize { parameters: 1, relative_millionths: 9 } < ChangeSize { parameters: 2, relative_millionths: 1 }
    );
}

#[test]
fn each_tie_break_has_its_phrase() {
    assert_eq!(TieBreak::Throughput.phrase(), "tie, chosen for throughput");
    assert_eq!(TieBreak::LatencyP95.phrase(), "tie, chosen for p95 latency");
    assert_eq!(TieBreak::SmallerChange.phrase(), "tie, chosen for the smaller change");
    assert_eq!(TieBreak::TriedFirst.phrase(), "tie, chosen as the first that was tried");
}
