//! Patches that are no applies: what becomes of an object.
//!
//! **What lives here**: JSON Patch, JSON Merge Patch and Kubernetes' strategic merge patch, as functions of values.
//!
//! **What must not**: requests, storage, rules of a kind.

mod json;
mod merge;
mod strategic;

pub(super) use json::json;
pub(super) use merge::merge;
pub(super) use strategic::strategic;
