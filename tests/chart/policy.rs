//! The policy on test pods, as it is rendered: who may make a pod with phaseloop's labels, and what others may still do.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::core::cel::{AdmissionRequest, VapEvaluator, VapExpression};
use serde_json::{Value, json};

use crate::{
    committed::read,
    helm::{object, objects},
};

const OPERATOR: &str = "system:serviceaccount:phaseloop-system:phaseloop";

fn policy() -> ValidatingAdmissionPolicy {
    let file = "tests/snapshots/chart/defaults.yaml";
    let objects = objects(file, &read(file));
    let policy = object(&objects, "ValidatingAdmissionPolicy", "phaseloop-test-pods.phaseloop.dev");
    serde_json::from_value(policy.clone()).unwrap()
}

fn pod(labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "labels": labels }, "spec": {} })
}

/// Whether the selector of the policy takes an object in.
fn is_selected(policy: &ValidatingAdmissionPolicy, object: &Value) -> bool {
    let constraints = policy.spec.as_ref().unwrap().match_constraints.as_ref().unwrap();
    let labels = constraints.object_selector.as_ref().unwrap().match_labels.clone().unwrap();
    labels.iter().all(|(key, value)| object["metadata"]["labels"][key] == json!(value))
}

/// Whether a request is refused, as the API server decides: both objects are held against the selector.
fn refuses(policy: &ValidatingAdmissionPolicy, user: &str, object: &Value, old: Option<&Value>) -> bool {
    if !is_selected(policy, object) && !old.is_some_and(|old| is_selected(policy, old)) {
        return false;
    }
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let admission =
        AdmissionRequest { operation: operation.into(), username: user.into(), ..AdmissionRequest::default() };
    let mut builder = VapEvaluator::builder().object(object.clone()).request(admission);
    if let Some(old) = old {
        builder = builder.old_object(old.clone());
    }
    let evaluator = builder.build();
    // Without a schema the evaluator takes keys of maps for names of fields, and escapes them; the API server does not
    // (tests/chart/real.rs).
    let escaped = |expression: String| {
        expression
            .replace("phaseloop.dev/", "phaseloop__dot__dev__slash__")
            .replace("app.kubernetes.io/managed-by", "app__dot__kubernetes__dot__io__slash__managed__dash__by")
    };
    let passes = |expressions: Vec<String>| {
        let expressions: Vec<VapExpression> = expressions
            .into_iter()
            .map(|expression| VapExpression {
                expression: escaped(expression),
                message: None,
                message_expression: None,
            })
            .collect();
        evaluator.evaluate(&expressions).iter().all(|result| result.passed)
    };
    let spec = policy.spec.as_ref().unwrap();
    let conditions = spec.match_conditions.iter().flatten().map(|condition| condition.expression.clone()).collect();
    let rules = spec.validations.iter().flatten().map(|rule| rule.expression.clone()).collect();
    passes(conditions) && !passes(rules)
}

#[test]
fn only_the_operator_makes_and_labels_pods_of_its_own() {
    let policy = policy();
    let ours = pod(&json!({
        "app.kubernetes.io/managed-by": "phaseloop", "phaseloop.dev/phase-run": "r", "phaseloop.dev/role": "domain",
    }));
    let with = |key: &str, value: Value| {
        let mut changed = ours.clone();
        changed["metadata"]["labels"][key] = value;
        changed
    };
    let without = |key: &str| {
        let mut changed = ours.clone();
        changed["metadata"]["labels"].as_object_mut().unwrap().remove(key);
        changed
    };
    let foreign = pod(&json!({ "app": "x", "phaseloop.dev/phase-run": "r" }));
    let unlabelled = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": {} });
    let mut finalized = ours.clone();
    finalized["metadata"]["finalizers"] = json!(["x/y"]);
    for (what, user, object, old, refused) in [
        ("the operator makes one", OPERATOR, &ours, None, false),
        ("the operator labels one", OPERATOR, &with("phaseloop.dev/canary", json!("c")), Some(&ours), false),
        ("somebody makes one", "jane", &ours, None, true),
        ("a namesake elsewhere makes one", "system:serviceaccount:chat:phaseloop", &ours, None, true),
        ("somebody makes another pod", "jane", &foreign, None, false),
        ("somebody makes one without labels", "jane", &unlabelled, None, false),
        ("somebody labels another pod", "jane", &ours, Some(&foreign), true),
        ("somebody labels one that had no labels", "jane", &ours, Some(&unlabelled), true),
        ("somebody gives one to another run", "jane", &with("phaseloop.dev/phase-run", json!("s")), Some(&ours), true),
        ("somebody takes a label off", "jane", &without("phaseloop.dev/role"), Some(&ours), true),
        (
            "somebody takes it out of the operator's sight",
            "jane",
            &without("app.kubernetes.io/managed-by"),
            Some(&ours),
            true,
        ),
        ("somebody takes all labels off", "jane", &unlabelled, Some(&ours), true),
        ("somebody adds a label of their own", "jane", &with("team", json!("ml")), Some(&ours), false),
        (
            "a controller adds a finalizer",
            "system:serviceaccount:kube-system:job-controller",
            &finalized,
            Some(&ours),
            false,
        ),
    ] {
        assert_eq!(refuses(&policy, user, object, old), refused, "{what}");
    }
}
