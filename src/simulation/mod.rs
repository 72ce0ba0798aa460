//! A whole cluster in memory, in which the real operator runs under a virtual clock.
//!
//! **What lives here**: the API server in memory, the way to a real one in its place, and the oracles that watch what
//! happens.
//!
//! **What must not**: anything that the operator knows of. No branch on "simulation" is outside this folder.

pub mod agenda;
pub mod answer;
pub mod api_server;
pub mod chance;
pub mod cluster;
pub mod crash;
pub mod engine;
pub mod field;
pub mod operator;
pub mod oracle;
pub mod program;
pub mod remote;
pub mod scenario;
pub mod virtual_clock;
pub mod world;
