//! What a schedule reads.

use std::sync::Arc;

use kube::ResourceExt;
use phaseloop_core::plan::label::LABEL_SCHEDULE;

use crate::{
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion},
    cluster::{ClusterError, Reader},
};

/// Everything that one look at a schedule needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPhaseSchedule {
    /// The schedule.
    pub object: PhaseSchedule,
    /// The runs that carry its label.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The Escalations of targets of its target's name.
    pub escalations: Vec<Arc<Escalation>>,
    /// The promotions of targets of its target's name.
    pub promotions: Vec<Arc<Promotion>>,
}

/// Reads it.
pub(super) async fn observe(reader: Reader<'_>, object: PhaseSchedule) -> Result<ObservedPhaseSchedule, ClusterError> {
    let namespace = object.namespace().unwrap_or_default();
    let selector = format!("{LABEL_SCHEDULE}={}", object.name_any());
    let target = &object.spec.run.target_ref.name;
    Ok(ObservedPhaseSchedule {
        runs: reader.list(&namespace, &selector).await?.items,
        escalations: reader.list_of_target(&namespace, target).await?.items,
        promotions: reader.list_of_target(&namespace, target).await?.items,
        object,
    })
}
