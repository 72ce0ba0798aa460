use phaseloop_core::plan::{OwnKind, OwnObject, target::Remembered};
use phaseloop_core::value::Uid;
use serde_json::json;

use super::*;
use crate::delivery::fixture::{applied, told};

fn reference() -> TargetReference {
    TargetReference { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: "llama".to_owned() }
}

/// A Deployment of two ready replicas.
fn deployment() -> Value {
    json!({
        "metadata": { "name": "llama", "uid": "u", "resourceVersion": "5" },
        "spec": {
            "replicas": 2, "selector": {},
            "template": { "metadata": { "labels": { "app": "llama", "tier": "gpu" } }, "spec": { "containers": [] } },
        },
        "status": { "readyReplicas": 2 },
    })
}

fn observed(object: &Value) -> ObservedTarget {
    ObservedTarget::Deployment(Box::new(serde_json::from_value(object.clone()).unwrap()))
}

fn lender_beside(autoscalers: &[Value], budgets: &[Value]) -> Lender {
    let read = |value: &Value| serde_json::from_value(value.clone()).unwrap();
    let surroundings = LenderSurroundings {
        autoscalers: autoscalers.iter().map(|value| Arc::new(read(value))).collect(),
        budgets: budgets.iter().map(|value| Arc::new(serde_json::from_value(value.clone()).unwrap())).collect(),
    };
    observe_lender(&observed(&deployment()), &reference(), &surroundings)
}

fn note() -> GiveBackNote {
    let borrower = OwnObject::new(OwnKind::PhaseRun, "nightly", Uid::new("uid-nightly"));
    GiveBackNote { borrower, from: 2, to: 1, since: "2026-03-04T03:00:00Z".parse().unwrap() }
}

fn borrowed(object: &Value) -> Option<Value> {
    let target = observed(object);
    let version = target.version(reference());
    let borrow = ReplicaBorrow { target: version, note: note(), remembered: Remembered::InThisPlan };
    applied(object, &borrow_patch(target.metadata(), &borrow))
}

fn given_back(object: &Value, replicas: i64) -> Option<Value> {
    let target = observed(object);
    let back = ReplicaReturn { target: target.version(reference()), note: note(), replicas };
    applied(object, &return_patch(target.metadata(), &back))
}

#[test]
fn the_patch_tests_version_replicas_and_that_nothing_is_lent_and_changes_replicas_and_the_note() {
    let target = observed(&deployment());
    let borrow =
        ReplicaBorrow { target: target.version(reference()), note: note(), remembered: Remembered::InThisPlan };
    let text = Value::from(note().text());
    assert_eq!(
        told(&borrow_patch(target.metadata(), &borrow).0),
        [
            r#"test /metadata/uid "u""#.to_owned(),
            r#"test /metadata/resourceVersion "5""#.to_owned(),
            "test /spec/replicas 2".to_owned(),
            "test /metadata/annotations null".to_owned(),
            "replace /spec/replicas 1".to_owned(),
            format!(r#"add /metadata/annotations {{"phaseloop.dev/give-back":{text}}}"#),
        ]
    );
}

#[test]
fn what_was_borrowed_is_given_back_without_a_trace() {
    for annotations in [None, Some(json!({ "a": "b" }))] {
        let mut object = deployment();
        if let Some(annotations) = annotations {
            object["metadata"]["annotations"] = annotations;
        }
        let lent = borrowed(&object).unwrap();
        let lender = observe_lender(&observed(&lent), &reference(), &LenderSurroundings::default());
        assert_eq!((lender.replicas, lender.note), (1, LendersNote::Lent(note())));
        assert_eq!(given_back(&lent, 1).unwrap(), object);
    }
}

#[test]
fn replicas_that_somebody_else_has_set_stay_and_the_note_goes() {
    let mut lent = borrowed(&deployment()).unwrap();
    lent["spec"]["replicas"] = json!(5);
    let after = given_back(&lent, 5).unwrap();
    assert_eq!(after["spec"]["replicas"], 5);
    assert_eq!(after["metadata"].get("annotations"), None);
}

#[test]
fn neither_patch_lands_on_what_was_not_looked_at() {
    let object = deployment();
    let version = observed(&object).version(reference());
    let borrow = ReplicaBorrow { target: version, note: note(), remembered: Remembered::InThisPlan };
    let patch = borrow_patch(observed(&object).metadata(), &borrow);
    for (pointer, value) in
        [("/spec/replicas", json!(3)), ("/metadata/resourceVersion", json!("6")), ("/metadata/uid", json!("other"))]
    {
        let mut changed = object.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_eq!(applied(&changed, &patch), None, "{pointer}");
    }
    let mut lent = object;
    lent["metadata"]["annotations"] = json!({ "phaseloop.dev/give-back": "x" });
    assert_eq!(applied(&lent, &patch), None, "it lends already");
    assert_eq!(given_back(&borrowed(&deployment()).unwrap(), 2), None, "replicas are one");
}

#[test]
fn an_autoscaler_of_this_target_owns_its_replicas() {
    let autoscaler = |version: &str, kind: &str, name: &str| {
        json!({ "metadata": { "name": "scaler" }, "spec": {
            "maxReplicas": 4, "scaleTargetRef": { "apiVersion": version, "kind": kind, "name": name },
        } })
    };
    let found = |autoscaler: Value| lender_beside(&[autoscaler], &[]).autoscaler;
    assert_eq!(found(autoscaler("apps/v1", "Deployment", "llama")).as_deref(), Some("scaler"));
    assert_eq!(found(autoscaler("apps/v1beta2", "Deployment", "llama")).as_deref(), Some("scaler"));
    for (version, kind, name) in [
        ("apps/v1", "StatefulSet", "llama"),
        ("apps/v1", "Deployment", "other"),
        ("example.com/v1", "Deployment", "llama"),
    ] {
        assert_eq!(found(autoscaler(version, kind, name)), None, "{version} {kind} {name}");
    }
}

#[test]
fn a_budget_counts_the_pods_that_its_selector_selects() {
    let budget = |selector: Value, status: Value| json!({ "metadata": { "name": "b" }, "spec": { "selector": selector }, "status": status });
    let status = json!({ "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2 });
    let counted = |selector: Value, status: &Value| {
        let budgets = lender_beside(&[], &[budget(selector, status.clone())]).budgets;
        budgets.first().map(|budget| budget.disruptions_allowed)
    };
    assert_eq!(counted(json!({ "matchLabels": { "app": "llama" } }), &status), Some(Some(1)));
    assert_eq!(counted(json!({}), &status), Some(Some(1)), "an empty selector selects every pod");
    assert_eq!(counted(Value::Null, &status), None, "none selects no pod");
    assert_eq!(counted(json!({ "matchLabels": { "app": "other" } }), &status), None);
    let expression = json!({ "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["gpu", "tpu"] }] });
    assert_eq!(counted(expression, &Value::Null), Some(None), "nobody has said yet what it allows");
}

#[test]
fn an_annotation_that_is_no_note_is_told_as_such() {
    let mut object = deployment();
    object["metadata"]["annotations"] = json!({ "phaseloop.dev/give-back": "2" });
    let lender = observe_lender(&observed(&object), &reference(), &LenderSurroundings::default());
    assert_eq!(lender.note, LendersNote::Unreadable);
}
