//! A model of a vLLM engine on one card: what it claims, when it refuses, how fast it serves, when it dies.
//!
//! **What lives here**: cards, models and releases as data; the account of the card's memory; a step-by-step simulation
//! of continuous batching; the lines that a real engine prints; and what a load client would report of it. Everything
//! is a function of (card, model, release, settings, load, seed): there is no table of results. `docs/engine-model.md`
//! has the equations and how they compare with recordings of a real engine.
//!
//! **What must not**: Kubernetes, clocks, global state, judgement. Containers, restarts and probes are the simulated
//! kubelet's; what a measurement means is the core's.
//!
//! The way through: [`EngineSettings::from_configuration`] -> [`start`] -> [`serve`] -> [`measure`]. All of it is known
//! at once, at the instant at which a container starts: the future is data. [`run_lives`] strings starts and deaths
//! together as a kubelet does.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare figures that are exact with what they must be"))]

mod card;
mod client;
mod cost;
mod lives;
mod log;
mod measure;
mod memory;
mod model;
mod pool;
pub mod preset;
mod release;
mod serve;
mod settings;
mod spec;
mod start;
mod sweep;
mod units;
mod view;

pub use crate::probe::load::{ArrivalMode, Noise, RequestSchedule, ScheduledRequest, derive_seed};
pub use card::{Card, Host};
pub use client::{ClientCondition, SentRequest, Stall};
pub use cost::{Batch, step_seconds};
pub use lives::{EngineLife, EngineRun, RestartPolicy, RunTerms, run_lives};
pub use log::{EngineLog, LogLine, Process, Severity};
pub use measure::{MeasureWindow, ProbeFigures, latency_limits, measure};
pub use memory::{MemoryPlan, MemoryRefusal};
pub use model::ModelShape;
pub use release::EngineRelease;
pub use serve::{EngineDeath, EngineStop, Load, RequestEnd, RequestFailure, RequestOutcome, ServeOutcome, serve, stop};
pub use settings::{EngineSettings, ResolvedSettings, SettingsError};
pub use spec::{EngineSpec, GpuState};
pub use start::{StartFacts, StartOutcome, refuse_flags, start};
pub use sweep::{SweepPoint, SweepTerms, best_of, sweep};
pub use units::{GIB, Micros};
pub use view::{EngineCounters, TimeSum};

#[cfg(test)]
mod tests;
