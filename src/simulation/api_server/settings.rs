//! How the server is set up, and what it asks others.

use serde_json::Value;

use super::{identity::IdentityRule, status_error::StatusError};

/// How the server is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What uids and generated names are drawn from.
    pub seed: u64,
    /// What they follow from besides.
    pub identities: IdentityRule,
    /// Namespaces that are there from the beginning.
    pub namespaces: Vec<String>,
    /// CustomResourceDefinitions that are there from the beginning.
    pub definitions: Vec<Value>,
    /// Whether `manifests/policies/promotion-decision.yaml` is in force.
    pub enforces_promotion_decisions: bool,
    /// Whether `manifests/policies/escalation-deletion.yaml` is in force.
    pub enforces_escalation_deletion: bool,
}

impl Default for Settings {
    /// The namespaces of a fresh cluster, phaseloop's own definitions, its promotion policy in force.
    fn default() -> Self {
        let namespaces = ["default", "kube-node-lease", "kube-public", "kube-system"];
        Self {
            seed: 0,
            identities: IdentityRule::default(),
            namespaces: namespaces.map(str::to_owned).into(),
            definitions: crate::api::crds::kept_definitions().to_vec(),
            enforces_promotion_decisions: true,
            enforces_escalation_deletion: false,
        }
    }
}

/// Where `pods/log` comes from: whoever plays the kubelet.
pub trait LogSource: Send + Sync {
    /// The whole log of a container of a pod; `container` is empty where the request names none.
    ///
    /// # Errors
    /// What the API server answers where there is no such container, or no log of it.
    fn log(&self, pod: &Value, container: &str, previous: bool) -> Result<String, StatusError>;
}
