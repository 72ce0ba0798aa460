//! Everything of ours in a namespace, or in all of them.

use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
};
use kube::ResourceExt;
use phaseloop_core::plan::label::ANNOTATION_GIVE_BACK;
use serde_json::Value;

use crate::{
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary},
    cluster::{ClusterError, ClusterErrorKind, Listed, Readable, Reader},
    workload::test_pods_selector,
};

/// What there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installation {
    /// Schedules.
    pub schedules: Vec<Arc<PhaseSchedule>>,
    /// Runs.
    pub runs: Vec<Arc<PhaseRun>>,
    /// Escalations.
    pub escalations: Vec<Arc<Escalation>>,
    /// Canaries.
    pub canaries: Vec<Arc<TuningCanary>>,
    /// Promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// Test pods.
    pub pods: Vec<Arc<Pod>>,
    /// Targets that have a replica to get back.
    pub borrowed: Vec<Lender>,
    /// Objects of ours that can't be read: nobody can say what they owe.
    pub malformed: Vec<String>,
}

/// A target that has a replica to get back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lender {
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as in `Deployment`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How many replicas it had before, where its annotation says so.
    pub replicas: Option<i64>,
}

/// Reads it. Definitions that are gone are no objects.
///
/// # Errors
/// [`ClusterError`] of the first list that could not be read.
pub async fn observe_installation(reader: Reader<'_>, namespace: Option<&str>) -> Result<Installation, ClusterError> {
    let mut malformed = Vec::new();
    Ok(Installation {
        schedules: own(reader, namespace, &mut malformed).await?,
        runs: own(reader, namespace, &mut malformed).await?,
        escalations: own(reader, namespace, &mut malformed).await?,
        canaries: own(reader, namespace, &mut malformed).await?,
        promotions: own(reader, namespace, &mut malformed).await?,
        pods: reader.list_in::<Pod>(namespace, &test_pods_selector()).await?.items,
        borrowed: borrowed(reader, namespace).await?,
        malformed,
    })
}

async fn own<K: Readable>(
    reader: Reader<'_>,
    namespace: Option<&str>,
    malformed: &mut Vec<String>,
) -> Result<Vec<Arc<K>>, ClusterError> {
    match reader.list_in::<K>(namespace, "").await {
        Ok(Listed { items, malformed: names }) => {
            malformed.extend(names.into_iter().map(|name| format!("{} {name}", K::kind(&()))));
            Ok(items)
        }
        Err(error) if error.kind == ClusterErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn borrowed(reader: Reader<'_>, namespace: Option<&str>) -> Result<Vec<Lender>, ClusterError> {
    let deployments = reader.list_in::<Deployment>(namespace, "").await?.items;
    let sets = reader.list_in::<StatefulSet>(namespace, "").await?.items;
    let lent = deployments.iter().filter_map(|target| lender("Deployment", target.as_ref()));
    Ok(lent.chain(sets.iter().filter_map(|target| lender("StatefulSet", target.as_ref()))).collect())
}

fn lender(kind: &'static str, target: &impl ResourceExt) -> Option<Lender> {
    let told = target.annotations().get(ANNOTATION_GIVE_BACK)?;
    // Whatever it says, it is not given back while it stands there.
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    let replicas = told.pointer("/from").and_then(Value::as_i64);
    Some(Lender { namespace: target.namespace().unwrap_or_default(), kind, name: target.name_any(), replicas })
}
