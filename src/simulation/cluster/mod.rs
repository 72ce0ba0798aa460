//! What a cluster does by itself: scheduler, kubelets, the controllers of workloads, volumes and nodes, garbage collection.
//!
//! **What lives here**: each of them as a function of what it sees and the time, with the writes that follow as values;
//! one place that carries writes out, each under the name of its controller.
//!
//! **What must not**: kinds of ours (to all of this a test pod is a pod), and chance: what happens follows from the
//! objects, the scenario and the time.

mod claim_protection;
mod controllers;
mod deployment;
mod disruption;
mod ephemeral_volume;
pub mod kubelet;
mod node;
mod owned;
mod replica_set;
mod rolling;
mod scheduler;
mod stateful_set;
mod view;
mod workload_status;
mod write;

pub use controllers::{Controllers, Step};
pub use node::{NodeShape, NodeWatch, node_object};
pub use view::{ClusterView, Key, Touched};
pub use write::{ClusterWrite, carry_out};
