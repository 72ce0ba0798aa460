//! What `init` reads: the target, what its template names, the administrator's policy, and what is there for it already.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::{Escalation, PhaseSchedule, reference::TargetRef},
    cluster::{ClusterError, ClusterErrorKind, Reader},
    controllers::{ObservedPolicy, ObservedTarget, read_claims, read_target},
    workload::ClaimFacts,
};

/// Everything that a draft is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct InitFacts {
    /// The target.
    pub target: ObservedTarget,
    /// The volume claims that its template names, by name.
    pub claims: BTreeMap<String, ClaimFacts>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// What of ours is in the namespace.
    pub neighbours: Neighbours,
}

/// What of ours is in the namespace.
#[derive(Debug, Clone, PartialEq)]
pub enum Neighbours {
    /// These.
    Read {
        /// Its Escalations.
        escalations: Vec<Arc<Escalation>>,
        /// Its PhaseSchedules.
        schedules: Vec<Arc<PhaseSchedule>>,
    },
    /// Our definitions are not installed.
    NoDefinitions,
}

/// Reads it; `None` where there is no such target.
///
/// # Errors
/// [`ClusterError`] of the first call that failed.
pub async fn observe_target(
    reader: Reader<'_>,
    namespace: &str,
    target_ref: &TargetRef,
) -> Result<Option<InitFacts>, ClusterError> {
    let Some(target) = read_target(reader, namespace, target_ref).await? else { return Ok(None) };
    let claims = read_claims(reader, namespace, &target.template()).await?;
    let policy = ObservedPolicy::read(reader, namespace).await?;
    let neighbours = observe_neighbours(reader, namespace).await?;
    Ok(Some(InitFacts { target, claims, policy, neighbours }))
}

async fn observe_neighbours(reader: Reader<'_>, namespace: &str) -> Result<Neighbours, ClusterError> {
    let read = async {
        Ok::<_, ClusterError>(Neighbours::Read {
            escalations: reader.list(namespace, "").await?.items,
            schedules: reader.list(namespace, "").await?.items,
        })
    };
    match read.await {
        // The API server knows no such resource: a list of a known one is never not found.
        Err(error) if error.kind == ClusterErrorKind::NotFound || error.is_unserved() => Ok(Neighbours::NoDefinitions),
        other => other,
    }
}
