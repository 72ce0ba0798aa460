//! The objects of a cycle.

use jiff::Timestamp;
use kube::ResourceExt;
use phaseloop_core::{
    plan::name::cycle_name,
    value::{TargetReference, Uid},
};

use crate::{
    api::{Escalation, PhaseRun, Promotion, TuningCanary, promotion::status::PromotionPhase},
    cluster::{ClusterError, Reader},
    controllers::phase_run::facts::has_ended,
};

/// What a cycle consists of, as it was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CycleView {
    /// The run; absent where it is gone.
    pub run: Option<PhaseRun>,
    /// The Escalation that rules the run's target; absent where there is none.
    pub escalation: Option<Escalation>,
    /// The canaries of the cycle.
    pub canaries: Vec<TuningCanary>,
    /// The promotion of the cycle.
    pub promotion: Option<Promotion>,
    /// The promotion of an earlier cycle that the run decides on: it was rolled out when the run started, and waits for a
    /// run, or was decided by this one.
    pub on_trial: Option<Promotion>,
    /// When things were first seen, by the clock of whoever looks.
    pub seen: Seen,
}

/// When things were first seen: what follows from them at once needs a moment, and clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// The end of the run.
    pub ended: Option<Timestamp>,
    /// The promotion.
    pub promotion: Option<Timestamp>,
}

impl CycleView {
    /// The id of the cycle.
    pub fn cycle(&self) -> Option<String> {
        let run = self.run.as_ref()?;
        let stored = run.status.as_ref().and_then(|status| status.cycle.clone());
        Some(stored.unwrap_or_else(|| cycle_name(&run.name_any(), &Uid::new(run.uid().unwrap_or_default()))))
    }
}

/// Reads a cycle. What is seen now for the first time is noted.
///
/// # Errors
/// [`ClusterError`] of the first call that failed.
pub async fn view_of(
    reader: Reader<'_>,
    namespace: &str,
    run: &str,
    seen: Seen,
    now: Timestamp,
) -> Result<CycleView, ClusterError> {
    let Some(run) = reader.get::<PhaseRun>(namespace, run).await? else { return Ok(CycleView::default()) };
    let mut view = CycleView { run: Some(run.clone()), seen, ..CycleView::default() };
    if !has_ended(&run) {
        return Ok(view);
    }
    view.seen.ended.get_or_insert(now);
    let cycle = view.cycle();
    let is_of_cycle = |id: &str| cycle.as_deref() == Some(id);
    // The Escalation before promotions: it tells of a promotion only once that is made.
    let escalation = ruling(reader.list::<Escalation>(namespace, "").await?.into_owned(), &run);
    let canaries = reader.list::<TuningCanary>(namespace, "").await?.into_owned();
    let promotions = reader.list::<Promotion>(namespace, "").await?.into_owned();
    view.escalation = escalation;
    view.canaries = canaries.into_iter().filter(|canary| is_of_cycle(&canary.spec.cycle)).collect();
    let (own, others): (Vec<_>, Vec<_>) =
        promotions.into_iter().partition(|promotion| is_of_cycle(&promotion.spec.cycle));
    view.promotion = own.into_iter().next();
    view.on_trial = others.into_iter().find(|promotion| is_on_trial(promotion, &run));
    if view.promotion.is_some() {
        view.seen.promotion.get_or_insert(now);
    }
    Ok(view)
}

/// Whether a run decides on a promotion.
fn is_on_trial(promotion: &Promotion, run: &PhaseRun) -> bool {
    let Some(status) = &promotion.status else { return false };
    if let Some(validation) = &status.validation {
        return run.uid().is_some_and(|uid| uid == validation.phase_run_uid);
    }
    let started = run.status.as_ref().and_then(|status| status.started_at);
    let was_rolled_out = status.rolled_out_at.zip(started).is_some_and(|(rolled_out, started)| started > rolled_out);
    let of_target = TargetReference::from(&promotion.spec.target_ref) == TargetReference::from(&run.spec.target_ref);
    of_target && was_rolled_out && status.phase == Some(PromotionPhase::Applied)
}

/// The Escalation that rules a run's target: the oldest.
fn ruling(escalations: Vec<Escalation>, run: &PhaseRun) -> Option<Escalation> {
    let target = TargetReference::from(&run.spec.target_ref);
    let of_target = escalations.into_iter().filter(|one| TargetReference::from(&one.spec.target_ref) == target);
    of_target.min_by_key(|one| (one.creation_timestamp().map(|time| time.0), one.uid()))
}
