//! A cluster in memory: the operator runs against it as it runs against a real one, with virtual time and every fault.
//!
//! **What lives here**: the API server behind the client, the virtual clock, and whatever else stands in for a part of a
//! cluster.
//!
//! **What must not**: decisions of the operator. Nothing outside this folder knows whether it is simulated.

pub mod api_server;
pub mod virtual_clock;
