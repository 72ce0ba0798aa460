//! What the cluster's own controllers do, as values, and the one place that does it.

use serde_json::{Value, json};

use crate::simulation::api_server::{ApiServer, StatusError};

/// A kind of the Kubernetes API: group with version, and kind.
pub(super) type Kind = (&'static str, &'static str);

pub(super) const POD: Kind = ("v1", "Pod");
pub(super) const NODE: Kind = ("v1", "Node");
pub(super) const DEPLOYMENT: Kind = ("apps/v1", "Deployment");
pub(super) const REPLICA_SET: Kind = ("apps/v1", "ReplicaSet");
pub(super) const STATEFUL_SET: Kind = ("apps/v1", "StatefulSet");
pub(super) const DISRUPTION_BUDGET: Kind = ("policy/v1", "PodDisruptionBudget");
pub(super) const CLAIM: Kind = ("v1", "PersistentVolumeClaim");

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterWrite {
    /// As whom.
    pub user: String,
    /// What.
    pub operation: Operation,
}

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Makes an object.
    Create(Box<Value>),
    /// Merges fields into an object.
    Merge {
        /// Its kind.
        kind: (&'static str, &'static str),
        /// Its namespace; empty for one of the whole cluster.
        namespace: String,
        /// Its name.
        name: String,
        /// The subresource: empty, or `status`.
        subresource: &'static str,
        /// The fields.
        fields: Box<Value>,
    },
    /// Gives a pod its node.
    Bind {
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The node.
        node: String,
    },
    /// Deletes an object.
    Delete {
        /// Its kind.
        kind: (&'static str, &'static str),
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Seconds that a pod's containers get; absent: what the pod says.
        grace_seconds: Option<i64>,
    },
}

impl ClusterWrite {
    pub(super) fn create(user: &str, object: Value) -> Self {
        Self { user: user.to_owned(), operation: Operation::Create(Box::new(object)) }
    }

    pub(super) fn merge(user: &str, kind: Kind, (namespace, name): (&str, &str), fields: Value) -> Self {
        Self::merged(user, kind, (namespace, name), "", fields)
    }

    /// Writes the fields of a status.
    pub(super) fn status(user: &str, kind: Kind, (namespace, name): (&str, &str), status: &Value) -> Self {
        Self::merged(user, kind, (namespace, name), "status", json!({ "status": status }))
    }

    fn merged(
        user: &str,
        kind: Kind,
        (namespace, name): (&str, &str),
        subresource: &'static str,
        fields: Value,
    ) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let operation = Operation::Merge { kind, namespace, name, subresource, fields: Box::new(fields) };
        Self { user: user.to_owned(), operation }
    }

    pub(super) fn delete(user: &str, kind: Kind, (namespace, name): (&str, &str), grace_seconds: Option<i64>) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self { user: user.to_owned(), operation: Operation::Delete { kind, namespace, name, grace_seconds } }
    }
}

impl ClusterWrite {
    /// The namespace of what it is about; empty for what is in none.
    pub(super) fn namespace(&self) -> &str {
        match &self.operation {
            Operation::Create(object) => {
                object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
            }
            Operation::Merge { namespace, .. }
            | Operation::Bind { namespace, .. }
            | Operation::Delete { namespace, .. } => namespace,
        }
    }
}

/// Carries a write out.
///
/// # Errors
/// What the API server answers: a quota that is full, an object that is gone meanwhile.
pub fn carry_out(server: &ApiServer, write: &ClusterWrite) -> Result<(), StatusError> {
    let actor = server.actor(&write.user);
    match &write.operation {
        Operation::Create(object) => actor.create(object.as_ref()).map(drop),
        Operation::Merge { kind, namespace, name, subresource, fields } => {
            actor.merge(*kind, namespace, name, subresource, fields.as_ref().clone()).map(drop)
        }
        Operation::Bind { namespace, pod, node } => actor.bind(namespace, pod, node),
        Operation::Delete { kind, namespace, name, grace_seconds } => {
            actor.delete(*kind, namespace, name, *grace_seconds)
        }
    }
}
