//! What every reconcile is given.

use std::{fmt, sync::Arc};

use crate::{
    cluster::{Clock, Cluster, execute::AuditExport},
    workload::TestPodSettings,
};

/// An object of one of our kinds, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// A key of its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whether this replica leads. Beginning anything is for the leader alone; releasing is for everybody.
pub trait Leadership: Send + Sync {
    /// Whether it leads now, as far as it knows.
    fn is_leader(&self) -> bool;
}

/// What the operator was told when it was started, and its objects do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSettings {
    /// What test pods are made with, its own image first of all: they take the `phaseloop` binary from it.
    pub test_pods: TestPodSettings,
}

impl OperatorSettings {
    /// Those of an operator that was told its image and nothing else.
    pub fn for_image(image: impl Into<String>) -> Self {
        Self { test_pods: TestPodSettings::for_image(image) }
    }
}

/// What every reconcile is given.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether this replica leads.
    pub leadership: Arc<dyn Leadership>,
    /// Where audit records go besides status.
    pub export: Arc<dyn AuditExport>,
    /// What the operator was told at its start.
    pub settings: Arc<OperatorSettings>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cluster", &self.cluster)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
