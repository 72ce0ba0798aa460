//! The operator in the simulation: replicas of it, each with the queue that stands in for the cluster's controllers.
//!
//! **What lives here**: what is looked at when, one look at a time, with every request to the API server as a point at
//! which anything else may happen; leadership as a switch; ways to pause a replica, to end it and to start it again.
//!
//! **What must not**: what a look decides (`controllers`), and what happens around the operator (`simulation::cluster`).

mod idle;
mod interruption;
mod item;
mod leadership;
mod look;
mod replica;
mod request_gate;

pub use interruption::Interruption;
pub use item::WorkItem;
pub use leadership::LeadershipSwitch;
pub use look::look;
pub use replica::{NoticeTerms, Progress, Replica, ReplicaParts, ReplicaState};
pub use request_gate::{RequestFault, RequestGate, RequestTrouble};
