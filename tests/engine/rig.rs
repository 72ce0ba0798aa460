//! Engines, loads and runs for tests.

use std::collections::BTreeMap;

use phaseloop::{
    api::workload::{Arrival, Endpoint, NormalLength, TokenLength, UniformLength, Workload},
    simulation::engine::{
        ArrivalMode, Card, ClientCondition, EngineRelease, EngineRun, EngineSettings, EngineSpec, GpuState,
        MeasureWindow, MemoryPlan, MemoryRefusal, Micros, ModelShape, ProbeFigures, RequestSchedule, RestartPolicy,
        RunTerms, ScheduledRequest, measure, preset, run_lives,
    },
};
use phaseloop_core::analysis::bench::LatencyLimits;

/// No limit at all.
pub(crate) const NO_LIMITS: LatencyLimits =
    LatencyLimits { time_to_first_token_ms: None, time_per_output_token_ms: None, end_to_end_latency_ms: None };
/// Longer than anything in these tests takes.
pub(crate) const LONG: Micros = Micros(10_000_000_000);

/// Arguments by canonical name.
pub(crate) fn arguments(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(flag, value)| ((*flag).to_owned(), (*value).to_owned())).collect()
}

/// An engine with these arguments.
pub(crate) fn engine(card: Card, model: ModelShape, release: EngineRelease, pairs: &[(&str, &str)]) -> EngineSpec {
    EngineSpec { card, model, release, settings: EngineSettings::from_configuration(&arguments(pairs)).unwrap() }
}

/// An 8B model on an L40S, which it fits with room to spare.
pub(crate) fn roomy(pairs: &[(&str, &str)]) -> EngineSpec {
    engine(preset::l40s_48gb(), preset::llama_3_1_8b(), preset::release_0_32(), pairs)
}

/// The same engine with some arguments set otherwise.
pub(crate) fn with(spec: &EngineSpec, pairs: &[(&str, &str)]) -> EngineSpec {
    let mut configuration = spec.settings.arguments.clone();
    configuration.extend(arguments(pairs));
    spec.with_settings(EngineSettings::from_configuration(&configuration).unwrap())
}

/// The same engine on a machine without chance.
pub(crate) fn without_chance(mut spec: EngineSpec) -> EngineSpec {
    (spec.card.run_spread, spec.card.step_spread, spec.release.memory_spread) = (0.0, 0.0, 0.0);
    spec
}

/// What it holds of a card of its own, or why it does not come up.
pub(crate) fn plan(spec: &EngineSpec) -> Result<MemoryPlan, MemoryRefusal> {
    plan_beside(spec, 0)
}

/// The same beside other processes on its card.
pub(crate) fn plan_beside(spec: &EngineSpec, used_by_others_bytes: u64) -> Result<MemoryPlan, MemoryRefusal> {
    let resolved = spec.settings.resolve(&spec.card, &spec.model).unwrap();
    MemoryPlan::of(spec, &resolved, &GpuState { used_by_others_bytes, slowdown: 1.0 })
}

/// A fixed length.
pub(crate) const fn fixed(tokens: i64) -> TokenLength {
    TokenLength { fixed: Some(tokens), uniform: None, normal: None }
}

/// A length between two bounds.
pub(crate) const fn between(min: i64, max: i64) -> TokenLength {
    TokenLength { fixed: None, uniform: Some(UniformLength { min, max }), normal: None }
}

/// A length around a mean.
pub(crate) const fn around(mean: i64, standard_deviation: i64) -> TokenLength {
    TokenLength { fixed: None, uniform: None, normal: Some(NormalLength { mean, standard_deviation }) }
}

/// An open loop.
pub(crate) fn load(requests: i64, rate: &str, input_tokens: TokenLength, output_tokens: TokenLength) -> Workload {
    Workload {
        requests,
        arrival: Arrival { rate: Some(rate.parse().unwrap()), concurrency: None },
        input_tokens,
        output_tokens,
        shared_prefix_tokens: 0,
        seed: 1,
        endpoint: Endpoint::Completions,
    }
}

/// Requests of one length that come at these times, whatever chance says.
pub(crate) fn arriving(
    due: impl IntoIterator<Item = Micros>,
    prompt_tokens: u64,
    output_tokens: u64,
) -> RequestSchedule {
    let requests: Vec<ScheduledRequest> = due
        .into_iter()
        .enumerate()
        .map(|(index, due)| ScheduledRequest { index, due, prompt_tokens, output_tokens })
        .collect();
    let mode = ArrivalMode::Open { interval_ms_mean: 1.0 };
    RequestSchedule { requests, mode, prefix_tokens: 0, hash: "given".to_owned() }
}

/// A card of one's own, a client that is on time, no restart, and all the time that is needed.
pub(crate) fn terms(seed: u64) -> RunTerms {
    RunTerms {
        gpu: GpuState::default(),
        client: ClientCondition { send_delay_ms_mean: 0.0, stall: None },
        restarts: RestartPolicy::never(),
        began: Micros::ZERO,
        lasting: LONG,
        start_timeout: LONG,
        seed,
    }
}

/// What a client reports of a run.
pub(crate) fn figures(schedule: &RequestSchedule, run: &EngineRun, terms: &RunTerms) -> ProbeFigures {
    let window = MeasureWindow { from: run.beginning.unwrap_or(run.until), until: run.until };
    measure(schedule, run, &terms.client, &NO_LIMITS, window)
}

/// An engine under a load.
pub(crate) fn run(spec: &EngineSpec, schedule: &RequestSchedule, seed: u64) -> (EngineRun, ProbeFigures) {
    let terms = terms(seed);
    let run = run_lives(spec, schedule, &terms);
    let figures = figures(schedule, &run, &terms);
    (run, figures)
}
