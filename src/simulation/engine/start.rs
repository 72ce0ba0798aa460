//! Starting an engine: ready after some time, or refused.

use super::{
    Noise,
    log::{self, EngineLog, RefusedStart, StartStory, StartTimes},
    memory::{MemoryPlan, MemoryRefusal, StartStage},
    release::EngineRelease,
    settings::{ResolvedSettings, SettingsError},
    spec::{EngineSpec, GpuState},
    units::Micros,
};

/// How a start came out. All times are on the caller's time line.
#[derive(Debug, Clone, PartialEq)]
pub enum StartOutcome {
    /// It answers.
    Ready {
        /// From the container's start until then.
        after: Micros,
        /// What serving needs to know.
        facts: Box<StartFacts>,
        /// What it printed.
        log: EngineLog,
    },
    /// It ended.
    Refused {
        /// From the container's start until its end.
        after: Micros,
        /// Exit code of the container.
        exit_code: i32,
        /// What it printed.
        log: EngineLog,
    },
}

/// An engine that started.
#[derive(Debug, Clone, PartialEq)]
pub struct StartFacts {
    /// When it became ready.
    pub ready_at: Micros,
    /// What it holds of the card.
    pub plan: MemoryPlan,
    /// What its arguments became.
    pub resolved: ResolvedSettings,
    /// What else there is on the card.
    pub gpu: GpuState,
    /// By how much this life's steps take longer than the model says, by chance.
    pub pace: f64,
    /// By how much this life needs more memory than the model says, by chance.
    pub memory_factor: f64,
}

/// Seconds from a failure that an engine's process reports to the end of its container.
const REFUSAL_END_SECONDS: f64 = 2.4;
/// Seconds from arguments that are read to an engine's process that has its card.
const INITIALISE_SECONDS: f64 = 6.0;
/// Seconds of one profile run, of the sampler's warm-up and of the server, beside what grows with the model.
const PROFILE_SECONDS: f64 = 2.0;
const WARM_UP_SECONDS: f64 = 1.5;
const SERVER_SECONDS: f64 = 0.5;
/// Standard deviation of the logarithm by which starts differ in length.
const START_SPREAD: f64 = 0.04;
/// Exit code of Python's argument parser, and of every exception that nobody caught.
const EXIT_USAGE: i32 = 2;
const EXIT_EXCEPTION: i32 = 1;

/// Starts an engine in a container that began at `began`.
pub fn start(spec: &EngineSpec, gpu: &GpuState, began: Micros, seed: u64) -> StartOutcome {
    let resolved = match spec.settings.resolve(&spec.card, &spec.model) {
        Ok(resolved) => resolved,
        Err(error) => return refuse_flags(spec, &error, began, seed),
    };
    let mut noise = Noise::new(seed, "start");
    let times = times(spec, &resolved, began, noise.factor(START_SPREAD) * gpu.slowdown.max(1.0));
    let pace = noise.factor(spec.card.run_spread);
    let memory_factor = noise.factor(spec.release.memory_spread);
    let story = StartStory { spec, times: &times, resolved: Some(&resolved) };
    match MemoryPlan::of(spec, &resolved, gpu) {
        Ok(plan) => {
            let log = log::start_log(&story, &plan);
            let facts = StartFacts { ready_at: times.ready, plan, resolved, gpu: *gpu, pace, memory_factor };
            StartOutcome::Ready { after: times.ready.since(began), facts: Box::new(facts), log }
        }
        Err(refusal) => {
            let at = found_out_at(&times, &refusal);
            let exited_at = at.plus(Micros::from_seconds(REFUSAL_END_SECONDS));
            let log = log::refusal_log(&RefusedStart { story: &story, refusal: &refusal, at, exited_at });
            StartOutcome::Refused { after: exited_at.since(began), exit_code: EXIT_EXCEPTION, log }
        }
    }
}

/// The start of an engine whose arguments could not be read: `spec.settings` may be any, for only its `arguments` are
/// printed.
pub fn refuse_flags(spec: &EngineSpec, error: &SettingsError, began: Micros, seed: u64) -> StartOutcome {
    let factor = Noise::new(seed, "start").factor(START_SPREAD);
    let at = began.plus(Micros::from_seconds(spec.card.host.boot_seconds * factor));
    let times =
        StartTimes { began, configured: at, initialised: at, loaded: at, profiled: at, captured: at, ready: at };
    let log = log::flags_log(&StartStory { spec, times: &times, resolved: None }, error);
    let exit_code = match error {
        SettingsError::Contradiction(_) => EXIT_EXCEPTION,
        SettingsError::Unreadable { .. } | SettingsError::NotModelled { .. } => EXIT_USAGE,
    };
    StartOutcome::Refused { after: at.since(began), exit_code, log }
}

fn times(spec: &EngineSpec, resolved: &ResolvedSettings, began: Micros, factor: f64) -> StartTimes {
    let EngineSpec { card, model, release, settings } = spec;
    let layers = model.layers as f64;
    let compiled = if settings.enforce_eager { 0.0 } else { release.compile_layer_seconds * layers };
    let captured = if settings.enforce_eager { 0.0 } else { release.capture_layer_seconds * layers };
    let graphs = EngineRelease::graphs(resolved.max_num_seqs) as f64;
    let parts = [
        card.host.boot_seconds,
        INITIALISE_SECONDS,
        model.weight_bytes as f64 / card.host.load_bytes_per_second,
        PROFILE_SECONDS + compiled,
        WARM_UP_SECONDS + captured * graphs,
        SERVER_SECONDS,
    ];
    let mut at = began;
    let [configured, initialised, loaded, profiled, captured, ready] = parts.map(|seconds| {
        at = at.plus(Micros::from_seconds(seconds * factor));
        at
    });
    StartTimes { began, configured, initialised, loaded, profiled, captured, ready }
}

const fn found_out_at(times: &StartTimes, refusal: &MemoryRefusal) -> Micros {
    match refusal {
        MemoryRefusal::FreeMemory { .. } => times.initialised,
        MemoryRefusal::OutOfMemory { stage: StartStage::LoadWeights, .. } => times.loaded,
        MemoryRefusal::OutOfMemory { stage: StartStage::Profile | StartStage::MakeCache, .. }
        | MemoryRefusal::NoCacheBlocks { .. }
        | MemoryRefusal::ModelLength { .. } => times.profiled,
        MemoryRefusal::SamplerWarmUp { .. } => times.captured,
    }
}

impl StartOutcome {
    /// What serving needs to know; nothing where it was refused.
    pub fn facts(&self) -> Option<&StartFacts> {
        match self {
            Self::Ready { facts, .. } => Some(facts),
            Self::Refused { .. } => None,
        }
    }

    /// What it printed.
    pub const fn log(&self) -> &EngineLog {
        match self {
            Self::Ready { log, .. } | Self::Refused { log, .. } => log,
        }
    }
}
