//! References to objects of the same namespace. There are no others.

use phaseloop_core::value::TargetReference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{default, schema};

/// Groups and versions whose objects can be targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum TargetApiVersion {
    /// Kubernetes' own workloads.
    #[default]
    #[serde(rename = "apps/v1")]
    AppsV1,
}

/// Kinds that can be targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
}

/// The model server that is measured and tuned: an object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// Group and version of the target.
    #[serde(default)]
    pub api_version: TargetApiVersion,
    /// Kind of the target.
    pub kind: TargetKind,
    /// Name of the target.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Name of the container that runs the engine. Left out, it is the pod's only container, or the one named `vllm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub container: Option<String>,
}

impl From<&TargetRef> for TargetReference {
    fn from(reference: &TargetRef) -> Self {
        let api_version = match reference.api_version {
            TargetApiVersion::AppsV1 => default::APPS_V1.to_owned(),
        };
        let kind = match reference.kind {
            TargetKind::Deployment => "Deployment",
            TargetKind::StatefulSet => "StatefulSet",
        };
        Self { api_version, kind: kind.to_owned(), name: reference.name.clone() }
    }
}
