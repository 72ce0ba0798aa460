//! What a canary reads. One that is settled, or has been judged, reads less.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use phaseloop_core::plan::label::{FINALIZER, LABEL_CANARY};

use super::validate::bound_parameters;
use crate::{
    api::{Escalation, TuningCanary},
    cluster::{ClusterError, Reader},
    controllers::{ObservedNetwork, ObservedPolicy, ObservedTarget, read_claims, read_target},
    workload::{ClaimFacts, own_test_pods_selector, test_pods_selector},
};

/// Everything that one look at a canary needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedTuningCanary {
    /// The canary.
    pub object: TuningCanary,
    /// The test pods of the namespace, whomever they test; its own only once it was judged.
    pub pods: Vec<Arc<Pod>>,
    /// The Escalation of the name that the canary gives; absent where there is none.
    pub escalation: Option<Escalation>,
    /// The canaries of targets of its target's name.
    pub canaries: Vec<Arc<TuningCanary>>,
    /// What the making of its pod needs; absent once it was judged.
    pub world: Option<ObservedWorld>,
    /// Whether the namespace is being deleted, and what may not be read any more was taken for gone.
    pub namespace_ends: bool,
    /// Whether the definition of canaries is being deleted; looked for where nothing but the name is held any more.
    pub definition_ends: bool,
}

/// What the making of a canary's pod needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedWorld {
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// The volume claims of its template.
    pub claims: BTreeMap<String, ClaimFacts>,
    /// The ConfigMaps in which the canary's parameters lie.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// What bounds the target's pods; read where the canary has no pod.
    pub network: ObservedNetwork,
}

/// Whether nothing is owed any more: it was judged, released, folded, and its finalizer is gone.
fn is_settled(object: &TuningCanary) -> bool {
    is_done(object) && !object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether it was judged, and all that it held was released.
fn is_done(object: &TuningCanary) -> bool {
    object.status.as_ref().is_some_and(|status| status.verdict.is_some() && status.released_at.is_some())
}

/// Reads it.
pub(super) async fn observe(reader: Reader<'_>, object: TuningCanary) -> Result<ObservedTuningCanary, ClusterError> {
    let namespace = object.namespace().unwrap_or_default();
    let is_judged = object.status.as_ref().is_some_and(|status| status.verdict.is_some());
    let selector =
        if is_judged { own_test_pods_selector(LABEL_CANARY, &object.name_any()) } else { test_pods_selector() };
    let mut pods = reader.list::<Pod>(&namespace, &selector).await?.items;
    pods.extend(last_words(reader, &object, &pods).await);
    let namespace_ends = reader.namespace_ends();
    if is_settled(&object) {
        let canaries = Vec::new();
        let definition_ends = false;
        return Ok(ObservedTuningCanary {
            object,
            pods,
            escalation: None,
            canaries,
            world: None,
            namespace_ends,
            definition_ends,
        });
    }
    let holds_a_name = object.metadata.deletion_timestamp.is_some() && is_done(&object);
    let definition_ends = holds_a_name && reader.is_definition_ending(&namespace, &object).await;
    let escalation = reader.get::<Escalation>(&namespace, &object.spec.escalation_name).await?;
    let canaries = reader.list_of_target(&namespace, &object.spec.target_ref.name).await?.items;
    let world = if is_judged {
        None
    } else {
        let mut world = observe_world(reader, &namespace, &object, escalation.as_ref()).await?;
        let uid = object.uid().unwrap_or_default();
        let is_own = |pod: &Arc<Pod>| pod.owner_references().iter().any(|owner| owner.uid == uid);
        if !pods.iter().any(is_own) {
            world.network = ObservedNetwork::read(reader, &namespace, &world.policy).await?;
        }
        Some(world)
    };
    Ok(ObservedTuningCanary { object, pods, escalation, canaries, world, namespace_ends, definition_ends })
}

/// How its pod was at its end, where that is gone and what is to be concluded from it was not.
async fn last_words(reader: Reader<'_>, object: &TuningCanary, there: &[Arc<Pod>]) -> Option<Arc<Pod>> {
    let status = object.status.as_ref()?;
    let uid = status.pod_uid.as_deref().filter(|_| status.released_at.is_none())?;
    if there.iter().any(|pod| pod.metadata.uid.as_deref() == Some(uid)) { None } else { reader.last_words(uid).await }
}

async fn observe_world(
    reader: Reader<'_>,
    namespace: &str,
    object: &TuningCanary,
    escalation: Option<&Escalation>,
) -> Result<ObservedWorld, ClusterError> {
    let target = read_target(reader, namespace, &object.spec.target_ref).await?;
    let claims = match &target {
        Some(target) => read_claims(reader, namespace, &target.template()).await?,
        None => BTreeMap::new(),
    };
    let mut config_maps = BTreeMap::new();
    for name in bound_parameters(object, escalation).into_iter().filter_map(|parameter| parameter.config_map) {
        if let Some(config_map) = reader.get::<ConfigMap>(namespace, &name).await? {
            config_maps.insert(name, config_map);
        }
    }
    let policy = ObservedPolicy::read(reader, namespace).await?;
    Ok(ObservedWorld { target, claims, config_maps, policy, network: ObservedNetwork::NotRead })
}
