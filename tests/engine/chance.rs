//! Chance by seed: one seed is one history, and two seeds differ by no more than the spread that they were given.

use phaseloop::simulation::engine::{EngineSpec, RequestSchedule, preset};
use phaseloop_core::value::Metric;
use proptest::prelude::*;

use crate::rig::{around, engine, load, roomy, run, without_chance};

fn usual() -> EngineSpec {
    roomy(&[("gpu-memory-utilization", "0.9"), ("max-model-len", "8192"), ("max-num-seqs", "64")])
}

fn schedule() -> RequestSchedule {
    RequestSchedule::of(&load(120, "6", around(256, 64), around(64, 16)))
}

/// Mean end-to-end latency with each of the seeds, milliseconds.
fn latencies(spec: &EngineSpec, seeds: std::ops::Range<u64>) -> Vec<f64> {
    seeds.map(|seed| run(spec, &schedule(), seed).1.metrics[&Metric::EndToEndLatency].mean).collect()
}

/// Standard deviation of the logarithms.
fn spread(figures: &[f64]) -> f64 {
    let logarithms: Vec<f64> = figures.iter().map(|figure| figure.ln()).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    (logarithms.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>() / (logarithms.len() - 1) as f64).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn one_seed_is_one_history(seed in any::<u64>()) {
        prop_assert_eq!(run(&usual(), &schedule(), seed), run(&usual(), &schedule(), seed));
    }

    #[test]
    fn another_seed_is_another_history_of_the_same_requests(seed in any::<u64>()) {
        let ((one, _), (other, _)) = (run(&usual(), &schedule(), seed), run(&usual(), &schedule(), seed ^ 1));
        prop_assert_ne!(&one.lives[0].served, &other.lives[0].served);
        let offered = |run: &phaseloop::simulation::engine::EngineRun| {
            run.sent.iter().map(|sent| sent.request).collect::<Vec<_>>()
        };
        prop_assert_eq!(offered(&one), offered(&other), "chance is the engine's, not the load's");
    }
}

#[test]
fn seeds_spread_as_much_as_whole_runs_are_said_to() {
    let usual = usual();
    let seen = spread(&latencies(&usual, 0..60));
    // A load near the knee answers a slower engine with more than the slowness alone, so it is not quite the card's.
    assert!((0.7..2.5).contains(&(seen / usual.card.run_spread)), "{seen} against {}", usual.card.run_spread);
    let mut calm = usual.clone();
    calm.card.run_spread /= 5.0;
    let calmer = spread(&latencies(&calm, 0..60));
    assert!(calmer < seen / 2.0, "a calmer machine, a calmer history: {calmer} {seen}");
}

#[test]
fn without_chance_all_seeds_serve_alike() {
    let latencies = latencies(&without_chance(usual()), 0..6);
    assert!(latencies.iter().all(|latency| latency.to_bits() == latencies[0].to_bits()), "{latencies:?}");
}

#[test]
fn chance_decides_over_a_death_only_near_the_edge() {
    let at = |utilization: &str, seed| {
        let spec = engine(
            preset::a100_40gb(),
            preset::llama_2_13b(),
            preset::release_0_33(),
            &[("gpu-memory-utilization", utilization), ("max-model-len", "2048")],
        );
        let (run, _) = run(&spec, &schedule(), seed);
        (run.served()[0].counters.memory_pressure_max, run.oom_events() > 0)
    };
    for (utilization, dies) in [("0.72", false), ("0.85", true)] {
        for seed in 0..25 {
            let (pressure, died) = at(utilization, seed);
            assert_eq!(died, dies, "{utilization} with seed {seed}: {pressure}");
        }
    }
    let pressures: Vec<f64> = (0..60).map(|seed| at("0.72", seed).0).collect();
    let (seen, said) = (spread(&pressures), preset::release_0_33().memory_spread);
    assert!((0.6..1.6).contains(&(seen / said)), "{seen} against {said}");
}
