//! No table of results: other cards, models and loads have other winners, each found by the operator's own decisions, and
//! each the one that trying every value finds.

use std::collections::BTreeSet;

use phaseloop::simulation::engine::{EngineRelease, Micros, SweepPoint, best_of, preset};
use phaseloop_core::{
    analysis::bench::LatencyLimits,
    tuning::{
        RequestedParameter, RequestedValues, TrialResult,
        exact_test::{NOISE_PROBABILITY_MIN, mcnemar_exact},
        find_actuator,
        winner::WinnerReason,
    },
    value::{Diagnosis, ParameterName, ParameterValue, Verdict},
};

use crate::{
    night::{Answer, Target},
    rig::{NO_LIMITS, around, engine, load},
};

pub(crate) const UTILIZATION: &str = "gpu-memory-utilization";
const SEQUENCES: &str = "max-num-seqs";
const TOKENS: &str = "max-num-batched-tokens";
/// The winner of the story that everybody knows, `scenarios/four-nights.yaml`.
const WINNER_OF_THE_STORY: &str = "gpu-memory-utilization=0.75";
const MIB: u64 = 1 << 20;
/// The power of two with which the ladder of tokens begins: fewer than requests of a step are refused.
const SMALLEST_STEP: usize = 9;

const fn end_to_end(ms: f64) -> LatencyLimits {
    LatencyLimits { end_to_end_latency_ms: Some(ms), ..NO_LIMITS }
}

/// An L4 whose new release takes 1.25 GiB more for itself before the cache gets its share: the longest sequence fits no
/// more.
fn starved_l4(seed: u64) -> Target {
    let arguments = [(UTILIZATION, "0.78"), ("max-model-len", "4096"), (SEQUENCES, "64")];
    let sound = preset::release_0_32();
    let hungry = EngineRelease {
        version: "0.33.0".to_owned(),
        profiled_runtime_bytes: sound.profiled_runtime_bytes + 1280 * MIB,
        unprofiled_bytes: 640 * MIB,
        ..preset::release_0_32()
    };
    Target {
        healthy: engine(preset::l4_24gb(), preset::llama_3_1_8b(), sound, &arguments),
        changed: engine(preset::l4_24gb(), preset::llama_3_1_8b(), hungry, &arguments),
        phase: load(300, "0.5", around(512, 128), around(64, 16)),
        canary: load(140, "0.6", around(1500, 250), around(200, 40)),
        canary_lasts: Micros(400_000_000),
        limits: end_to_end(28_000.0),
        parameters: Vec::new(),
        seed,
    }
}

/// An L40S whose new release keeps a workspace beside the cache that its start does not see.
fn over_committed_l40s(seed: u64) -> Target {
    let arguments = [(UTILIZATION, "0.92"), ("max-model-len", "4096"), (SEQUENCES, "64")];
    Target {
        healthy: engine(preset::l40s_48gb(), preset::llama_2_13b(), preset::release_0_32(), &arguments),
        changed: engine(preset::l40s_48gb(), preset::llama_2_13b(), preset::release_0_33(), &arguments),
        phase: load(600, "4", around(256, 64), around(64, 16)),
        canary: load(140, "8", around(256, 64), around(64, 16)),
        canary_lasts: Micros(60_000_000),
        limits: end_to_end(5_000.0),
        parameters: Vec::new(),
        seed,
    }
}

/// The same release on an H100, where the Escalation names a range of its own in steps of one hundredth.
fn over_committed_h100(seed: u64) -> Target {
    let arguments = [(UTILIZATION, "0.95"), ("max-model-len", "4096"), (SEQUENCES, "128")];
    let number = |text: &str| text.parse().unwrap();
    let range = RequestedValues::Range { minimum: number("0.83"), maximum: number("0.92"), step: number("0.01") };
    Target {
        healthy: engine(preset::h100_80gb(), preset::code_llama_34b(), preset::release_0_32(), &arguments),
        changed: engine(preset::h100_80gb(), preset::code_llama_34b(), preset::release_0_33(), &arguments),
        phase: load(400, "4", around(512, 128), around(128, 32)),
        canary: load(140, "7", around(512, 128), around(128, 32)),
        canary_lasts: Micros(100_000_000),
        limits: end_to_end(8_000.0),
        parameters: vec![RequestedParameter { name: ParameterName::new(UTILIZATION), values: range }],
        seed,
    }
}

/// Somebody lowered the requests of a step from 128 to 4 on an H100: they wait.
fn few_sequences(seed: u64) -> Target {
    let of = |sequences| {
        let arguments = [(UTILIZATION, "0.92"), ("max-model-len", "4096"), (SEQUENCES, sequences)];
        engine(preset::h100_80gb(), preset::code_llama_34b(), preset::release_0_32(), &arguments)
    };
    Target {
        healthy: of("128"),
        changed: of("4"),
        phase: load(200, "1", around(512, 128), around(128, 32)),
        canary: load(140, "10", around(512, 128), around(128, 32)),
        canary_lasts: Micros(60_000_000),
        limits: end_to_end(8_000.0),
        parameters: Vec::new(),
        seed,
    }
}

/// Somebody raised the tokens of a step from 1,024 to 16,384 on an L40S that gets long prompts: answers in progress stand
/// still while a prompt is read.
fn large_steps(seed: u64) -> Target {
    let of = |tokens| {
        let arguments = [(UTILIZATION, "0.9"), ("max-model-len", "16384"), (SEQUENCES, "64"), (TOKENS, tokens)];
        engine(preset::l40s_48gb(), preset::llama_3_1_8b(), preset::release_0_32(), &arguments)
    };
    Target {
        healthy: of("1024"),
        changed: of("16384"),
        phase: load(300, "1.6", around(4096, 1024), around(64, 16)),
        canary: load(140, "2.2", around(4096, 1024), around(64, 16)),
        canary_lasts: Micros(120_000_000),
        limits: LatencyLimits {
            time_to_first_token_ms: Some(3_000.0),
            time_per_output_token_ms: Some(75.0),
            ..NO_LIMITS
        },
        parameters: Vec::new(),
        seed,
    }
}

/// Every hundredth of the card that the catalogue's bounds permit.
fn hundredths() -> Vec<String> {
    (10..=98).map(|hundredths| format!("0.{hundredths}")).collect()
}

/// Every power of two from 1 to `most`.
fn powers_of_two(most: u64) -> Vec<String> {
    (0..u64::BITS)
        .map(|power| 1_u64 << power)
        .take_while(|number| *number <= most)
        .map(|number| number.to_string())
        .collect()
}

/// A loop's end, beside what brute force finds.
pub(crate) struct Contest {
    pub(crate) target: Target,
    pub(crate) flag: &'static str,
    pub(crate) answer: Answer,
    /// The winner in the sweep.
    pub(crate) won: SweepPoint,
    /// Every value.
    pub(crate) points: Vec<SweepPoint>,
    /// Everything that the search had to choose from, whether or not it came so far.
    planned: Vec<SweepPoint>,
}

impl Contest {
    fn of(target: Target, flag: &'static str, values: &[String]) -> Self {
        let answer = target.tune();
        let points = target.sweep(flag, &values.iter().map(String::as_str).collect::<Vec<_>>());
        let name = ParameterName::new(flag);
        let read = |point: &SweepPoint| find_actuator(&name).unwrap().read_value(&point.value);
        let of_winner = answer.decision.winner.as_ref().and_then(|winner| winner.get(&name));
        let of_candidates: BTreeSet<&ParameterValue> =
            answer.plan.candidates.iter().filter_map(|candidate| candidate.parameters.get(&name)).collect();
        let won = points.iter().find(|point| Some(&read(point)) == of_winner);
        let won = won.unwrap_or_else(|| panic!("{}", answer.story())).clone();
        let planned: Vec<SweepPoint> =
            points.iter().filter(|point| of_candidates.contains(&read(point))).cloned().collect();
        assert_eq!(planned.len(), answer.plan.candidates.len(), "all candidates were swept: {}", answer.story());
        Self { target, flag, answer, won, points, planned }
    }

    /// Takes a target through its loop, and holds the winner against every value tried by brute force: it has the highest
    /// fitness of what was planned, and of what was not.
    fn won_by_the_best(target: Target, flag: &'static str, values: &[String]) -> Self {
        let contest = Self::of(target, flag, values);
        assert_eq!(best_of(&contest.planned).unwrap().value, contest.won.value, "{}", contest.answer.story());
        assert_eq!(contest.best_of_all(), contest.won.value, "of all, planned or not: {}", contest.answer.story());
        contest
    }

    fn is_not_beaten_by(&self, points: &[SweepPoint]) {
        for better in points.iter().filter(|point| point.judgement.fitness > self.won.judgement.fitness) {
            let (gained, lost) = better.figures.met.discordant(&self.won.figures.met).unwrap();
            let by_chance = mcnemar_exact(gained, lost);
            assert!(by_chance >= NOISE_PROBABILITY_MIN, "{} is better: {}", better.value, self.answer.story());
        }
    }

    /// The best of all values, planned or not.
    pub(crate) fn best_of_all(&self) -> &str {
        &best_of(&self.points).unwrap().value
    }

    /// The values that were tried after the incumbent's, in order.
    pub(crate) fn tried(&self) -> impl Iterator<Item = String> {
        let value = |trial: &TrialResult| trial.parameters.values().next().map(ToString::to_string);
        self.answer.trials.iter().filter_map(value)
    }

    fn winner(&self) -> String {
        self.answer.winner()
    }
}

fn starved() -> Contest {
    Contest::won_by_the_best(starved_l4(4), UTILIZATION, &hundredths())
}

fn over_committed() -> Contest {
    Contest::won_by_the_best(over_committed_l40s(1), UTILIZATION, &hundredths())
}

fn over_committed_in_hundredths() -> Contest {
    Contest::won_by_the_best(over_committed_h100(1), UTILIZATION, &hundredths())
}

fn waiting() -> Contest {
    Contest::won_by_the_best(few_sequences(1), SEQUENCES, &powers_of_two(1024))
}

fn standing_still() -> Contest {
    Contest::won_by_the_best(large_steps(1), TOKENS, &powers_of_two(32_768)[SMALLEST_STEP..])
}

/// All of them, with what happened to each.
pub(crate) fn contests() -> [(&'static str, Contest); 5] {
    [
        ("a release that takes 1.25 GiB more before the cache", starved()),
        ("a release with a workspace that its start does not see", over_committed()),
        ("the same release; a range in hundredths", over_committed_in_hundredths()),
        ("`max-num-seqs` lowered from 128 to 4", waiting()),
        ("`max-num-batched-tokens` raised from 1,024 to 16,384", standing_still()),
    ]
}

#[test]
fn a_starved_cache_wants_more_of_the_card_up_to_where_it_breaks() {
    let contest = starved();
    assert_eq!(contest.winner(), "gpu-memory-utilization=0.94", "{}", contest.answer.story());
    assert_eq!(contest.answer.diagnoses, [Diagnosis::MemoryStarved]);
    assert_eq!(contest.answer.decision.reason, WinnerReason::IncumbentFailed);
    let fitness: Vec<_> = contest.answer.trials.iter().skip(2).map(|trial| trial.judgement.fitness).collect();
    assert!(fitness.is_sorted() && fitness.iter().all(Option::is_some), "the more the better: {fitness:?}");
}

#[test]
fn an_over_committed_card_wants_less() {
    let contest = over_committed();
    assert_eq!(contest.winner(), "gpu-memory-utilization=0.72", "{}", contest.answer.story());
    assert_eq!(contest.answer.diagnoses[0], Diagnosis::MemoryOvercommitted);
    assert_eq!(contest.tried().last().unwrap(), "0.77", "two failures in a row end the search");
}

#[test]
fn a_range_in_hundredths_finds_the_last_one_before_the_card_is_full() {
    let contest = over_committed_in_hundredths();
    assert_eq!(contest.winner(), "gpu-memory-utilization=0.88", "{}", contest.answer.story());
}

#[test]
fn requests_that_wait_want_more_places_but_no_more_than_the_cache_holds() {
    let contest = waiting();
    assert_eq!(contest.winner(), "max-num-seqs=64", "{}", contest.answer.story());
    assert_eq!(contest.answer.diagnoses, [Diagnosis::AdmissionLimited; 2]);
    assert_eq!(contest.tried().next().unwrap(), "128", "what healthy runs had comes first");
}

#[test]
fn answers_that_stand_still_want_smaller_steps() {
    let contest = standing_still();
    assert_eq!(contest.winner(), "max-num-batched-tokens=512", "{}", contest.answer.story());
    assert_eq!(contest.answer.diagnoses, [Diagnosis::ComputeBound; 2]);
    assert_eq!(contest.answer.decision.reason, WinnerReason::BeatsIncumbent);
}

#[test]
fn no_two_targets_have_the_same_winner_and_none_has_that_of_the_story() {
    let contests = contests();
    let mut winners = BTreeSet::from([WINNER_OF_THE_STORY.to_owned()]);
    for (_, contest) in &contests {
        let verdicts: Vec<Verdict> = contest.answer.verdicts.iter().rev().take(4).rev().copied().collect();
        assert_eq!(verdicts, [Verdict::Healthy, Verdict::Degraded, Verdict::Degraded, Verdict::Degraded]);
        winners.insert(contest.winner());
    }
    assert_eq!(winners.len(), contests.len() + 1, "{winners:?}");
}

#[test]
fn whatever_the_seed_no_value_that_was_planned_beats_the_winner_by_more_than_noise() {
    for seed in 2..=3 {
        for (target, flag, values) in [
            (starved_l4(seed), UTILIZATION, hundredths()),
            (over_committed_l40s(seed), UTILIZATION, hundredths()),
            (over_committed_h100(seed), UTILIZATION, hundredths()),
            (few_sequences(seed), SEQUENCES, powers_of_two(1024)),
            (large_steps(seed), TOKENS, powers_of_two(32_768)[SMALLEST_STEP..].to_vec()),
        ] {
            let contest = Contest::of(target, flag, &values);
            contest.is_not_beaten_by(&contest.planned);
        }
    }
}
