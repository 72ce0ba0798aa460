//! PhaseRun: one run over its domains, and its verdict.
//!
//! **What lives here**: what a run reads, how its pods follow from its spec, and how its verdict becomes status.
//!
//! **What must not**: judging (the core does it), the shape of a test pod (`workload`).

mod status;
