//! What a resource is: names, scope, subresources, the form of its objects.

use std::sync::Arc;

use serde_json::Value;

use super::{schema::Type, status_error::Named};

/// A resource that is served.
#[derive(Debug)]
pub(super) struct ResourceDefinition {
    pub(super) group: String,
    pub(super) version: String,
    /// As in URLs: `deployments`.
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) namespaced: bool,
    /// Whether it has a status subresource.
    pub(super) has_status: bool,
    pub(super) scale: Option<ScalePaths>,
    /// The resource under which its objects are stored, as in `deployments.apps`.
    pub(super) storage: Arc<str>,
    /// The revision at which it was first served: nobody can watch it from before.
    pub(super) since: u64,
    /// The revision at which it was defined as it is now.
    pub(super) defined_at: u64,
    /// The form of its objects.
    pub(super) form: Arc<Type>,
    pub(super) rules: Rules,
}

/// Where scale finds its figures: places in an object.
#[derive(Debug, Clone)]
pub(super) struct ScalePaths {
    pub(super) spec_replicas: Vec<String>,
    pub(super) status_replicas: Vec<String>,
    /// The place of a selector as text; built-in kinds have a selector object at `spec.selector`.
    pub(super) selector: Option<Vec<String>>,
}

/// Whose rules hold.
#[derive(Debug)]
pub(super) enum Rules {
    /// Those of a kind that Kubernetes itself defines.
    BuiltIn(BuiltIn),
    /// Those of a CustomResourceDefinition.
    Custom(CustomRules),
}

/// What a version of a CustomResourceDefinition says.
#[derive(Debug)]
pub(super) struct CustomRules {
    /// `openAPIV3Schema`.
    pub(super) schema: Value,
    /// Fields that a field selector may name, as in `spec.mode`.
    pub(super) selectable_fields: Vec<String>,
}

/// The kinds that Kubernetes itself defines, as far as their rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn {
    Namespace,
    Pod,
    Node,
    ConfigMap,
    Secret,
    Service,
    Endpoints,
    Event,
    PodTemplate,
    ServiceAccount,
    PersistentVolumeClaim,
    ResourceQuota,
    Deployment,
    StatefulSet,
    ReplicaSet,
    Lease,
    EndpointSlice,
    PodDisruptionBudget,
    NetworkPolicy,
    PriorityClass,
    HorizontalPodAutoscaler,
    AdmissionPolicy,
    AdmissionPolicyBinding,
    CustomResourceDefinition,
}

impl ResourceDefinition {
    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether it is of this version: `v1`, `apps/v1`.
    pub(super) fn is_in(&self, api_version: &str) -> bool {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        group == self.group && version == self.version
    }

    /// The resource as messages name it.
    pub(super) fn resource(&self) -> Named<'_> {
        Named { group: &self.group, name: &self.plural }
    }

    /// The kind as messages name it.
    pub(super) fn kind_named(&self) -> Named<'_> {
        // Events of both groups are of one kind, the older one's.
        let group = if self.is(BuiltIn::Event) { "" } else { self.group.as_str() };
        Named { group, name: &self.kind }
    }

    pub(super) fn built_in(&self) -> Option<BuiltIn> {
        match self.rules {
            Rules::BuiltIn(kind) => Some(kind),
            Rules::Custom(_) => None,
        }
    }

    pub(super) fn is(&self, kind: BuiltIn) -> bool {
        self.built_in() == Some(kind)
    }
}
