//! The administrator's policy: the ConfigMap `phaseloop-policy` of a target's namespace, key `policy.yaml`.
//!
//! **What lives here**: its type, its reader, its reference. Users of our kinds need no right on the ConfigMap; whoever
//! writes it is the administrator. Without it, the catalogue's own bounds hold.
//!
//! **What must not**: applying the policy: bounds are applied where candidates are planned, limits where runs begin.

mod check;
mod policy;
mod read;

pub use policy::{
    AdministratorPolicy, BindingRule, Egress, EgressMode, EgressRule, EngineEntry, FleetLimits, GitRules, ImageRules,
    ParameterBounds,
};
pub use read::{administrator_policy_markdown, policy_schema, read_policy, read_policy_document};

/// Name of the ConfigMap.
pub const CONFIG_MAP_NAME: &str = "phaseloop-policy";
/// Key of the policy within it.
pub const CONFIG_MAP_KEY: &str = "policy.yaml";
/// Version of the policy's form.
pub const POLICY_API_VERSION: &str = "policy.phaseloop.dev/v1alpha1";
/// Kind of the policy.
pub const POLICY_KIND: &str = "AdministratorPolicy";
