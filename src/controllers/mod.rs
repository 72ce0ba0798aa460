//! The operator's reconciling: one driver for all kinds, and one folder per kind with the same file names.
//!
//! **What lives here**: the driver (observe, validate, decide, execute, report), what it needs of a kind ([`Kind`]), how
//! a status is sealed before it is written, events, backing off, who is woken by which change; and per kind: what is read
//! (`observe`), what the core makes of it (`validate`, `decide`), the objects that follow (`build`), and the status.
//!
//! **What must not**: a second way to the API server (`cluster` has it), decisions that are no mapping to and from the
//! core, and anything that knows whether the cluster is real.

pub mod administration;
pub mod backoff;
mod begin;
pub mod context;
pub mod driver;
pub mod escalation;
#[cfg(test)]
pub(crate) mod fixture;
pub mod kind;
pub mod lending;
pub mod network;
pub mod notice;
pub mod occupancy;
pub mod phase_run;
pub mod phase_schedule;
pub mod promotion;
pub mod queue;
pub mod report;
pub mod subject;
pub mod target;
pub mod tuning_canary;
pub mod wake;

pub use administration::ObservedPolicy;
pub use backoff::Backoff;
pub use context::{Context, Leadership, ObjectKey, OperatorSettings};
pub use driver::{ReconcileError, reconcile};
pub use kind::{Kind, KindStatus};
pub use lending::{Lending, ObservedLending};
pub use network::ObservedNetwork;
pub use queue::WorkQueue;
pub use report::{Report, condition, seal};
pub use subject::{Concern, Subject, TargetKey};
pub use target::{ObservedTarget, read_claims, read_target};
pub use wake::{Woken, woken_by};
