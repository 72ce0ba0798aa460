//! The policy of `manifests/policies/escalation-deletion.yaml`: deleting an Escalation forgets what its night has spent.

use serde_json::json;

use super::{
    super::{
        object::{at, elements, set, text},
        status_error::{Named, StatusError},
    },
    AdmissionOperation, AdmissionReview,
};

/// The name of the policy and of its binding.
const POLICY: &str = "escalation-deletion.phaseloop.dev";
/// Controllers that empty a namespace or collect garbage are let through.
const CONTROLLERS: [&str; 2] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
];

/// Refuses what the policy refuses.
pub(in super::super) fn check_deletion(review: &AdmissionReview<'_>) -> Result<(), StatusError> {
    let concerned = (review.group, review.resource) == (crate::api::GROUP, "escalations")
        && review.operation == AdmissionOperation::Delete
        && !CONTROLLERS.contains(&review.user);
    let Some(old) = review.old.filter(|_| concerned) else { return Ok(()) };
    let open = elements(old, &["status", "conditions"]).iter().any(|condition| {
        text(condition, &["type"]) == Some("WindowOpen") && text(condition, &["status"]) == Some("True")
    });
    if !open || at(old, &["spec", "suspend"]).is_some() {
        return Ok(());
    }
    let why = "the maintenance window is open, and deleting the Escalation would forget what the night has spent: wait until it closes, or set spec.suspend first";
    let told = format!("ValidatingAdmissionPolicy '{POLICY}' with binding '{POLICY}' denied request: {why}");
    let name = if review.name.is_empty() { "Unknown" } else { review.name };
    let resource = Named { group: review.group, name: review.resource };
    let mut error = StatusError::forbidden(resource, name, &told);
    if let Some(details) = &mut error.details {
        set(details, &["causes"], json!([{ "message": told }]));
    }
    Err(error)
}
