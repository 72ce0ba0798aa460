//! What a deployment's controller reports.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{DeploymentCondition, ReplicaSet};
use phaseloop_core::schedule::later_by;
use serde_json::{Value, json};

use super::{
    deployment::{Family, USER, wanted},
    owned::key_of,
    write::{ClusterWrite, DEPLOYMENT},
};

/// The figures of a deployment's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Figures {
    replicas: i32,
    updated: i32,
    ready: i32,
    available: i32,
    generation: i64,
}

/// Writes the status if it says anything new. Says when the rollout's deadline passes.
pub(super) fn report_deployment(
    family: &Family<'_>,
    now: Timestamp,
    writes: &mut Vec<ClusterWrite>,
) -> Option<Timestamp> {
    let deployment = family.deployment;
    let figures = figures_of(family);
    let status = deployment.status.as_ref();
    let before = status.map_or_else(Figures::default, |status| Figures {
        replicas: status.replicas.unwrap_or(0),
        updated: status.updated_replicas.unwrap_or(0),
        ready: status.ready_replicas.unwrap_or(0),
        available: status.available_replicas.unwrap_or(0),
        generation: status.observed_generation.unwrap_or(0),
    });
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let progress = Progress { family, figures, before, now }.condition(conditions);
    let (available, progressing) = (availability(family, figures, conditions, now), progress.condition);
    let changed = figures != before
        || [&available, &progressing]
            .iter()
            .any(|condition| !conditions.iter().any(|old| says_the_same(old, condition)));
    if changed {
        let status = json!({
            "observedGeneration": figures.generation, "replicas": figures.replicas,
            "updatedReplicas": figures.updated, "readyReplicas": figures.ready,
            "availableReplicas": figures.available,
            "unavailableReplicas": (figures.replicas.max(family.replicas()) - figures.available).max(0),
            "conditions": [available, progressing],
        });
        writes.push(ClusterWrite::status(USER, DEPLOYMENT, key_of(&deployment.metadata), &status));
    }
    progress.deadline
}

fn figures_of(family: &Family<'_>) -> Figures {
    let all = || family.new.into_iter().chain(family.old.iter().copied());
    let count = |figure: fn(&ReplicaSet) -> i32| all().map(figure).sum::<i32>();
    Figures {
        replicas: count(replicas_of),
        updated: family.new.map_or(0, replicas_of),
        ready: count(|set| set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)),
        available: count(|set| set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)),
        generation: family.deployment.metadata.generation.unwrap_or(0),
    }
}

fn replicas_of(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

/// The condition `Available`.
fn availability(family: &Family<'_>, figures: Figures, conditions: &[DeploymentCondition], now: Timestamp) -> Value {
    let bounds = super::rolling::RollingBounds::of(family.deployment, family.replicas());
    let is_available = figures.available >= family.replicas() - bounds.unavailable;
    let (status, reason, message) = if is_available {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let old = conditions.iter().find(|old| old.type_ == "Available" && old.status == status);
    let since = old.and_then(|old| old.last_transition_time.as_ref()).map_or(now, |time| time.0);
    let updated = old.and_then(|old| old.last_update_time.as_ref()).map_or(now, |time| time.0);
    condition("Available", status, reason, message, since, updated)
}

/// Where a rollout is.
struct Progress<'a> {
    family: &'a Family<'a>,
    figures: Figures,
    before: Figures,
    now: Timestamp,
}

/// The condition `Progressing`, and when its deadline passes.
struct Progressing {
    condition: Value,
    deadline: Option<Timestamp>,
}

impl Progress<'_> {
    fn condition(&self, conditions: &[DeploymentCondition]) -> Progressing {
        let name = key_of(&self.family.deployment.metadata).1;
        let set = self.family.new.and_then(|set| set.metadata.name.as_deref()).unwrap_or(name);
        let old = conditions.iter().find(|old| old.type_ == "Progressing");
        let transition = |status: &str| {
            old.filter(|old| old.status == status)
                .and_then(|old| old.last_transition_time.as_ref())
                .map_or(self.now, |time| time.0)
        };
        let seen = old.and_then(|old| old.last_update_time.as_ref()).map(|time| time.0);
        let told = |status, reason, message: String, updated, deadline| Progressing {
            condition: condition("Progressing", status, reason, &message, transition(status), updated),
            deadline,
        };
        if self.is_complete() {
            let known = old.filter(|old| old.reason.as_deref() == Some("NewReplicaSetAvailable"));
            let updated = known.and(seen).filter(|_| !self.moved()).unwrap_or(self.now);
            let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
            return told("True", "NewReplicaSetAvailable", message, updated, None);
        }
        let is_new = old.is_none_or(|old| old.reason.as_deref() == Some("NewReplicaSetAvailable"));
        let updated = if is_new || self.moved() { self.now } else { seen.unwrap_or(self.now) };
        let deadline = self.family.deployment.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds);
        let deadline = later_by(updated, SignedDuration::from_secs(deadline.unwrap_or(600).into()));
        if deadline <= self.now {
            let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
            return told("False", "ProgressDeadlineExceeded", message, updated, None);
        }
        let message = format!("ReplicaSet \"{set}\" is progressing.");
        told("True", "ReplicaSetUpdated", message, updated, Some(deadline))
    }

    /// Every pod is of the new template and available, and no other is left.
    fn is_complete(&self) -> bool {
        let replicas = self.family.replicas();
        let Figures { updated, replicas: all, available, .. } = self.figures;
        self.family.new.is_some_and(|new| wanted(new) == replicas)
            && updated == replicas
            && all == replicas
            && available == replicas
    }

    /// Whether the rollout came further since the last report.
    fn moved(&self) -> bool {
        let (new, old) = (self.figures, self.before);
        new.updated > old.updated
            || new.replicas - new.updated < old.replicas - old.updated
            || new.ready > old.ready
            || new.available > old.available
    }
}

fn condition(
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    transition: Timestamp,
    updated: Timestamp,
) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(transition),
        "lastUpdateTime": k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(updated),
    })
}

fn says_the_same(old: &DeploymentCondition, new: &Value) -> bool {
    let text = |field: &str| new.get(field).and_then(Value::as_str);
    text("type") == Some(old.type_.as_str())
        && text("status") == Some(old.status.as_str())
        && text("reason") == old.reason.as_deref()
        && text("message") == old.message.as_deref()
}
