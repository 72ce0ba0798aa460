//! What a promotion reads. One that has ended owes nothing and reads nothing.

use std::sync::Arc;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, Pod},
};
use kube::ResourceExt;
use phaseloop_core::value::TargetReference;
use serde_json::json;

use super::progress::phase_has_ended;
use crate::{
    api::{
        Escalation, PhaseRun, Promotion, TuningCanary,
        escalation::{Approval, Delivery},
        promotion::Decision,
    },
    cluster::{ClusterError, ClusterErrorKind, Reader},
    controllers::{ObservedPolicy, ObservedTarget, read_target},
    delivery::rollout::{controlled_by, newest_pods},
    workload::refers_to_config_map,
};

/// The name of the admission policy that guards approvals, as its refusals tell it.
const APPROVAL_POLICY: &str = "promotion-decision.phaseloop.dev";
/// A user who is never the requester: a decision in this name must be refused.
const NOBODY: &str = "phaseloop:is-the-approval-policy-in-force";

/// Everything that one look at a promotion needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPromotion {
    /// The promotion.
    pub object: Promotion,
    /// What a promotion needs that has not ended; absent for one that has.
    pub world: Option<ObservedWorld>,
}

/// What a promotion needs that has not ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedWorld {
    /// The target; absent where there is none.
    pub target: Option<ObservedTarget>,
    /// Pods of the target's newest template, while a rollout may be going on.
    pub newest_pods: Vec<Pod>,
    /// The ConfigMap that promoted values lie in; absent where there is none.
    pub config_map: Option<ConfigMap>,
    /// The other Deployments and StatefulSets that refer to it, while the value may yet be put in.
    pub config_map_users: Vec<TargetReference>,
    /// The canary that won; absent where there is none.
    pub canary: Option<TuningCanary>,
    /// The runs of targets of its target's name.
    pub runs: Vec<Arc<PhaseRun>>,
    /// The promotions of targets of its target's name.
    pub promotions: Vec<Arc<Promotion>>,
    /// The Escalation that made it; absent where there is none any more.
    pub escalation: Option<Escalation>,
    /// The administrator's policy.
    pub policy: ObservedPolicy,
    /// Whether the admission policy that guards approvals is in force; absent where nothing depends on it now.
    pub approval_guarded: Option<bool>,
}

/// Whether a promotion has ended.
pub(super) fn has_ended(promotion: &Promotion) -> bool {
    promotion.status.as_ref().and_then(|status| status.phase).is_some_and(phase_has_ended)
}

/// Reads it.
pub(super) async fn observe(reader: Reader<'_>, object: Promotion) -> Result<ObservedPromotion, ClusterError> {
    if has_ended(&object) {
        return Ok(ObservedPromotion { object, world: None });
    }
    let namespace = object.namespace().unwrap_or_default();
    let spec = &object.spec;
    let target = read_target(reader, &namespace, &spec.target_ref).await?;
    let newest_pods = match &target {
        Some(target) if may_roll_out(&object) => read_newest_pods(reader, &namespace, target).await?,
        _ => Vec::new(),
    };
    let world = ObservedWorld {
        target,
        newest_pods,
        config_map: match &spec.config_map {
            Some(map) => reader.get(&namespace, &map.name).await?,
            None => None,
        },
        config_map_users: Box::pin(read_config_map_users(reader, &namespace, &object)).await?,
        canary: reader.get(&namespace, &spec.canary_name).await?,
        runs: reader.list_of_target(&namespace, &spec.target_ref.name).await?.items,
        promotions: reader.list_of_target(&namespace, &spec.target_ref.name).await?.items,
        escalation: reader.get(&namespace, &spec.escalation_name).await?,
        policy: ObservedPolicy::read(reader, &namespace).await?,
        approval_guarded: read_approval_guard(reader, &namespace, &object).await?,
    };
    Ok(ObservedPromotion { object, world: Some(world) })
}

/// Whether a rollout of the promoted template may be going on.
fn may_roll_out(promotion: &Promotion) -> bool {
    promotion.status.as_ref().is_some_and(|status| {
        status.rolled_out_at.is_none() && (status.attempt.is_some() || status.applied_at.is_some())
    })
}

async fn read_newest_pods(
    reader: Reader<'_>,
    namespace: &str,
    target: &ObservedTarget,
) -> Result<Vec<Pod>, ClusterError> {
    let sets = match target {
        ObservedTarget::Deployment(deployment) => {
            let labels = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
            let selector: Vec<String> =
                labels.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
            reader.list::<ReplicaSet>(namespace, &selector.join(",")).await?.into_owned()
        }
        ObservedTarget::StatefulSet(_) => Vec::new(),
    };
    let Some((selector, owner)) = newest_pods(target, &sets) else { return Ok(Vec::new()) };
    let pods = reader.list::<Pod>(namespace, &selector).await?.into_owned();
    Ok(pods.into_iter().filter(|pod| controlled_by(pod.owner_references(), &owner)).collect())
}

/// The Deployments and StatefulSets beside the target whose templates refer to the promotion's ConfigMap. What is in is taken
/// back whoever uses it, so they are asked for only before.
async fn read_config_map_users(
    reader: Reader<'_>,
    namespace: &str,
    promotion: &Promotion,
) -> Result<Vec<TargetReference>, ClusterError> {
    let spec = &promotion.spec;
    let applied = promotion.status.as_ref().is_some_and(|status| status.applied_at.is_some());
    let Some(map) = spec.config_map.as_ref().filter(|_| !applied) else { return Ok(Vec::new()) };
    let deployments = reader.list::<Deployment>(namespace, "").await?.into_owned();
    let sets = reader.list::<StatefulSet>(namespace, "").await?.into_owned();
    let all = deployments
        .into_iter()
        .map(|object| ("Deployment", object.name_any(), ObservedTarget::Deployment(Box::new(object))))
        .chain(
            sets.into_iter()
                .map(|object| ("StatefulSet", object.name_any(), ObservedTarget::StatefulSet(Box::new(object)))),
        );
    let own = TargetReference::from(&spec.target_ref);
    let users = all
        .filter(|(_, _, object)| refers_to_config_map(&object.template(), &map.name))
        .map(|(kind, name, _)| TargetReference { api_version: "apps/v1".to_owned(), kind: kind.to_owned(), name });
    Ok(users.filter(|user| *user != own).collect())
}

/// Asks whether a decision in another's name would be refused, as the admission policy must: a dry run, each time anew.
/// Only while nobody has decided: a decision stands, so that any other request would be refused by the kind itself and
/// tell nothing. Nor before the promotion was first reported, when the kind takes no decision at all.
async fn read_approval_guard(
    reader: Reader<'_>,
    namespace: &str,
    promotion: &Promotion,
) -> Result<Option<bool>, ClusterError> {
    let spec = &promotion.spec;
    let asked = spec.approval.mode == Approval::Manual
        && spec.delivery == Delivery::Patch
        && spec.decision == Decision::Pending
        && promotion.status.is_some();
    if !asked {
        return Ok(None);
    }
    let decision = json!({ "spec": { "decision": "Approved", "approvedBy": NOBODY } });
    match reader.try_patch::<Promotion>(namespace, &promotion.name_any(), &decision).await {
        Ok(()) => Ok(Some(false)),
        Err(error) => match error.kind {
            ClusterErrorKind::Refused => Ok(Some(error.chain().contains(APPROVAL_POLICY))),
            // What else stands against it says nothing of the policy, and a right that is missing proves nothing.
            ClusterErrorKind::Forbidden | ClusterErrorKind::Invalid => Ok(Some(false)),
            ClusterErrorKind::NotFound => Ok(None),
            _ => Err(error),
        },
    }
}
