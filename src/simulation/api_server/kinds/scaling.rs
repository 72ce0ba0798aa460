//! HorizontalPodAutoscalers and PodDisruptionBudgets: what is refused of them. Autoscalers are stored; nobody scales by them here.

use serde_json::{Value, json};

use super::{
    super::{
        field_error::FieldError,
        object::{at, elements, integer, text},
    },
    names,
};

/// Sources of a metric: the type, and the field that it fills.
const METRIC_SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];
const EVICTION_POLICIES: [&str; 2] = ["AlwaysAllow", "IfHealthyBudget"];
const PERCENT_FAULT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const NEGATIVE_FAULT: &str = "must be greater than or equal to 0";

/// What is wrong with the specification of a HorizontalPodAutoscaler. `before` is the one that it replaces: a reference that
/// stood in it may name its version as it did.
pub(super) fn autoscaler_errors(autoscaler: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let least = integer(autoscaler, &["spec", "minReplicas"]);
    let most = integer(autoscaler, &["spec", "maxReplicas"]).unwrap_or(0);
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.push(FieldError::invalid("spec.minReplicas", &json!(least), "must be greater than or equal to 1"));
    }
    if most < 1 {
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        let problem = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(most), problem));
    }
    reference_errors(autoscaler, before, &mut errors);
    for (index, metric) in elements(autoscaler, &["spec", "metrics"]).iter().enumerate() {
        metric_errors(metric, &format!("spec.metrics[{index}]"), &mut errors);
    }
    errors
}

/// What is wrong with the reference to what is scaled.
fn reference_errors(autoscaler: &Value, before: Option<&Value>, errors: &mut Vec<FieldError>) {
    let path = |field: &str| format!("spec.scaleTargetRef.{field}");
    let given = |object, field| text(object, &["spec", "scaleTargetRef", field]).unwrap_or_default();
    for field in ["kind", "name"] {
        let value = given(autoscaler, field);
        if value.is_empty() {
            errors.push(FieldError::required(&path(field), ""));
        }
        errors
            .extend(segment_faults(value).iter().map(|fault| FieldError::invalid(&path(field), &json!(value), fault)));
    }
    let same = |field| before.is_some_and(|before| given(before, field) == given(autoscaler, field));
    if same("apiVersion") && same("kind") {
        return;
    }
    let version = given(autoscaler, "apiVersion");
    let problem = match version.matches('/').count() {
        0 if given(autoscaler, "kind") == "ReplicationController" => return,
        0 => "apiVersion must specify API group".to_owned(),
        1 => return,
        _ => format!("unexpected GroupVersion string: {version}"),
    };
    errors.push(FieldError::invalid(&path("apiVersion"), &json!(version), &problem));
}

/// What keeps a text from being a part of a path.
fn segment_faults(text: &str) -> Vec<String> {
    if [".", ".."].contains(&text) {
        return vec![format!("may not be '{text}'")];
    }
    let has = ["/", "%"].into_iter().filter(|part| text.contains(part));
    has.map(|part| format!("may not contain '{part}'")).collect()
}

/// What is wrong with a metric, but for what its source says.
fn metric_errors(metric: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (place, kind) = (format!("{path}.type"), text(metric, &["type"]).unwrap_or_default());
    if kind.is_empty() {
        errors.push(FieldError::required(&place, "must specify a metric source type"));
    }
    let field = METRIC_SOURCES.into_iter().find(|(name, _)| *name == kind).map(|(_, field)| field);
    let has = |field: &str| at(metric, &[field]).is_some_and(|source| !source.is_null());
    match field {
        None => {
            let error = FieldError::not_supported(&place, &json!(kind), &METRIC_SOURCES.map(|(name, _)| name));
            // Kubernetes looks twice.
            errors.extend([error.clone(), error]);
        }
        Some(field) if !has(field) => {
            let problem = "must populate information for the given metric source";
            errors.push(FieldError::required(&format!("{path}.{field}"), problem));
        }
        Some(_) => {}
    }
    if METRIC_SOURCES.into_iter().filter(|(_, field)| has(field)).count() > 1 {
        for (_, other) in METRIC_SOURCES.into_iter().filter(|(_, own)| has(own) && Some(*own) != field) {
            let problem = "must populate the given metric source only";
            errors.push(FieldError::forbidden(&format!("{path}.{other}"), problem));
        }
    }
}

/// What is wrong with the specification of a PodDisruptionBudget.
pub(super) fn budget_errors(budget: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = budget.get("spec").unwrap_or(&Value::Null);
    let bound = |field: &str| spec.get(field).filter(|value| !value.is_null());
    if bound("minAvailable").is_some() && bound("maxUnavailable").is_some() {
        errors.push(FieldError::invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        let path = format!("spec.{field}");
        match bound(field) {
            Some(Value::String(share)) => {
                if let Some(problem) = share_fault(share) {
                    errors.push(FieldError::invalid(&path, &json!(share), problem));
                }
            }
            Some(number) => negative_error(number.as_i64(), &path, &mut errors),
            None => {}
        }
    }
    names::selector_errors(bound("selector"), "spec.selector", &mut errors);
    if let Some(policy) = text(spec, &["unhealthyPodEvictionPolicy"]).filter(|one| !EVICTION_POLICIES.contains(one)) {
        let path = "spec.unhealthyPodEvictionPolicy";
        errors.push(FieldError::not_supported(path, &json!(policy), &EVICTION_POLICIES));
    }
    errors
}

/// What is wrong with a share of pods.
fn share_fault(share: &str) -> Option<&'static str> {
    let digits = share.strip_suffix('%').filter(|digits| !digits.is_empty());
    match digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
        None => Some(PERCENT_FAULT),
        // What is no number of this size is a share beyond all.
        Some(digits) if digits.parse::<u32>().is_ok_and(|share| share <= 100) => None,
        Some(_) => Some("must not be greater than 100%"),
    }
}

/// What is wrong with figures of a status that count something.
pub(super) fn count_errors(object: &Value, figures: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for figure in figures {
        negative_error(integer(object, &["status", figure]), &format!("status.{figure}"), &mut errors);
    }
    errors
}

fn negative_error(number: Option<i64>, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(number) = number.filter(|number| *number < 0) {
        errors.push(FieldError::invalid(path, &json!(number), NEGATIVE_FAULT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    fn autoscaler(change: &Value) -> Value {
        let mut spec = json!({
            "minReplicas": 1, "maxReplicas": 3, "metrics": [{ "type": "Resource", "resource": { "name": "cpu" } }],
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "llama-8b" },
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        json!({ "spec": spec })
    }

    #[test]
    fn what_kubernetes_refuses_of_an_autoscaler_is_refused_in_its_words() {
        let reference = |fields: Value| json!({ "scaleTargetRef": fields });
        let metric = |fields: Value| json!({ "metrics": [fields] });
        let sources = r#"supported values: "ContainerResource", "External", "Object", "Pods", "Resource""#;
        let unsupported = format!("spec.metrics[0].type: Unsupported value: \"Cpu\": {sources}");
        for (change, expected) in [
            (json!({}), vec![]),
            (
                json!({ "minReplicas": 0 }),
                vec!["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"],
            ),
            (
                json!({ "maxReplicas": 0 }),
                vec![
                    "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                    "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
                ],
            ),
            (
                reference(json!({ "apiVersion": "apps/v1", "kind": "", "name": "a/b" })),
                vec![
                    "spec.scaleTargetRef.kind: Required value",
                    "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
                ],
            ),
            (
                reference(json!({ "kind": "Deployment", "name": ".." })),
                vec![
                    "spec.scaleTargetRef.name: Invalid value: \"..\": may not be '..'",
                    "spec.scaleTargetRef.apiVersion: Invalid value: \"\": apiVersion must specify API group",
                ],
            ),
            (
                reference(json!({ "apiVersion": "a/b/c", "kind": "Deployment", "name": "a" })),
                vec!["spec.scaleTargetRef.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c"],
            ),
            (reference(json!({ "apiVersion": "v1", "kind": "ReplicationController", "name": "a" })), vec![]),
            (metric(json!({ "type": "Cpu", "resource": {} })), vec![&unsupported, &unsupported]),
            (
                metric(json!({ "type": "External", "pods": {} })),
                vec!["spec.metrics[0].external: Required value: must populate information for the given metric source"],
            ),
            (
                metric(json!({ "type": "Pods", "pods": {}, "resource": {} })),
                vec!["spec.metrics[0].resource: Forbidden: must populate the given metric source only"],
            ),
        ] {
            assert_eq!(told(&autoscaler_errors(&autoscaler(&change), None)), expected, "{change}");
        }
    }

    #[test]
    fn a_reference_that_stood_there_without_a_group_may_stay() {
        let bare = autoscaler(&json!({ "scaleTargetRef": { "kind": "Deployment", "name": "a" } }));
        let renamed = autoscaler(&json!({ "scaleTargetRef": { "kind": "Deployment", "name": "b" } }));
        assert_eq!(autoscaler_errors(&renamed, Some(&bare)), []);
        let other = autoscaler(&json!({ "scaleTargetRef": { "kind": "StatefulSet", "name": "a" } }));
        assert_eq!(autoscaler_errors(&other, Some(&bare)).len(), 1);
    }

    #[test]
    fn what_kubernetes_refuses_of_a_disruption_budget_is_refused_in_its_words() {
        let percent = format!("spec.minAvailable: Invalid value: \"half\": {PERCENT_FAULT}");
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({ "minAvailable": "100%" }), vec![]),
            (json!({ "maxUnavailable": 0, "unhealthyPodEvictionPolicy": "AlwaysAllow" }), vec![]),
            (
                json!({ "minAvailable": "101%" }),
                vec!["spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%"],
            ),
            (json!({ "minAvailable": "half" }), vec![&percent]),
            (
                json!({ "maxUnavailable": -1 }),
                vec!["spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                json!({ "minAvailable": 1, "maxUnavailable": 1 }),
                vec![
                    "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and maxUnavailable cannot be both set",
                ],
            ),
            (
                json!({ "unhealthyPodEvictionPolicy": "Never" }),
                vec![
                    "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"",
                ],
            ),
            (
                json!({ "selector": { "matchExpressions": [{ "key": "app", "operator": "In" }] } }),
                vec![
                    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
                ],
            ),
        ] {
            assert_eq!(told(&budget_errors(&json!({ "spec": spec }))), expected, "{spec}");
        }
    }
}
