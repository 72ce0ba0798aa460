//! Oracles: what must hold whatever happens, checked from outside on what really happened.
//!
//! **What lives here**: one named check per invariant, over the history of objects and the kubelet's log of containers;
//! the registry that runs them after every event and counts how often each was evaluated.
//!
//! **What must not**: code that decides. An oracle that asked the policy whether the policy was kept would always be
//! told yes: these files know the wire format as JSON, time and arithmetic, and nothing of the core but its audit format.

mod arming;
mod audit;
mod borrowing;
mod budget;
mod canary;
mod config_map;
mod counting;
mod exclusion;
mod fact;
mod isolation;
mod ledger;
mod network;
mod overwriting;
mod ownership;
mod pace;
mod promotion;
mod registry;
mod value;

pub use fact::{At, ChangeKind, ContainerChange, ContainerState, Fact, ObjectChange};
pub use registry::{CloneInvariant, Invariant, InvariantFigures, Oracles, VIOLATIONS_MAX, Violation};
