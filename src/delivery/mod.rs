//! How a promoted value gets into a target.
//!
//! **What lives here**: the addresses of fields, and how a field's text is read, put and put back byte for byte
//! (`address`); which places a promotion may write to (`permission`); what is observed of a target (`target`, `rollout`,
//! `manager`); and the JSON Patches that carry values in, carry them back, and fence (`edit`, `patch`).
//!
//! **What must not**: when a value is delivered (the core's `promotion`), and requests (`cluster`). There is no delivery by
//! Git yet, and no patch of a ConfigMap: its value and the target's mark are two objects, which no request writes as one.

pub mod address;
pub mod edit;
#[cfg(test)]
mod fixture;
pub mod manager;
pub mod patch;
pub mod permission;
pub mod rollout;
pub mod target;

pub use address::{FieldPlace, field_address, field_place, owned_field, put_field, read_field};
