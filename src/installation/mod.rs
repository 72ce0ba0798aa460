//! An installation as the chart makes it: what must be there, and whether it is.
//!
//! **What lives here**: the table of rights, which the chart's roles are made of; reading what an installation consists of
//! (every request of this module is a `get`, or the question what the operator may); judging it.
//!
//! **What must not**: writing to the cluster, and what the operator decides.

pub mod judge;
pub mod look;
mod markdown;
pub mod rights;

pub use judge::{Finding, Standing, judge};
pub use look::{Facts, LookError, OwnKindsEverywhere, Subject, look};
pub use markdown::rights_markdown;
pub use rights::{Right, Rights, Rule, rights};

/// A rule that the API server checks, as it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name without our group, as `--without-policy` has it.
    pub short_name: &'static str,
    /// Name of the ValidatingAdmissionPolicy and of its binding.
    pub name: &'static str,
    /// Both, as YAML.
    pub text: &'static str,
}

/// The rules that hold in the whole cluster.
pub const POLICIES: [Policy; 2] = [
    Policy {
        short_name: "promotion-decision",
        name: "promotion-decision.phaseloop.dev",
        text: include_str!("../../manifests/policies/promotion-decision.yaml"),
    },
    Policy {
        short_name: "escalation-deletion",
        name: "escalation-deletion.phaseloop.dev",
        text: include_str!("../../manifests/policies/escalation-deletion.yaml"),
    },
];
