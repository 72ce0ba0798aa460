//! Prints how long the engine's model takes for one test pod: `cargo bench --bench engine`.
//!
//! Each figure is the median of many runs of one process, on whatever machine this is; compare figures of one run.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(missing_docs, reason = "a program, not an interface")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use phaseloop::{
    api::workload::{Arrival, Endpoint, NormalLength, TokenLength, Workload},
    simulation::engine::{
        ClientCondition, EngineRun, EngineSettings, EngineSpec, GpuState, MeasureWindow, Micros, RequestSchedule,
        RestartPolicy, RunTerms, measure, preset, run_lives,
    },
};
use phaseloop_core::analysis::bench::LatencyLimits;

/// Runs of each measurement.
const REPETITIONS: usize = 101;

/// One test pod's load, and how it is printed.
struct Pod {
    name: &'static str,
    requests: i64,
    rate: &'static str,
    seconds: u64,
}

/// The loads of the story of four nights.
const PODS: [Pod; 2] = [
    Pod { name: "a PHASE of 600 requests", requests: 600, rate: "4.5", seconds: 300 },
    Pod { name: "a canary of 140 requests", requests: 140, rate: "30", seconds: 8 },
];

fn main() {
    for pod in &PODS {
        let (Some(schedule), Some(spec)) = (schedule_of(pod), spec()) else { return };
        let terms = RunTerms {
            gpu: GpuState::default(),
            client: ClientCondition::default(),
            restarts: RestartPolicy::never(),
            began: Micros::ZERO,
            lasting: Micros(pod.seconds * 1_000_000),
            start_timeout: Micros(600_000_000),
            seed: 7,
        };
        let run = run_lives(&spec, &schedule, &terms);
        let steps: u64 = run.served().iter().map(|served| served.counters.steps).sum();
        let serving = median(|| drop(black_box(run_lives(&spec, &schedule, &terms))));
        let measuring = median(|| _ = black_box(figures(&schedule, &run, &terms)));
        let making = median(|| drop(black_box(schedule_of(pod))));
        println!(
            "{}: schedule {:.0} µs, serving {:.0} µs ({steps} steps), measuring {:.0} µs",
            pod.name,
            us(making),
            us(serving),
            us(measuring)
        );
    }
}

fn schedule_of(pod: &Pod) -> Option<RequestSchedule> {
    let length = |mean, standard_deviation| TokenLength {
        fixed: None,
        uniform: None,
        normal: Some(NormalLength { mean, standard_deviation }),
    };
    Some(RequestSchedule::of(&Workload {
        requests: pod.requests,
        arrival: Arrival { rate: Some(pod.rate.parse().ok()?), concurrency: None },
        input_tokens: length(128, 64),
        output_tokens: length(32, 8),
        shared_prefix_tokens: 0,
        seed: 7,
        endpoint: Endpoint::Completions,
    }))
}

fn spec() -> Option<EngineSpec> {
    let arguments = [("gpu-memory-utilization", "0.75"), ("max-model-len", "2048")]
        .map(|(flag, value)| (flag.to_owned(), value.to_owned()));
    Some(EngineSpec {
        card: preset::a100_40gb(),
        model: preset::llama_2_13b(),
        release: preset::release_0_33(),
        settings: EngineSettings::from_configuration(&arguments.into()).ok()?,
    })
}

fn figures(schedule: &RequestSchedule, run: &EngineRun, terms: &RunTerms) -> f64 {
    let limits = LatencyLimits {
        time_to_first_token_ms: None,
        time_per_output_token_ms: None,
        end_to_end_latency_ms: Some(2_000.0),
    };
    measure(schedule, run, &terms.client, &limits, MeasureWindow::default()).client.schedule_delay_ms_mean
}

fn median(mut measured: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..REPETITIONS)
        .map(|_| {
            let began = Instant::now();
            measured();
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    took.get(REPETITIONS / 2).copied().unwrap_or_default()
}

fn us(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}
