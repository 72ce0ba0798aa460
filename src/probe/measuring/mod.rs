//! `phaseloop probe`: the main container of a serving test. It waits for the engine, loads it, watches it, and reports.
//!
//! **What lives here**: apart from each other, what follows from values alone (`event` reads an answer's stream, `exposition`
//! the engine's metrics, `engine_totals` and `journal` add up, `prompt` makes requests, `death` asks the core why an engine
//! died, `report` puts the report together) and what acts (`client`, `sending`, `records`, `waiting`, `watching`, `life`).
//!
//! **What must not**: any judgement of the figures, the simulation's model of the same probe, Kubernetes.

mod client;
mod death;
mod engine_totals;
mod event;
mod exposition;
mod journal;
mod life;
mod look;
mod prompt;
mod records;
mod report;
mod sending;
mod waiting;
mod watching;

pub use life::probe;
