//! The admission policies parse, and decide as they say.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::core::cel::{AdmissionRequest, VapEvaluator, VapExpression};
use phaseloop::yaml::read_documents;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    case::{merge, request, sample},
    committed::read,
};

/// Reads a document into a type of Kubernetes, and finds fields that the type does not have.
fn typed<T: DeserializeOwned + Serialize>(value: &Value) -> T {
    let object: T = serde_json::from_value(value.clone()).unwrap();
    let mut again = serde_json::to_value(&object).unwrap();
    // The type writes its own group and kind.
    merge(&mut again, &json!({ "apiVersion": value["apiVersion"], "kind": value["kind"] }));
    assert_eq!(again, *value);
    object
}

fn policy(file: &str) -> ValidatingAdmissionPolicy {
    let path = format!("manifests/policies/{file}");
    let documents = read_documents(&path, &read(&path)).unwrap_or_else(|faults| panic!("{faults}"));
    let [policy, binding] = documents.as_slice() else { panic!("{path}: a policy and its binding are wanted") };
    let policy: ValidatingAdmissionPolicy = typed(&policy.value);
    let binding: ValidatingAdmissionPolicyBinding = typed(&binding.value);
    let binding = binding.spec.unwrap();
    assert_eq!(binding.policy_name, policy.metadata.name);
    assert_eq!(binding.validation_actions, Some(vec!["Deny".to_owned()]));
    assert_eq!(policy.spec.as_ref().unwrap().failure_policy.as_deref(), Some("Fail"));
    policy
}

/// The first message with which a policy refuses a request, or `None`.
fn refusal(
    policy: &ValidatingAdmissionPolicy,
    operation: &str,
    user: &str,
    object: &Value,
    old: &Value,
) -> Option<String> {
    let spec = policy.spec.as_ref().unwrap();
    let admission =
        AdmissionRequest { operation: operation.into(), username: user.into(), ..AdmissionRequest::default() };
    let mut builder = VapEvaluator::builder().object(object.clone()).request(admission);
    if !old.is_null() {
        builder = builder.old_object(old.clone());
    }
    let evaluator = builder.build();
    let expression = |expression: &str, message: Option<String>| VapExpression {
        expression: expression.to_owned(),
        message,
        message_expression: None,
    };
    let conditions = spec.match_conditions.iter().flatten().map(|condition| expression(&condition.expression, None));
    if evaluator.evaluate(&conditions.collect::<Vec<_>>()).iter().any(|result| !result.passed) {
        return None;
    }
    let validations = spec.validations.iter().flatten();
    let expressions: Vec<_> = validations.map(|rule| expression(&rule.expression, rule.message.clone())).collect();
    let results = evaluator.evaluate(&expressions);
    results.into_iter().find(|result| !result.passed).map(|result| result.message.unwrap())
}

fn changed(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    merge(&mut object, patch);
    object
}

#[test]
fn a_decision_is_made_in_ones_own_name_alone_and_by_itself() {
    let policy = policy("promotion-decision.yaml");
    let pending = request(&sample("promotion-small.yaml"), None).unwrap();
    let decided = |decision: &str, by: &str| json!({ "spec": { "decision": decision, "approvedBy": by } });
    let approved = changed(&pending, &decided("Approved", "jane"));
    let labelled = json!({ "metadata": { "labels": { "team": "chat" } } });
    let with = |extra: Value| changed(&approved, &extra);
    let labels_before = changed(&pending, &labelled);
    let none = Value::Null;
    for (what, operation, user, object, old, told) in [
        ("made pending", "CREATE", "operator", &pending, &none, None),
        ("made approved", "CREATE", "jane", &approved, &none, Some("decision is Pending when")),
        ("approved in one's own name", "UPDATE", "jane", &approved, &pending, None),
        (
            "rejected in one's own name",
            "UPDATE",
            "jane",
            &changed(&pending, &decided("Rejected", "jane")),
            &pending,
            None,
        ),
        ("approved in another's name", "UPDATE", "joe", &approved, &pending, Some("approvedBy must be the user name")),
        (
            "approved in nobody's name",
            "UPDATE",
            "jane",
            &changed(&pending, &json!({ "spec": { "decision": "Approved" } })),
            &pending,
            Some("approvedBy must be the user name"),
        ),
        (
            "taken back",
            "UPDATE",
            "jane",
            &changed(&approved, &decided("Pending", "jane")),
            &approved,
            Some("a decision stands"),
        ),
        (
            "turned over",
            "UPDATE",
            "jane",
            &changed(&approved, &decided("Rejected", "jane")),
            &approved,
            Some("a decision stands"),
        ),
        ("labelled besides", "UPDATE", "jane", &with(labelled.clone()), &pending, Some("and nothing else")),
        (
            "relabelled besides",
            "UPDATE",
            "jane",
            &with(json!({ "metadata": { "labels": { "team": "rag" } } })),
            &labels_before,
            Some("and nothing else"),
        ),
        ("with the labels it had", "UPDATE", "jane", &with(labelled.clone()), &labels_before, None),
        (
            "annotated besides",
            "UPDATE",
            "jane",
            &with(json!({ "metadata": { "annotations": { "a": "b" } } })),
            &pending,
            Some("and nothing else"),
        ),
        (
            "with a finalizer taken off",
            "UPDATE",
            "jane",
            &approved,
            &changed(&pending, &json!({ "metadata": { "finalizers": ["phaseloop.dev/owed"] } })),
            Some("and nothing else"),
        ),
        (
            "with another owner",
            "UPDATE",
            "jane",
            &with(json!({ "metadata": { "ownerReferences": [{ "name": "x" }] } })),
            &pending,
            Some("and nothing else"),
        ),
        ("labelled by the operator without a decision", "UPDATE", "operator", &labels_before, &pending, None),
        ("labelled after the decision", "UPDATE", "operator", &with(labelled.clone()), &approved, None),
    ] {
        let refused = refusal(&policy, operation, user, object, old);
        match told {
            None => assert_eq!(refused, None, "{what}"),
            Some(told) => {
                assert!(refused.as_ref().is_some_and(|refused| refused.contains(told)), "{what}: {refused:?}");
            }
        }
    }
}

#[test]
fn an_escalation_is_not_deleted_inside_its_window_unless_it_is_suspended() {
    let policy = policy("escalation-deletion.yaml");
    let plain = request(&sample("escalation-small.yaml"), None).unwrap();
    let window = |status: &str| json!({ "status": { "conditions": [{ "type": "WindowOpen", "status": status }] } });
    let open = changed(&plain, &window("True"));
    let suspended = json!({ "spec": { "suspend": { "reason": "moved to another cluster" } } });
    let collector = "system:serviceaccount:kube-system:generic-garbage-collector";
    for (what, user, old, refused) in [
        ("never reported", "jane", &plain, false),
        ("outside its window", "jane", &changed(&plain, &window("False")), false),
        ("without conditions", "jane", &changed(&plain, &json!({ "status": { "observedGeneration": 1 } })), false),
        ("inside its window", "jane", &open, true),
        ("inside its window and suspended", "jane", &changed(&open, &suspended), false),
        ("inside its window with its namespace", collector, &open, false),
    ] {
        let told = refusal(&policy, "DELETE", user, &Value::Null, old);
        assert_eq!(
            told.as_ref().is_some_and(|told| told.contains("the maintenance window is open")),
            refused,
            "{what}: {told:?}"
        );
        assert_eq!(told.is_some(), refused, "{what}: {told:?}");
    }
}
