//! What tests of several kinds look at alike.

use serde_json::{Value, json};

use super::ObservedTarget;

/// Makes a Deployment one of two ready replicas, to borrow from.
pub(crate) fn of_two_replicas(target: &mut Value) {
    target["spec"]["replicas"] = json!(2);
    target["status"] = json!({ "readyReplicas": 2 });
}

/// `replicas` of a lender, and whether it carries the note.
pub(crate) fn stands(target: Option<&ObservedTarget>) -> (i64, bool) {
    let Some(ObservedTarget::Deployment(target)) = target else { panic!("no Deployment") };
    let noted = target.metadata.annotations.as_ref().is_some_and(|all| all.contains_key("phaseloop.dev/give-back"));
    (i64::from(target.spec.as_ref().unwrap().replicas.unwrap()), noted)
}

/// The last of what was told: type, reason, note.
pub(crate) fn last_told(told: &[(String, String, String)]) -> (&str, &str, &str) {
    let (type_, reason, note) = told.last().unwrap();
    (type_, reason, note)
}
