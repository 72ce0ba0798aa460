//! How a target replaces its pods, and how far that is.

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        core::v1::{ContainerStatus, Pod},
    },
    apimachinery::pkg::{apis::meta::v1::OwnerReference, util::intstr::IntOrString},
};
use phaseloop_core::promotion::observed::{RolloutFacts, RolloutStrategy};

use crate::{controllers::ObservedTarget, workload::template_hash};

/// The label that tells the pods of one template of a Deployment from those of another.
pub const LABEL_TEMPLATE_HASH: &str = "pod-template-hash";
/// The label that tells the pods of one revision of a StatefulSet from those of another.
pub const LABEL_REVISION: &str = "controller-revision-hash";
/// What Kubernetes takes where a Deployment leaves maxUnavailable or maxSurge out.
const ROLLING_DEFAULT: &str = "25%";

/// How the target replaces its pods, and how far that is. `pods` are pods of its newest template, `engine` is the name of
/// the engine's container, `spare_gpu_seen` whether a pod more would find what it needs.
pub fn rollout_facts(
    target: &ObservedTarget,
    pods: &[Pod],
    engine: Option<&str>,
    spare_gpu_seen: bool,
) -> RolloutFacts {
    let facts = match target {
        ObservedTarget::Deployment(deployment) => deployment_facts(deployment),
        ObservedTarget::StatefulSet(set) => set_facts(set),
    };
    RolloutFacts { spare_gpu_seen, new_pod_crashed: pods.iter().any(|pod| has_crashed(pod, engine)), ..facts }
}

fn deployment_facts(deployment: &Deployment) -> RolloutFacts {
    let spec = deployment.spec.as_ref();
    let status = deployment.status.as_ref();
    let strategy = spec.and_then(|spec| spec.strategy.as_ref());
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let count = |figure: Option<i32>| i64::from(figure.unwrap_or_default());
    let gave_up = |condition: &k8s_openapi::api::apps::v1::DeploymentCondition| {
        condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    };
    RolloutFacts {
        strategy: match strategy.and_then(|strategy| strategy.type_.as_deref()) {
            Some("Recreate") => RolloutStrategy::Recreate,
            _ => RolloutStrategy::Rolling,
        },
        paused: spec.and_then(|spec| spec.paused).unwrap_or(false),
        partitioned: false,
        unavailable_max: unavailable_of(
            replicas,
            rolling.and_then(|rolling| rolling.max_unavailable.as_ref()),
            rolling.and_then(|rolling| rolling.max_surge.as_ref()),
        ),
        spare_gpu_seen: false,
        replicas_desired: i64::from(replicas),
        replicas_total: count(status.and_then(|status| status.replicas)),
        replicas_updated: count(status.and_then(|status| status.updated_replicas)),
        replicas_ready: count(status.and_then(|status| status.ready_replicas)),
        observed_generation: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        progress_deadline_exceeded: status
            .and_then(|status| status.conditions.as_ref())
            .is_some_and(|conditions| conditions.iter().any(gave_up)),
        new_pod_crashed: false,
    }
}

fn set_facts(set: &StatefulSet) -> RolloutFacts {
    let spec = set.spec.as_ref();
    let status = set.status.as_ref();
    let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let count = |figure: Option<i32>| i64::from(figure.unwrap_or_default());
    let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    RolloutFacts {
        strategy: match strategy.and_then(|strategy| strategy.type_.as_deref()) {
            Some("OnDelete") => RolloutStrategy::OnDelete,
            _ => RolloutStrategy::Rolling,
        },
        paused: false,
        partitioned: rolling.and_then(|rolling| rolling.partition).unwrap_or_default() > 0,
        unavailable_max: unavailable.map_or(1, |value| scaled(value, replicas, false).max(1)),
        spare_gpu_seen: false,
        replicas_desired: i64::from(replicas),
        replicas_total: status.map_or(0, |status| i64::from(status.replicas)),
        replicas_updated: count(status.and_then(|status| status.updated_replicas)),
        replicas_ready: count(status.and_then(|status| status.ready_replicas)),
        observed_generation: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        progress_deadline_exceeded: false,
        new_pod_crashed: false,
    }
}

/// Pods of a Deployment that may be missing, as Kubernetes resolves it: a surge is rounded up, what may be missing down,
/// and where both come out as none, one may be missing.
fn unavailable_of(replicas: i32, unavailable: Option<&IntOrString>, surge: Option<&IntOrString>) -> i64 {
    let default = IntOrString::String(ROLLING_DEFAULT.to_owned());
    let unavailable = scaled(unavailable.unwrap_or(&default), replicas, false);
    let surge = scaled(surge.unwrap_or(&default), replicas, true);
    if unavailable == 0 && surge == 0 { 1 } else { unavailable }
}

/// A number, or a share of the replicas. What is neither counts as none.
fn scaled(value: &IntOrString, replicas: i32, round_up: bool) -> i64 {
    match value {
        IntOrString::Int(number) => i64::from(*number).max(0),
        IntOrString::String(text) => {
            let percent: i64 = text.strip_suffix('%').and_then(|percent| percent.parse().ok()).unwrap_or_default();
            let hundredfold = percent.max(0).saturating_mul(i64::from(replicas));
            if round_up { hundredfold.saturating_add(99) / 100 } else { hundredfold / 100 }
        }
    }
}

/// Labels, in selector syntax, and the owner's uid of the pods of a target's newest template. `None` where Kubernetes has
/// not made any yet. `replica_sets` are those of a Deployment, whomever they belong to.
pub fn newest_pods(target: &ObservedTarget, replica_sets: &[ReplicaSet]) -> Option<(String, String)> {
    match target {
        ObservedTarget::Deployment(deployment) => {
            let uid = deployment.metadata.uid.as_deref()?;
            let newest = target.template_hash();
            let own = replica_sets.iter().filter(|set| {
                set.metadata.owner_references.as_deref().is_some_and(|owners| controlled_by(owners, uid))
            });
            let set = own.into_iter().find(|set| hash_of(set).as_ref() == Some(&newest))?;
            let hash = set.metadata.labels.as_ref()?.get(LABEL_TEMPLATE_HASH)?;
            Some((format!("{LABEL_TEMPLATE_HASH}={hash}"), set.metadata.uid.clone()?))
        }
        ObservedTarget::StatefulSet(set) => {
            let revision = set.status.as_ref()?.update_revision.as_ref()?;
            Some((format!("{LABEL_REVISION}={revision}"), set.metadata.uid.clone()?))
        }
    }
}

/// The hash of a ReplicaSet's template as its Deployment has it: without the label that Kubernetes added.
fn hash_of(set: &ReplicaSet) -> Option<String> {
    let mut template = set.spec.as_ref()?.template.clone()?;
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(LABEL_TEMPLATE_HASH);
    }
    Some(template_hash(&template))
}

/// Whether the owner of that uid controls it.
pub fn controlled_by(owners: &[OwnerReference], uid: &str) -> bool {
    owners.iter().any(|owner| owner.uid == uid && owner.controller == Some(true))
}

/// Whether a container of the pod ended with an error since the pod was made. The engine must not end at all: it ends with
/// code 0 too where its core died.
fn has_crashed(pod: &Pod, engine: Option<&str>) -> bool {
    let Some(status) = &pod.status else { return false };
    let regular = status.container_statuses.iter().flatten();
    let before = status.init_container_statuses.iter().flatten();
    regular.clone().chain(before).any(ended_with_error)
        || regular.clone().any(|container| engine == Some(container.name.as_str()) && ended(container))
}

/// Exit codes of the ends of a container that are on record.
fn exit_codes(container: &ContainerStatus) -> impl Iterator<Item = i32> {
    let states = [&container.state, &container.last_state];
    states.into_iter().flatten().filter_map(|state| Some(state.terminated.as_ref()?.exit_code))
}

fn ended_with_error(container: &ContainerStatus) -> bool {
    exit_codes(container).any(|code| code != 0)
}

fn ended(container: &ContainerStatus) -> bool {
    container.restart_count > 0 || exit_codes(container).next().is_some()
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
