//! From what was read to what is decided on.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{
    cycle::CyclePolicy,
    plan::{OwnKind, OwnObject},
    policy::derived_counting_window,
    schedule::Schedule,
    value::{TargetReference, Uid},
};

use super::ObservedPhaseSchedule;
use crate::{
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion, promotion::status::PromotionPhase},
    validate::{SpecFault, phase_schedule},
};

/// A schedule with everything that decisions about it rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidPhaseSchedule {
    /// The schedule as it was read.
    pub object: PhaseSchedule,
    /// When it fires; what is wrong with it where it can't.
    pub schedule: Result<Schedule, Vec<SpecFault>>,
    /// Its runs, oldest first.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The counting windows of the target's Escalations.
    pub counting_windows: Vec<SignedDuration>,
    /// For each promotion of the target that has not ended: the instant from which on runs may decide on it.
    pub promotions_open_since: Vec<Timestamp>,
}

impl ValidPhaseSchedule {
    /// The schedule as plans name it.
    pub fn identity(&self) -> OwnObject {
        own_object(OwnKind::PhaseSchedule, &self.object)
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        created_at(&self.object)
    }
}

/// An object of ours as plans name it.
pub(super) fn own_object<K: ResourceExt>(kind: OwnKind, object: &K) -> OwnObject {
    OwnObject::new(kind, object.name_any(), Uid::new(object.uid().unwrap_or_default()))
}

/// When an object was made, by the API server's clock, to the second.
pub(super) fn created_at<K: ResourceExt>(object: &K) -> Timestamp {
    object.creation_timestamp().map_or(Timestamp::MIN, |time| time.0)
}

pub(super) fn validate(observed: ObservedPhaseSchedule) -> ValidPhaseSchedule {
    let ObservedPhaseSchedule { object, mut runs, escalations, promotions } = observed;
    runs.sort_by_key(|run| (created_at(run.as_ref()), run.name_any()));
    let mut faults = Vec::new();
    let schedule = phase_schedule(&object.spec, &mut faults).ok_or(faults);
    let target = TargetReference::from(&object.spec.run.target_ref);
    let of_target = |reference| TargetReference::from(reference) == target;
    let windows = |escalation: &Arc<Escalation>| counting_windows(escalation, schedule.as_ref().ok(), &object);
    let counting_windows =
        escalations.iter().filter(|escalation| of_target(&escalation.spec.target_ref)).flat_map(windows).collect();
    let promotions_open_since = promotions
        .iter()
        .filter(|promotion| of_target(&promotion.spec.target_ref))
        .filter_map(|promotion| open_since(promotion))
        .collect();
    ValidPhaseSchedule { object, schedule, runs, counting_windows, promotions_open_since }
}

/// The counting windows of an Escalation's rules: each as it is given, or as it follows from the schedule.
fn counting_windows(
    escalation: &Escalation,
    schedule: Option<&Schedule>,
    object: &PhaseSchedule,
) -> Vec<SignedDuration> {
    let Some(schedule) = schedule else { return Vec::new() };
    let (period, timeout) = (schedule.period(), object.spec.run.timeout.into());
    let derived = |threshold| derived_counting_window(threshold, period, timeout);
    let rules = &escalation.spec.rules;
    if rules.is_empty() {
        return CyclePolicy::default_rules().iter().map(|rule| derived(rule.threshold)).collect();
    }
    rules.iter().map(|rule| rule.window.map_or_else(|| derived(rule.threshold), Into::into)).collect()
}

/// From when on runs may decide on a promotion; `None` for one that has ended.
fn open_since(promotion: &Promotion) -> Option<Timestamp> {
    use PromotionPhase::{
        Applied, Applying, AwaitingReview, Conflict, Expired, Rejected, RolledBack, RollingBack, Staged, Superseded,
        Validated,
    };
    let status = promotion.status.as_ref();
    match status.and_then(|status| status.phase) {
        Some(Validated | RolledBack | Rejected | Superseded | Expired | Conflict) => None,
        None | Some(Staged | AwaitingReview | Applying | Applied | RollingBack) => {
            Some(status.and_then(|status| status.applied_at).unwrap_or_else(|| created_at(promotion)))
        }
    }
}
