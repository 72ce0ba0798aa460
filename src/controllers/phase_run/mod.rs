//! PhaseRun: one run over its domains, and its verdict.
//!
//! **What lives here**: what a run reads, how its pods follow from its spec, how its verdict becomes status, and how
//! other kinds read runs (`facts`).
//!
//! **What must not**: judging (the core does it), the shape of a test pod (`workload`).

pub mod facts;
mod status;

#[cfg(test)]
mod fixture;
