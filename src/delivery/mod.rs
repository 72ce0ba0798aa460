//! What phaseloop writes to a target: how a promoted value gets into it, and how a replica is borrowed from it.
//!
//! **What lives here**: the addresses of fields, and how a field's text is read, put and put back byte for byte
//! (`address`); which places a promotion may write to (`permission`); what is observed of a target (`target`, `rollout`,
//! `manager`) and of the ConfigMap that it reads a value from (`config_map`, `template_hash`); and the JSON Patches that carry
//! values in, carry them back, and fence (`edit`, `entry`, `patch`). A target as a lender of a replica, with the patches of that,
//! is `borrow`.
//!
//! **What must not**: when a value is delivered (the core's `promotion`) or a replica borrowed (the core's `borrow`), and requests (`cluster`). There is no delivery by
//! Git yet.

pub mod address;
pub mod borrow;
pub mod config_map;
pub mod edit;
mod entry;
#[cfg(test)]
pub(crate) mod fixture;
pub mod manager;
pub mod patch;
pub mod permission;
pub mod rollout;
pub mod target;
pub mod template_hash;

pub use address::{FieldPlace, field_address, field_place, owned_field, put_field, read_field};
