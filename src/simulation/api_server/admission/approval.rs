//! The policy of `manifests/policies/promotion-decision.yaml`: who decides on a Promotion is who says so.

use serde_json::{Value, json};

use super::{
    super::{
        object::{at, set, text},
        status_error::{Named, StatusError},
    },
    AdmissionOperation, AdmissionReview,
};

/// The name of the policy and of its binding.
const POLICY: &str = "promotion-decision.phaseloop.dev";

/// Refuses what the policy refuses.
pub(in super::super) fn check_decision(review: &AdmissionReview<'_>) -> Result<(), StatusError> {
    if (review.group, review.resource, review.subresource) != (crate::api::GROUP, "promotions", "") {
        return Ok(());
    }
    let Some(object) = review.object else { return Ok(()) };
    match refusal(review, object) {
        None => Ok(()),
        Some(why) => {
            let resource = Named { group: review.group, name: review.resource };
            let told = format!("ValidatingAdmissionPolicy '{POLICY}' with binding '{POLICY}' denied request: {why}");
            let mut error = StatusError::forbidden(resource, review.name, &told);
            if let Some(details) = &mut error.details {
                set(details, &["causes"], json!([{ "message": told }]));
            }
            Err(error)
        }
    }
}

fn refusal(review: &AdmissionReview<'_>, object: &Value) -> Option<&'static str> {
    let decision = |object: &Value| text(object, &["spec", "decision"]).unwrap_or("Pending").to_owned();
    if review.operation == AdmissionOperation::Create {
        let pending = decision(object) == "Pending";
        return (!pending).then_some("decision is Pending when a Promotion is made, whoever makes it");
    }
    let old = review.old?;
    if decision(object) == decision(old) {
        return None;
    }
    if text(object, &["spec", "approvedBy"]) != Some(review.user) {
        return Some("approvedBy must be the user name of the requester");
    }
    if decision(old) != "Pending" {
        return Some("a decision stands, it can't be changed or taken back");
    }
    let same = |field: &str| at(object, &["metadata", field]) == at(old, &["metadata", field]);
    let rest = ["labels", "annotations", "finalizers", "ownerReferences"].into_iter().all(same);
    (!rest).then_some("a request that decides changes decision and approvedBy, and nothing else")
}
