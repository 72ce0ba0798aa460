//! The operator as it runs in a cluster: kube-runtime's controllers as callers of the one driver.
//!
//! **What lives here**: the controllers' wiring, and nothing that a simulation could not do without.
//!
//! **What must not**: decisions, requests of its own, and any other way to the driver than [`crate::controllers`].

pub mod controller;

pub use controller::{Turn, run_controller};
