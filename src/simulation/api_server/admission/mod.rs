//! What may refuse a request beside the rules of its kind.
//!
//! **What lives here**: hooks that tests fill, the life cycle of namespaces, quotas, what Kubernetes' own admission sets in
//! pods, and the approval policy of Promotions.
//!
//! **What must not**: rules that need neither the requester nor another object (they are in `kinds`).

mod approval;
mod deletion;
mod namespace;
mod pod;
mod quota;

use serde_json::Value;

use super::{field_error::FieldError, status_error::StatusError};

pub(super) use approval::check_decision;
pub(super) use deletion::check_deletion;
pub(super) use namespace::check_namespace;
pub(super) use pod::complete_pod;
pub(super) use quota::check_quota;

/// What a request does to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmissionOperation {
    /// It makes it.
    Create,
    /// It changes it.
    Update,
    /// It takes it away.
    Delete,
}

/// A request as admission sees it: what the object is to become, and what it was.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionReview<'a> {
    /// What happens.
    pub operation: AdmissionOperation,
    /// The group of the resource.
    pub group: &'a str,
    /// The resource, as in `promotions`.
    pub resource: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The name of the object; empty where several are deleted at once.
    pub name: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// Who asks.
    pub user: &'a str,
    /// What the object is to be; `None` for a delete.
    pub object: Option<&'a Value>,
    /// What it is; `None` for a create.
    pub old: Option<&'a Value>,
}

/// Why a hook refuses.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Fields do not fit: the 422 of the kind's own rules.
    Fields(Vec<FieldError>),
    /// Anything else.
    Status(Box<StatusError>),
}

/// A rule that is not built in: CEL rules of the definitions, for one.
pub trait AdmissionHook: Send + Sync {
    /// Refuses a request, or does not.
    ///
    /// # Errors
    /// Why it is refused.
    fn review(&self, review: &AdmissionReview<'_>) -> Result<(), Refusal>;
}

impl<F> AdmissionHook for F
where
    F: Fn(&AdmissionReview<'_>) -> Result<(), Refusal> + Send + Sync,
{
    fn review(&self, review: &AdmissionReview<'_>) -> Result<(), Refusal> {
        self(review)
    }
}
