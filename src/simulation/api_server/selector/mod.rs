//! Which objects a list or a watch is about: label and field selectors.
//!
//! **What lives here**: selectors as text and as objects, and whether they mean an object.
//!
//! **What must not**: requests, and where objects are.

mod labels;

use std::borrow::Cow;

use serde_json::Value;

use self::labels::{LabelRequirement, read_labels};
use super::{
    definition::{BuiltIn, ResourceDefinition, Rules},
    object::{at, meta, text},
};

/// A choice of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<LabelRequirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    field: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both selectors of a request.
    ///
    /// # Errors
    /// The message of the API server's 400.
    pub(super) fn read(definition: &ResourceDefinition, labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self { labels: read_labels(labels)?, fields: read_fields(definition, fields)? })
    }

    /// Whether every object is meant.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether the object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = at(object, &["metadata", "labels"]);
        self.labels.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
            requirement.condition.holds(value)
        }) && self
            .fields
            .iter()
            .all(|requirement| (*field_value(object, &requirement.field) == *requirement.value) == requirement.equal)
    }

    /// Adds that the name must be this one.
    pub(super) fn with_name(mut self, name: &str) -> Self {
        self.fields.push(FieldRequirement { field: "metadata.name".to_owned(), value: name.to_owned(), equal: true });
        self
    }
}

/// A field as selectors see it: text, and empty where it is absent.
fn field_value<'a>(object: &'a Value, field: &str) -> Cow<'a, str> {
    match field.split('.').try_fold(object, |value, name| value.get(name)) {
        Some(Value::String(text)) => text.into(),
        None | Some(Value::Null) if field == "spec.hostNetwork" || field == "spec.unschedulable" => "false".into(),
        None | Some(Value::Null) if field == "status.replicas" => "0".into(),
        None | Some(Value::Null) => "".into(),
        Some(other) => other.to_string().into(),
    }
}

fn read_fields(definition: &ResourceDefinition, selector: &str) -> Result<Vec<FieldRequirement>, String> {
    let parts = selector.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                return Err(format!("invalid selector: '{selector}'; can't understand '{part}'"));
            };
            check_field(definition, field)?;
            Ok(FieldRequirement { field: field.to_owned(), value: value.to_owned(), equal })
        })
        .collect()
}

const POD_FIELDS: [&str; 8] = [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];
const EVENT_FIELDS: [&str; 11] = [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

fn check_field(definition: &ResourceDefinition, field: &str) -> Result<(), String> {
    if ["metadata.name", "metadata.namespace"].contains(&field) {
        return Ok(());
    }
    let own: &[&str] = match definition.rules {
        Rules::Custom(ref rules) => {
            let known = rules.selectable_fields.iter().any(|known| known == field);
            return if known { Ok(()) } else { Err(format!("field label not supported: {field}")) };
        }
        Rules::BuiltIn(BuiltIn::Pod) => &POD_FIELDS,
        Rules::BuiltIn(BuiltIn::Event) => &EVENT_FIELDS,
        Rules::BuiltIn(BuiltIn::Namespace) => &["status.phase"],
        Rules::BuiltIn(BuiltIn::Node) => &["spec.unschedulable"],
        Rules::BuiltIn(BuiltIn::Secret) => &["type"],
        Rules::BuiltIn(BuiltIn::Service) => &["spec.clusterIP", "spec.type"],
        Rules::BuiltIn(BuiltIn::ReplicaSet) => &["status.replicas"],
        Rules::BuiltIn(_) => {
            return Err(format!(
                "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            ));
        }
    };
    if own.contains(&field) { Ok(()) } else { Err(format!("field label not supported: {field}")) }
}

/// A selector object as text, as scale tells it. `None` where it has an operator that there is not.
pub(super) fn selector_text(selector: &Value) -> Option<String> {
    let equal = at(selector, &["matchLabels"]).and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> =
        equal.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    for expression in super::object::elements(selector, &["matchExpressions"]) {
        let key = text(expression, &["key"]).unwrap_or_default();
        let values = super::object::texts(expression, &["values"]).join(",");
        parts.push(match text(expression, &["operator"])? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    parts.sort();
    Some(parts.join(","))
}

/// Whether a selector object means an object with these labels.
pub(in super::super) fn selects(selector: &Value, labelled: &Value) -> bool {
    let Some(text) = selector_text(selector) else { return false };
    read_labels(&text).is_ok_and(|labels| Selector { labels, fields: Vec::new() }.matches(labelled))
}

/// The name of an object with its namespace, for ordering.
pub(super) fn place(object: &Value) -> (&str, &str) {
    (meta(object, "namespace"), meta(object, "name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(selector: &str) -> String {
        let objects = [
            json!({ "metadata": { "name": "a", "labels": { "app": "web", "tier": "1" } } }),
            json!({ "metadata": { "name": "b", "labels": { "app": "chat" } } }),
            json!({ "metadata": { "name": "c" } }),
        ];
        let selector = Selector { labels: read_labels(selector).unwrap(), fields: Vec::new() };
        objects.iter().filter(|object| selector.matches(object)).map(|object| meta(object, "name")).collect()
    }

    #[test]
    fn labels_are_chosen_by_value_set_and_presence() {
        for (selector, expected) in [
            ("", "abc"),
            ("app=web", "a"),
            ("app==chat", "b"),
            ("app!=web", "bc"),
            ("app in (web, chat)", "ab"),
            ("app notin (web)", "bc"),
            ("app", "ab"),
            ("!app", "c"),
            ("app in (web,chat),tier", "a"),
            ("tier>0", "a"),
            ("tier<1", ""),
        ] {
            assert_eq!(chosen(selector), expected, "{selector}");
        }
    }

    #[test]
    fn a_selector_object_reads_as_text() {
        let selector = json!({
            "matchLabels": { "b": "2" },
            "matchExpressions": [{ "key": "a", "operator": "In", "values": ["1", "2"] }],
        });
        assert_eq!(selector_text(&selector).unwrap(), "a in (1,2),b=2");
        assert!(selects(&selector, &json!({ "metadata": { "labels": { "a": "1", "b": "2" } } })));
        assert!(!selects(&selector, &json!({ "metadata": { "labels": { "a": "3", "b": "2" } } })));
    }
}
