//! What an administrator may say.

use phaseloop_core::value::{Decimal, ParameterName, ParameterValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    duration::Duration,
    parameter::{Binding, numbers_and_words},
    schema,
};

/// What may be tuned, run and reached in one namespace. Every part can be left out; what is left out forbids nothing
/// beyond the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdministratorPolicy {
    /// Always `policy.phaseloop.dev/v1alpha1`.
    #[schemars(schema_with = "api_version")]
    pub api_version: String,
    /// Always `AdministratorPolicy`.
    #[schemars(schema_with = "kind")]
    pub kind: String,
    /// Bounds of parameters: they narrow the catalogue's and can't widen them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Vec<ParameterBounds>,
    /// Places besides the catalogue's flags at which a parameter may be set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub bindings: Vec<BindingRule>,
    /// What images start, where the pod template does not say it. With it the engine runs under `phaseloop guard`, which
    /// sees the GPU's memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["image"]))]
    pub engines: Vec<EngineEntry>,
    /// Images that test pods may run.
    #[serde(default)]
    pub images: ImageRules,
    /// What test pods may reach, by the NetworkPolicy that each run and each canary has.
    #[serde(default)]
    pub egress: Egress,
    /// Limits over everything in the namespace.
    #[serde(default)]
    pub limits: FleetLimits,
    /// Where promotions may open pull requests.
    #[serde(default)]
    pub git: GitRules,
}

fn api_version(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": [super::POLICY_API_VERSION] })
}

fn kind(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": [super::POLICY_KIND] })
}

/// Bounds of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterBounds {
    /// Canonical name: the flag without its dashes.
    #[schemars(schema_with = "schema::parameter_name")]
    pub name: ParameterName,
    /// Smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decimal")]
    pub minimum: Option<Decimal>,
    /// Largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decimal")]
    pub maximum: Option<Decimal>,
    /// The only values that may be tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "numbers_and_words")]
    #[schemars(schema_with = "schema::parameter_values")]
    pub values: Vec<ParameterValue>,
    /// true permits a parameter that the catalogue leaves to the administrator (it changes the service or its quality);
    /// false forbids the parameter. Left out, the catalogue decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permitted: Option<bool>,
}

/// A place besides the catalogue's flag at which a parameter may be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingRule {
    /// The parameter.
    #[schemars(schema_with = "schema::parameter_name")]
    pub parameter: ParameterName,
    /// Names of the targets that may use it. Left out: every target of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::object_names")]
    pub targets: Vec<String>,
    /// The place.
    pub binding: Binding,
}

/// What an image starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineEntry {
    /// The image without tag and digest.
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._-]+)*$"))]
    pub image: String,
    /// Its entry point, as one word per element.
    #[schemars(schema_with = "command")]
    pub command: Vec<String>,
}

fn command(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "minItems": 1, "maxItems": 16, "items": { "type": "string", "minLength": 1, "maxLength": 256 },
    })
}

/// Images that test pods may run. The engine's image is the target's own; these rules hold for it too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageRules {
    /// Whether images must be named by digest.
    #[serde(default)]
    pub require_digest: bool,
    /// Beginnings of images that may run. Left out: every image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "prefixes")]
    pub allowed_prefixes: Vec<String>,
}

fn prefixes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": 512 },
    })
}

/// How far test pods may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum EgressMode {
    /// What the target's own pods may reach.
    #[default]
    SameAsTarget,
    /// Nothing but name resolution.
    None,
    /// What `allow` names, and name resolution.
    Listed,
}

/// One place that test pods may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressRule {
    /// Addresses, as `10.0.0.0/8`.
    #[schemars(length(min = 4, max = 64), regex(pattern = "^[0-9a-fA-F.:]+/[0-9]{1,3}$"))]
    pub cidr: String,
    /// TCP ports. Left out: every port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ports")]
    pub ports: Vec<i64>,
}

fn ports(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "minItems": 1, "maxItems": 32, "x-kubernetes-list-type": "set",
        "items": { "type": "integer", "format": "int64", "minimum": 1, "maximum": 65535 },
    })
}

/// What test pods may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// How far.
    #[serde(default)]
    pub mode: EgressMode,
    /// With mode Listed: where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    pub allow: Vec<EgressRule>,
}

/// Limits over everything in the namespace. What an object asks for beyond them is refused with the limit's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetLimits {
    /// Test pods with a GPU at the same time, all targets together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_test_pods: Option<i64>,
    /// Largest `safety.measureBudget` of an Escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_measure_budget: Option<Duration>,
    /// Largest `safety.gpuHoldBudget` of an Escalation.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "maxGPUHoldBudget")]
    pub max_gpu_hold_budget: Option<Duration>,
    /// Largest `search.maxCandidates` of an Escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub max_candidates: Option<i64>,
    /// Largest `safety.rate.runs` of an Escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_rate_runs: Option<i64>,
    /// Smallest `safety.cooldown` of an Escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cooldown: Option<Duration>,
    /// Largest `timeout` of a PhaseRun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_run_timeout: Option<Duration>,
    /// Whether promotions may be approved automatically.
    #[serde(default = "yes")]
    pub allow_automatic_approval: bool,
    /// Whether a run may borrow a replica of its target.
    #[serde(default = "yes")]
    pub allow_borrowing: bool,
}

const fn yes() -> bool {
    true
}

impl Default for FleetLimits {
    fn default() -> Self {
        Self {
            max_test_pods: None,
            max_measure_budget: None,
            max_gpu_hold_budget: None,
            max_candidates: None,
            max_rate_runs: None,
            min_cooldown: None,
            max_run_timeout: None,
            allow_automatic_approval: true,
            allow_borrowing: true,
        }
    }
}

impl ImageRules {
    /// Whether a test pod may run that image.
    pub fn admit(&self, image: &str) -> bool {
        let named =
            self.allowed_prefixes.is_empty() || self.allowed_prefixes.iter().any(|prefix| image.starts_with(prefix));
        named && (!self.require_digest || image.contains("@sha256:"))
    }
}

impl GitRules {
    /// Whether a promotion may open a pull request in that repository.
    pub fn admit(&self, repository: &str) -> bool {
        let below =
            |allowed: &str| allowed.ends_with('/') && repository.starts_with(allowed) && !repository.contains("/..");
        self.repositories.iter().any(|allowed| allowed == repository || below(allowed))
    }
}

/// Where promotions may open pull requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRules {
    /// Repositories as `https://host/path`; one that ends in `/` stands for all below it. Left out: none, so that
    /// delivery by Git needs this policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "repositories")]
    pub repositories: Vec<String>,
}

fn repositories(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "minItems": 1, "maxItems": 64, "x-kubernetes-list-type": "set",
        "items": {
            "type": "string", "maxLength": 512, "pattern": r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*$",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_admitted_by_beginning_and_by_digest() {
        let digest = "registry.example.com/vllm/vllm-openai@sha256:0f";
        let tag = "registry.example.com/vllm/vllm-openai:v0.33.0";
        let rules = |require_digest, prefixes: &[&str]| ImageRules {
            require_digest,
            allowed_prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        };
        for (rules, image, admitted) in [
            (rules(false, &[]), tag, true),
            (rules(true, &[]), tag, false),
            (rules(true, &[]), digest, true),
            (rules(false, &["registry.example.com/vllm/"]), tag, true),
            (rules(false, &["registry.example.com/other/"]), tag, false),
            (rules(true, &["registry.example.com/vllm/"]), digest, true),
            (rules(true, &["registry.example.com/other/"]), digest, false),
        ] {
            assert_eq!(rules.admit(image), admitted, "{rules:?} {image}");
        }
    }

    #[test]
    fn repositories_are_admitted_by_name_or_below_a_path() {
        let rules = GitRules {
            repositories: vec!["https://git.example.com/platform/".into(), "https://git.example.com/chat/app".into()],
        };
        for (repository, admitted) in [
            ("https://git.example.com/platform/chat", true),
            ("https://git.example.com/platform/a/b", true),
            ("https://git.example.com/platform/../secret", false),
            ("https://git.example.com/chat/app", true),
            ("https://git.example.com/chat/app2", false),
            ("https://git.example.com/chat", false),
        ] {
            assert_eq!(rules.admit(repository), admitted, "{repository}");
        }
        assert!(!GitRules::default().admit("https://git.example.com/chat/app"));
    }
}
