//! An engine runs out of memory under load only where a step needs more than is left, and then ends as a real one does.

use phaseloop::simulation::engine::{
    EngineRun, EngineSpec, GpuState, Micros, RequestEnd, RequestFailure, RequestSchedule, RestartPolicy, RunTerms,
    StartOutcome, preset, run_lives, stop,
};
use phaseloop_core::analysis::measurement::{EngineFailureClass, MemoryFault};
use proptest::prelude::*;

use crate::{
    recorded,
    rig::{around, between, engine, fixed, load, plan, run, terms, with, without_chance},
};

/// A release that takes more than it measured, on a card that it all but fills.
fn over_committed(pairs: &[(&str, &str)]) -> EngineSpec {
    let spec = engine(preset::a100_40gb(), preset::llama_2_13b(), preset::release_0_33(), &[("max-model-len", "2048")]);
    without_chance(with(&spec, pairs))
}

fn busy() -> RequestSchedule {
    RequestSchedule::of(&load(120, "12", around(256, 64), around(64, 16)))
}

fn pressure(run: &EngineRun) -> f64 {
    run.served().iter().map(|served| served.counters.memory_pressure_max).fold(0.0, f64::max)
}

fn died(run: &EngineRun) -> bool {
    run.lives.iter().any(|life| life.served.as_ref().is_some_and(|served| served.death.is_some()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_engine_dies_exactly_where_a_step_needs_more_than_is_left(
        utilization in 700_u32..=970,
        rate in 2_u32..30,
        prompt in 32_i64..800,
        answer in 8_i64..128,
    ) {
        let spec = over_committed(&[("gpu-memory-utilization", &format!("0.{utilization}"))]);
        if plan(&spec).is_ok() {
            let schedule = RequestSchedule::of(&load(60, &rate.to_string(), between(16, prompt), fixed(answer)));
            let (run, figures) = run(&spec, &schedule, 1);
            prop_assert_eq!(died(&run), pressure(&run) > 1.0);
            prop_assert_eq!(run.oom_events(), usize::from(died(&run)));
            if !died(&run) {
                prop_assert_eq!(figures.requests.completed, 60);
            }
        }
    }

    #[test]
    fn what_a_larger_share_survives_a_smaller_one_survives_as_well(
        one in 700_u32..=970,
        other in 700_u32..=970,
        rate in 2_u32..30,
    ) {
        let schedule = RequestSchedule::of(&load(60, &rate.to_string(), around(256, 64), around(64, 16)));
        let survives = |thousandths: u32| {
            let spec = over_committed(&[("gpu-memory-utilization", &format!("0.{thousandths}"))]);
            plan(&spec).is_ok().then(|| !died(&run(&spec, &schedule, 1).0))
        };
        if survives(one.max(other)) == Some(true) {
            prop_assert_ne!(survives(one.min(other)), Some(false));
        }
    }
}

#[test]
fn a_release_that_measures_what_it_takes_survives_the_same_load() {
    let over = over_committed(&[("gpu-memory-utilization", "0.92")]);
    assert!(died(&run(&over, &busy(), 1).0));
    let sound = EngineSpec { release: preset::release_0_32(), ..over };
    assert!(!died(&run(&without_chance(sound), &busy(), 1).0));
}

#[test]
fn a_neighbour_on_the_card_can_be_the_death_of_an_engine() {
    let spec = over_committed(&[("gpu-memory-utilization", "0.72")]);
    let beside = |used_by_others_bytes| {
        let gpu = GpuState { used_by_others_bytes, slowdown: 1.0 };
        died(&run_lives(&spec, &busy(), &RunTerms { gpu, ..terms(1) }))
    };
    assert!(!beside(0));
    assert!(beside(8 << 30));
}

#[test]
fn a_dead_engine_ends_with_exit_code_zero_within_the_watchdogs_period() {
    let spec = over_committed(&[("gpu-memory-utilization", "0.92")]);
    for seed in 1..=20 {
        let (run, _) = run(&spec, &busy(), seed);
        let death = run.lives[0].served.as_ref().unwrap().death.clone().unwrap();
        assert_eq!(death.exit_code, 0);
        let lasting = death.exited_at.since(death.at);
        assert!((Micros(300_000)..=Micros(5_000_000)).contains(&lasting), "{lasting:?}");
        let failure = run.lives[0].failure().unwrap();
        assert_eq!((failure.class, failure.exit_code), (EngineFailureClass::OutOfMemory, Some(0)));
        assert_eq!(failure.memory, Some(MemoryFault::Overcommitted));
        assert!(failure.message.starts_with("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"));
    }
}

#[test]
fn a_death_reads_like_the_recorded_one() {
    let (run, _) = run(&over_committed(&[("gpu-memory-utilization", "0.92")]), &busy(), 1);
    let said = run.lives[0].served.as_ref().unwrap().death.as_ref().unwrap().log.text(jiff::Timestamp::UNIX_EPOCH);
    let heard = recorded::file("crates/core/tests-data/engine/engine-died-exit-0.log");
    for words in [
        "AsyncLLM output_handler failed.",
        "outputs = await engine_core.get_output_async()",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
        "\"POST /v1/completions HTTP/1.1\" 500 Internal Server Error",
        "INFO:     Shutting down",
        "INFO:     Waiting for application shutdown.",
        "INFO:     Application shutdown complete.",
        "INFO:     Finished server process [",
    ] {
        assert!(said.contains(words), "said: {words}\n{said}");
        assert!(heard.contains(words), "heard: {words}");
    }
}

#[test]
fn whatever_was_in_flight_at_a_death_has_failed_and_nothing_is_answered_after_it() {
    let (run, figures) = run(&over_committed(&[("gpu-memory-utilization", "0.92")]), &busy(), 1);
    let served = run.lives[0].served.as_ref().unwrap();
    let death = served.death.as_ref().unwrap();
    let failed = RequestEnd::Failed(RequestFailure::EngineDied);
    for request in &served.requests {
        assert!(request.end == RequestEnd::Finished || request.end == failed);
        assert!(request.sent_at <= death.exited_at);
        assert!(request.token_times.iter().all(|at| *at <= death.at.plus(Micros(1_000))), "{request:?}");
    }
    assert!(served.requests.iter().any(|request| request.end == failed));
    assert_eq!(figures.requests.completed + figures.requests.failed, figures.requests.offered);
}

#[test]
fn a_kubelet_starts_it_again_and_every_death_counts() {
    let spec = over_committed(&[("gpu-memory-utilization", "0.92")]);
    let schedule = RequestSchedule::of(&load(4_000, "12", around(256, 64), around(64, 16)));
    let run = run_lives(&spec, &schedule, &RunTerms { restarts: RestartPolicy::of_kubelet(3), ..terms(1) });
    assert_eq!((run.lives.len(), run.oom_events()), (4, 4), "three restarts, four deaths");
    let ends: Vec<Micros> = run.lives.iter().map(|life| life.ended_at().unwrap()).collect();
    let waits: Vec<Micros> = ends.iter().zip(&run.lives[1..]).map(|(end, life)| life.began.since(*end)).collect();
    assert_eq!(waits, [1, 10, 20].map(|seconds| Micros(seconds * 1_000_000)));
}

#[test]
fn an_engine_that_is_asked_to_end_ends_with_exit_code_zero_as_well() {
    let spec = over_committed(&[("gpu-memory-utilization", "0.72")]);
    let (run, _) = run(&spec, &RequestSchedule::of(&load(5, "5", fixed(32), fixed(8))), 1);
    let StartOutcome::Ready { facts, .. } = &run.lives[0].start else { panic!("it starts") };
    let at = facts.ready_at.plus(Micros(1_000_000));
    let stop = stop(facts, at);
    assert_eq!(stop.exit_code, 0);
    assert!(stop.exited_at.since(at) < Micros(1_000_000));
    let text = stop.log.text(jiff::Timestamp::UNIX_EPOCH);
    assert!(text.find("shutdown triggered") < text.find("EngineDeadError"), "whoever reads it sees the request first");
}
