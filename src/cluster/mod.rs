//! What reaches a cluster: its clock and its client.
//!
//! **What lives here**: the instant at which something is decided or written, and the only holder of a Kubernetes client.
//!
//! **What must not**: decisions, knowledge of a kind, and any branch on whether the cluster is simulated.

pub mod clock;
