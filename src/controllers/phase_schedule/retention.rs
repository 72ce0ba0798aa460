//! Which ended runs may go: those beyond the history limit, oldest first, and none that anything may still rest on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::policy::bound::{BASELINE_REACH_MAX, BASELINE_WINDOW_SLACK};

use super::{ValidPhaseSchedule, validate::created_at};
use crate::{api::PhaseRun, controllers::phase_run::facts::has_ended};

/// Most runs that one look prunes: the next look goes on.
const PRUNED_AT_ONCE_MAX: usize = 8;

/// The runs to prune now, oldest first.
pub(super) fn prunable(valid: &ValidPhaseSchedule, now: Timestamp) -> Vec<&PhaseRun> {
    let kept = usize::try_from(valid.object.spec.history_limit).unwrap_or(usize::MAX);
    let ended: Vec<&PhaseRun> = valid.runs.iter().map(AsRef::as_ref).filter(|run| has_ended(run)).collect();
    let surplus = ended.len().saturating_sub(kept);
    let serving = reach_back(&ended, valid, now);
    ended
        .into_iter()
        .filter(|run| {
            run.metadata.deletion_timestamp.is_none()
                && !is_in_window(run, valid, now)
                && !serving.contains(&run.name_any())
        })
        .take(surplus.min(PRUNED_AT_ONCE_MAX))
        .collect()
}

/// Whether a run lies inside the baseline's window, a counting window, or the time in which runs decide on a promotion.
fn is_in_window(run: &PhaseRun, valid: &ValidPhaseSchedule, now: Timestamp) -> bool {
    let (started, ended) = span(run);
    let within = |instant: Timestamp, window: SignedDuration| now.duration_since(instant) <= window;
    let baseline_window: SignedDuration = valid.object.spec.run.analysis.baseline_window.into();
    within(started, baseline_window.saturating_add(BASELINE_WINDOW_SLACK))
        || valid.counting_windows.iter().any(|window| within(ended, *window))
        || valid.promotions_open_since.iter().any(|since| *since <= ended)
}

/// Names of the admitted runs that would serve where a window holds too few: per kind of comparable runs the newest of the
/// last 28 days. Each analysis leaves out those that fall out, at most every other one, so twice as many are kept as a
/// baseline needs, and one more.
fn reach_back(ended: &[&PhaseRun], valid: &ValidPhaseSchedule, now: Timestamp) -> Vec<String> {
    let needed = usize::try_from(valid.object.spec.run.analysis.minimum_runs).unwrap_or(usize::MAX);
    let mut by_key: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut serving = Vec::new();
    for run in ended.iter().rev() {
        let Some(status) = run.status.as_ref().filter(|status| status.admitted == Some(true)) else { continue };
        let count = by_key.entry(status.baseline_key.clone()).or_default();
        let in_reach = now.duration_since(span(run).0) <= BASELINE_REACH_MAX;
        if in_reach && *count <= needed.saturating_mul(2) {
            *count += 1;
            serving.push(run.name_any());
        }
    }
    serving
}

/// When a run began and when it ended, as far as it says.
fn span(run: &PhaseRun) -> (Timestamp, Timestamp) {
    let status = run.status.as_ref();
    let ended = status.and_then(|status| status.completed_at).unwrap_or_else(|| created_at(run));
    (status.and_then(|status| status.started_at).unwrap_or(ended), ended)
}
