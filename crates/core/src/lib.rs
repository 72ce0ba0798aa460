//! The pure core of phaseloop: every decision the loop takes, as functions of objects, observations and `now`.
//!
//! **What lives here**: reading evidence, judging a run, counting symptoms, gates and budgets, candidates and their
//! ranking, borrowing a replica, the life of a promotion, the schedule, plans, audit records.
//!
//! **What must not**: a Kubernetes client, an executor, a clock, randomness, files, the environment. The crate is
//! `no_std`, so the compiler has none of them to offer; mathematics comes from `libm`, which gives the same bits on
//! every machine, and maps are ordered, so that the same inputs always give the same output.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod analysis;
pub mod audit;
pub mod borrow;
pub mod cycle;
pub mod plan;
pub mod policy;
pub mod promotion;
pub mod reference;
pub mod schedule;
pub mod tuning;
pub mod value;

/// What `std`'s prelude would bring: each file of this crate opens with `use crate::prelude::*`.
pub(crate) mod prelude {
    #[allow(unused_imports, reason = "each file takes what it needs of the list")]
    pub(crate) use alloc::{
        borrow::ToOwned,
        boxed::Box,
        collections::{BTreeMap, BTreeSet},
        format,
        string::{String, ToString},
        vec,
        vec::Vec,
    };
}
