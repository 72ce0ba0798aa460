//! What a run reads. A run that has ended looks after its own pods only.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::{Pod, PodTemplate};
use kube::ResourceExt;
use phaseloop_core::plan::label::{ANNOTATION_DOMAIN, LABEL_PHASE_RUN};

use super::{borrow::lender_wanted, domain::domain_of, facts::has_ended};
use crate::{
    api::{PhaseRun, Promotion},
    cluster::{ClusterError, Reader},
    controllers::{ObservedLending, ObservedNetwork, ObservedPolicy, ObservedTarget, read_claims, read_target},
    workload::{ClaimFacts, own_test_pods_selector, test_pods_selector},
};

/// Everything that one look at a run needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPhaseRun {
    /// The run.
    pub object: PhaseRun,
    /// The test pods of the namespace, whomever they test; its own only once it has ended.
    pub pods: Vec<Arc<Pod>>,
    /// The target as a lender; absent where the run borrows nothing and owes nothing.
    pub lending: Option<ObservedLending>,
    /// What a run needs that has not ended; absent for one that has.
    pub world: Option<ObservedWorld>,
}

/// What a run needs that has not ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedWorld {
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// The PodTemplates that its domains name, as far as there are any, by name.
    pub pod_templates: BTreeMap<String, PodTemplate>,
    /// The volume claims of all these templates.
    pub claims: BTreeMap<String, ClaimFacts>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// What bounds the target's pods; read where a pod may be made.
    pub network: ObservedNetwork,
    /// The runs of targets of its target's name.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The promotions of targets of its target's name.
    pub promotions: Vec<Arc<Promotion>>,
}

/// Reads it.
pub(super) async fn observe(reader: Reader<'_>, object: PhaseRun) -> Result<ObservedPhaseRun, ClusterError> {
    let namespace = object.namespace().unwrap_or_default();
    let ended = has_ended(&object);
    let selector =
        if ended { own_test_pods_selector(LABEL_PHASE_RUN, &object.name_any()) } else { test_pods_selector() };
    let pods = reader.list::<Pod>(&namespace, &selector).await?.items;
    let world = if ended { None } else { Some(observe_world(reader, &namespace, &object, &pods).await?) };
    let lending = observe_lending(reader, &namespace, &object, world.as_ref()).await?;
    Ok(ObservedPhaseRun { object, pods, lending, world })
}

/// Reads the lender of a run that borrows, until what it borrowed is given back.
async fn observe_lending(
    reader: Reader<'_>,
    namespace: &str,
    object: &PhaseRun,
    world: Option<&ObservedWorld>,
) -> Result<Option<ObservedLending>, ClusterError> {
    let Some(may_ask) = lender_wanted(object) else { return Ok(None) };
    let target = match world {
        Some(world) => world.target.clone(),
        None => read_target(reader, namespace, &object.spec.target_ref).await?,
    };
    ObservedLending::read(reader, namespace, target, may_ask).await.map(Some)
}

/// Whether a domain that has not ended has no pod: only then is one made.
fn awaits_pod(object: &PhaseRun, pods: &[Arc<Pod>]) -> bool {
    let uid = object.uid().unwrap_or_default();
    let own: Vec<&Pod> = pods
        .iter()
        .map(Arc::as_ref)
        .filter(|pod| pod.owner_references().iter().any(|owner| owner.uid == uid))
        .collect();
    object.spec.domains.iter().map(|domain| &domain.name).any(|name| {
        let row = object.status.as_ref().and_then(|status| domain_of(status, name));
        row.is_none_or(|row| row.ended_at.is_none())
            && !own.iter().any(|pod| pod.annotations().get(ANNOTATION_DOMAIN) == Some(name))
    })
}

async fn observe_world(
    reader: Reader<'_>,
    namespace: &str,
    object: &PhaseRun,
    pods: &[Arc<Pod>],
) -> Result<ObservedWorld, ClusterError> {
    let target = read_target(reader, namespace, &object.spec.target_ref).await?;
    let mut pod_templates = BTreeMap::new();
    for name in object.spec.domains.iter().filter_map(|domain| domain.pod_template_name.as_ref()) {
        if let Some(template) = reader.get::<PodTemplate>(namespace, name).await? {
            pod_templates.insert(name.clone(), template);
        }
    }
    let mut claims = BTreeMap::new();
    if object.spec.domains.iter().any(|domain| domain.serving.is_some())
        && let Some(target) = &target
    {
        claims.extend(read_claims(reader, namespace, &target.template()).await?);
    }
    for template in pod_templates.values().filter_map(|template| template.template.as_ref()) {
        claims.extend(read_claims(reader, namespace, template).await?);
    }
    let policy = ObservedPolicy::read(reader, namespace).await?;
    let network = if awaits_pod(object, pods) {
        ObservedNetwork::read(reader, namespace, &policy).await?
    } else {
        ObservedNetwork::NotRead
    };
    let name = &object.spec.target_ref.name;
    Ok(ObservedWorld {
        target,
        pod_templates,
        claims,
        policy,
        network,
        runs: reader.list_of_target(namespace, name).await?.items,
        promotions: reader.list_of_target(namespace, name).await?.items,
    })
}
