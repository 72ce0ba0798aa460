//! Tests of the engine as a whole.

pub(super) use crate::probe::load::fixture::workload;
