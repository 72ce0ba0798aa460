//! Rules of single kinds: defaults, what a request may change, what is refused.
//!
//! **What lives here**: what Kubernetes does to objects of the built-in kinds, as far as controllers rely on it.
//!
//! **What must not**: requests, storage, who asks.

pub(super) mod custom;
pub(super) mod defaults;
mod event;
mod names;
mod network;
mod pod;
mod pod_spec;
mod prepare;
mod scaling;
mod validate;

pub(super) use names::{label_value_faults, metadata_errors, metadata_update_errors, qualified_faults};
pub(super) use pod::with_condition;
pub(super) use prepare::{prepare_create, prepare_update, reset_fields};
pub(super) use validate::{validate_create, validate_update};
