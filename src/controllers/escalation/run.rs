//! A tuning run, which is its canaries: there is no other record of it while they exist.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use phaseloop_core::value::{SymptomKind, Uid};

use crate::{
    api::{TuningCanary, tuning_canary::CanaryRole},
    controllers::tuning_canary::facts::{consumes, created_at, is_released},
};

/// A tuning run with at least one canary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TuningRun<'a> {
    /// Its cycle id.
    pub(super) cycle: &'a str,
    /// Its canaries, in their order.
    pub(super) canaries: Vec<&'a TuningCanary>,
    /// The newest of them.
    pub(super) last: &'a TuningCanary,
}

impl<'a> TuningRun<'a> {
    /// The run that an Escalation has begun last. `canaries` are those of the target, by night and attempt.
    pub(super) fn latest(canaries: &'a [Arc<TuningCanary>], escalation: &str) -> Option<Self> {
        let own = || canaries.iter().map(Arc::as_ref).filter(|canary| canary.spec.escalation_name == escalation);
        let last = own().max_by_key(|canary| (created_at(canary), &canary.spec.night, canary.spec.attempt))?;
        let cycle = last.spec.cycle.as_str();
        let canaries = own().filter(|canary| canary.spec.cycle == cycle).collect();
        Some(Self { cycle, canaries, last })
    }

    /// Its incumbent's canary.
    pub(super) fn incumbent(&self) -> Option<&'a TuningCanary> {
        self.canaries.iter().rfind(|canary| canary.spec.role == CanaryRole::Incumbent).copied()
    }

    /// The symptom that it is for.
    pub(super) fn symptom(&self) -> SymptomKind {
        self.last.spec.symptom
    }

    /// The runs whose symptoms it consumes.
    pub(super) fn consumes(&self) -> BTreeSet<Uid> {
        self.incumbent().map(consumes).unwrap_or_default()
    }

    /// The canary that is not released yet.
    pub(super) fn going(&self) -> Option<&'a TuningCanary> {
        self.canaries.iter().find(|canary| !is_released(canary)).copied()
    }

    /// When it began.
    pub(super) fn started_at(&self) -> Timestamp {
        self.canaries.iter().map(|canary| created_at(canary)).min().unwrap_or(Timestamp::MIN)
    }

    /// When its last canary was released, as far as they are.
    pub(super) fn ended_at(&self) -> Timestamp {
        let released = self.canaries.iter().filter_map(|canary| canary.status.as_ref()?.released_at);
        released.max().unwrap_or_else(|| self.started_at())
    }

    /// Its candidates.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &'a TuningCanary> + '_ {
        self.canaries.iter().filter(|canary| canary.spec.role == CanaryRole::Candidate).copied()
    }
}
