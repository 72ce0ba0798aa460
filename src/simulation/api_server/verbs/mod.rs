//! What each verb does.
//!
//! **What lives here**: reads and writes of objects, in the order in which Kubernetes' handlers and stores take them.
//!
//! **What must not**: HTTP (`service`), rules of a kind (`kinds`), who may do what (`admission`).

mod binding;
mod create;
mod decode;
mod delete;
mod eviction;
mod list;
mod patch;
mod read;
mod replace;
mod scale;
mod update;

pub(super) use create::create;
pub(super) use delete::{delete, delete_collection, delete_one, record_step};
pub(super) use list::{list, watch};
pub(super) use patch::patch;
pub(super) use read::get;
pub(super) use replace::replace;
