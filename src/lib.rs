//! phaseloop: wire types and shell. What is decided lives in `phaseloop_core`; here is what reads, prints and acts.

pub mod administrator;
pub mod api;
pub mod args;
pub mod cli;
pub mod cluster;
pub mod controllers;
pub mod delivery;
pub mod exit;
pub mod handling;
pub mod installation;
pub mod operator;
pub mod probe;
pub mod recording;
pub mod replay;
pub mod simulation;
pub mod structural;
pub mod telemetry;
pub mod validate;
pub mod workload;
pub mod yaml;
