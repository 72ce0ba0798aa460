//! How a winner reaches production.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{default, duration::Duration, schema, window::MaintenanceWindow};

/// The way to production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Delivery {
    /// One JSON Patch on the target, which tests the old value first.
    #[default]
    Patch,
    /// A pull request that changes one value.
    Git,
    /// Nothing is delivered: the winner is only named.
    None,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// A person: by `spec.decision` of the Promotion, or by merging the pull request.
    #[default]
    Manual,
    /// Nobody: the evidence is enough.
    Automatic,
}

/// The value in Git that a promotion changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitDelivery {
    /// The repository, `https://host/path`. The administrator's policy must allow it; it holds no credentials.
    #[schemars(
        length(min = 10, max = 512),
        regex(pattern = r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]+$")
    )]
    pub repository: String,
    /// The branch that the pull request goes to.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$"))]
    pub base: String,
    /// The file, relative to the root of the repository.
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"))]
    #[x_kube(validation = Rule::new("!self.split('/').exists(part, part == '..' || part == '.')").message("path must not contain . or .. as a part: it stays inside the repository"))]
    pub path: String,
    /// Name of the Secret of this namespace that holds the token, in the key `token`.
    #[schemars(schema_with = "schema::object_name")]
    pub secret_name: String,
}

/// How a winner reaches production. It stays only if the next run that starts after its rollout confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.delivery == 'Git') == has(self.git)").message("git belongs to delivery Git: give both or neither"))]
pub struct PromotionPolicy {
    /// The way to production.
    #[serde(default)]
    pub delivery: Delivery,
    /// Who decides.
    #[serde(default)]
    pub approval: Approval,
    /// Windows in which a promotion may be applied. Left out: those of `safety`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    pub windows: Vec<MaintenanceWindow>,
    /// How long a rollout may take before it is rolled back.
    #[serde(default = "default::rollout_timeout")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub rollout_timeout: Duration,
    /// How long a promotion may wait, from its rollout on, for the run that validates it; then it is rolled back.
    #[serde(default = "default::validate_within")]
    #[schemars(schema_with = "schema::positive_duration")]
    pub validate_within: Duration,
    /// Consents to a Patch of a target that Argo CD, Flux or Helm manages. Their next sync may put the old value back;
    /// without consent such a target is refused, and Git is the way.
    #[serde(default)]
    pub allow_managed: bool,
    /// Consents to a rollout during which no replica serves (strategy Recreate, or a single replica that may be missing).
    #[serde(default)]
    pub allow_downtime: bool,
    /// The value in Git; with delivery Git only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitDelivery>,
}

impl Default for PromotionPolicy {
    fn default() -> Self {
        Self {
            delivery: Delivery::default(),
            approval: Approval::default(),
            windows: Vec::new(),
            rollout_timeout: default::rollout_timeout(),
            validate_within: default::validate_within(),
            allow_managed: false,
            allow_downtime: false,
            git: None,
        }
    }
}
