//! What an Escalation reads: everything that the gates look at, live.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::borrow::lender_wanted;
use crate::{
    api::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary},
    cluster::{ClusterError, Reader},
    controllers::{ObservedLending, ObservedPolicy, ObservedTarget, read_claims, read_target},
    workload::ClaimFacts,
};

/// Everything that one look at an Escalation needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedEscalation {
    /// The Escalation.
    pub object: Escalation,
    /// The Escalations of targets of its target's name.
    pub escalations: Vec<Arc<Escalation>>,
    /// The schedules of targets of its target's name.
    pub schedules: Vec<Arc<PhaseSchedule>>,
    /// The runs of targets of its target's name.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The canaries of targets of its target's name.
    pub canaries: Vec<Arc<TuningCanary>>,
    /// The promotions of targets of its target's name.
    pub promotions: Vec<Arc<Promotion>>,
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// The volume claims of its template.
    pub claims: BTreeMap<String, ClaimFacts>,
    /// The ConfigMaps in which parameters lie.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// The target as a lender; absent where the Escalation borrows nothing and owes nothing.
    pub lending: Option<ObservedLending>,
}

/// Reads it.
pub(super) async fn observe(reader: Reader<'_>, object: Escalation) -> Result<ObservedEscalation, ClusterError> {
    let namespace = object.namespace().unwrap_or_default();
    let name = object.spec.target_ref.name.clone();
    let target = read_target(reader, &namespace, &object.spec.target_ref).await?;
    let lending = match lender_wanted(&object) {
        Some(may_ask) => Some(ObservedLending::read(reader, &namespace, target.clone(), may_ask).await?),
        None => None,
    };
    let claims = match &target {
        Some(target) => read_claims(reader, &namespace, &target.template()).await?,
        None => BTreeMap::new(),
    };
    let bindings = object.spec.parameters.iter().filter_map(|parameter| parameter.binding.as_ref());
    let mut config_maps = BTreeMap::new();
    for place in bindings.filter_map(|binding| binding.config_map_key.as_ref()) {
        if let Some(config_map) = reader.get::<ConfigMap>(&namespace, &place.name).await? {
            config_maps.insert(place.name.clone(), config_map);
        }
    }
    Ok(ObservedEscalation {
        escalations: reader.list_of_target(&namespace, &name).await?.items,
        schedules: reader.list_of_target(&namespace, &name).await?.items,
        runs: reader.list_of_target(&namespace, &name).await?.items,
        canaries: reader.list_of_target(&namespace, &name).await?.items,
        promotions: reader.list_of_target(&namespace, &name).await?.items,
        policy: ObservedPolicy::read(reader, &namespace).await?,
        lending,
        target,
        claims,
        config_maps,
        object,
    })
}
