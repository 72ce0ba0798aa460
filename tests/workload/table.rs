//! The table of what becomes of a template, held against what is really built and against Kubernetes' own types.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use phaseloop::workload::{
    TEMPLATE_TABLE, TemplatePart, TemplateRow, TestPodSettings, Treatment, build_test_pod, plan_test_pod,
};
use serde_json::{Value, json};

use crate::support::{domain_request, facts, policy, settings, template};

/// A template that has every field of the table that is not refused, in a form that differs from ours.
fn full_template() -> Value {
    serde_json::to_value(template("target-every-field.yaml")).unwrap()
}

/// What each refused field looks like.
fn refused_field(field: &str) -> Value {
    match field {
        "hostIPC" | "hostNetwork" | "hostPID" => json!(true),
        "nodeName" => json!("node-1"),
        "resourceClaims" => json!([{"name": "gpu", "resourceClaimTemplateName": "gpu"}]),
        "resources" => json!({"limits": {"cpu": "1"}}),
        other => panic!("{other} is refused, and no example of it is known"),
    }
}

fn typed(template: &Value) -> PodTemplateSpec {
    serde_json::from_value(template.clone()).unwrap()
}

/// The pod that is built of a template, where our image has a pull secret of its own.
fn built(template: &Value) -> Value {
    let settings = TestPodSettings { image_pull_secret: Some("ours".to_owned()), ..settings() };
    let valid = plan_test_pod(&domain_request(), &facts(typed(template)), Some(&policy()), &settings).unwrap();
    serde_json::to_value(build_test_pod(&valid)).unwrap()
}

fn engine_of(spec: &Value, list: &str) -> Value {
    let containers = spec[list].as_array().unwrap().iter();
    containers.into_iter().find(|container| container["name"] == "engine").unwrap().clone()
}

/// Whether everything of a value is in another one: fields of objects, elements of lists in their order.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| contains(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            let mut rest = whole.iter();
            part.iter().all(|element| rest.any(|whole| contains(whole, element)))
        }
        _ => whole == part,
    }
}

#[test]
fn the_table_has_every_field_that_kubernetes_has_and_no_other() {
    let names = |part: TemplatePart| -> BTreeSet<String> {
        let rows = TEMPLATE_TABLE.iter().filter(|row| row.part == part);
        rows.map(|row| row.field.to_owned()).collect()
    };
    let fields = |schema: schemars::Schema| -> BTreeSet<String> {
        schema.as_value()["properties"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(TemplatePart::Pod), fields(schemars::schema_for!(PodSpec)));
    assert_eq!(names(TemplatePart::Engine), fields(schemars::schema_for!(Container)));
    let rows: BTreeSet<(TemplatePart, &str)> = TEMPLATE_TABLE.iter().map(|row| (row.part, row.field)).collect();
    assert_eq!(rows.len(), TEMPLATE_TABLE.len(), "a field stands twice");
}

#[test]
fn what_is_built_is_what_the_table_says() {
    let template = full_template();
    let pod = built(&template);
    for TemplateRow { part, field, treatment, .. } in TEMPLATE_TABLE {
        let (before, after) = match part {
            TemplatePart::Metadata => (template["metadata"].clone(), pod["metadata"].clone()),
            TemplatePart::Pod => (template["spec"].clone(), pod["spec"].clone()),
            TemplatePart::Engine => {
                (engine_of(&template["spec"], "containers"), engine_of(&pod["spec"], "initContainers"))
            }
        };
        let (before, after) = (before.get(*field), after.get(*field));
        assert!(before.is_some() || *treatment == Treatment::Refused, "the test's template lacks {field}");
        match treatment {
            Treatment::Kept => assert_eq!(after, before, "{field} is kept"),
            Treatment::Adjusted => assert_ne!(after, before, "{field} is adjusted"),
            Treatment::Replaced => {
                // Priority and its policy are those of the class.
                let by_class = ["priority", "preemptionPolicy"].contains(field);
                assert_ne!(after, before, "{field} is replaced");
                assert!(after.is_some() != by_class, "{field}: {after:?}");
            }
            Treatment::Dropped => assert_eq!(after, None, "{field} is dropped"),
            Treatment::Refused => {
                let mut with = full_template();
                with["spec"][field] = refused_field(field);
                let refusal =
                    plan_test_pod(&domain_request(), &facts(typed(&with)), Some(&policy()), &settings()).unwrap_err();
                let row = TEMPLATE_TABLE.iter().find(|row| row.field == *field).unwrap();
                assert_eq!(row.note, format!("`{}`", refusal.reason), "{refusal}");
            }
        }
    }
}

#[test]
fn of_what_is_adjusted_all_that_is_not_named_stays() {
    let template = full_template();
    let pod = built(&template);
    for (field, part) in [
        ("affinity", json!({"podAntiAffinity": {}})),
        ("imagePullSecrets", json!([{"name": "registry"}, {"name": "ours"}])),
        ("initContainers", json!([{"name": "first", "image": "i"}])),
        ("volumes", json!([{"name": "v", "emptyDir": {}}])),
    ] {
        assert!(contains(&pod["spec"][field], &part), "{field}: {}", pod["spec"][field]);
    }
    let engine = engine_of(&pod["spec"], "initContainers");
    for (field, part) in [
        ("command", json!(["vllm", "serve"])),
        ("env", json!([{"name": "A", "value": "1"}])),
        ("ports", json!([{"containerPort": 9}])),
        ("securityContext", json!({"runAsUser": 5})),
        ("volumeMounts", json!([{"name": "v", "mountPath": "/v"}])),
    ] {
        assert!(contains(&engine[field], &part), "{field}: {}", engine[field]);
    }
    let text = pod.to_string();
    for gone in ["hostPort", "\"side\"", "\"beside\"", "unused"] {
        assert!(!text.contains(gone), "{gone} is still there");
    }
}
