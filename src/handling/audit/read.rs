//! The chains that objects carry.

use phaseloop_core::audit::{AuditRecord, AuditedObject, BoundedChain, ChainHead};

use crate::{
    api::audit::TransitionHistory,
    cluster::{ClusterError, ClusterErrorKind, Reader},
    controllers::{
        Kind, KindStatus, escalation::Escalations, kind::audited, phase_run::PhaseRuns, phase_schedule::PhaseSchedules,
        promotion::Promotions, tuning_canary::TuningCanaries,
    },
};

/// What one object carries of its chain.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveChain {
    /// The object.
    pub object: AuditedObject,
    /// Whether its kind carries all of its records; else the newest only.
    pub is_whole: bool,
    /// Head and records.
    pub chain: BoundedChain,
}

/// The chains of every object of ours in a namespace, or in all of them.
///
/// # Errors
/// [`ClusterError`] of the first list that could not be read.
pub async fn read_chains(reader: Reader<'_>, namespace: Option<&str>) -> Result<Vec<LiveChain>, ClusterError> {
    let mut chains = Vec::new();
    of_kind::<PhaseSchedules>(reader, namespace, &mut chains).await?;
    of_kind::<PhaseRuns>(reader, namespace, &mut chains).await?;
    of_kind::<Escalations>(reader, namespace, &mut chains).await?;
    of_kind::<TuningCanaries>(reader, namespace, &mut chains).await?;
    of_kind::<Promotions>(reader, namespace, &mut chains).await?;
    Ok(chains)
}

async fn of_kind<K: Kind>(
    reader: Reader<'_>,
    namespace: Option<&str>,
    chains: &mut Vec<LiveChain>,
) -> Result<(), ClusterError> {
    let listed = reader.list_in::<K::Object>(namespace, "").await?;
    if let Some(name) = listed.malformed.first() {
        let what = format!("{} {name}", K::KIND);
        return Err(ClusterError::without_source("read", what, ClusterErrorKind::Malformed));
    }
    chains.extend(listed.items.iter().map(|object| {
        let history = K::status(object).and_then(KindStatus::history);
        let object = audited::<K>(object);
        LiveChain { is_whole: !K::Status::lives_on(), chain: chain_of(&object, history), object }
    }));
    Ok(())
}

fn chain_of(object: &AuditedObject, history: Option<&TransitionHistory>) -> BoundedChain {
    let Some(history) = history else { return BoundedChain::default() };
    let recent: Vec<AuditRecord> =
        history.records.iter().map(|record| record.to_audit_record(object.clone())).collect();
    // The head on the wire is a hash alone: its number is that of the newest record.
    let sequence = recent.last().map_or(0, |record| record.sequence);
    let head = history.head.clone().map(|hash| ChainHead { sequence, hash });
    BoundedChain { head, recent }
}

impl LiveChain {
    /// The records that it carries.
    pub fn records(&self) -> &[AuditRecord] {
        &self.chain.recent
    }
}
