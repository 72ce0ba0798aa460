//! Validation of a value with its defaults.

use std::collections::BTreeSet;

use jiff::Timestamp;
use phaseloop_core::value::nearest_name;
use regex_lite::Regex;
use serde_json::{Map, Value};

use super::{FaultCause, SchemaFault, SchemaNode};
use crate::yaml::{element_path, field_path};

/// The keywords that the check knows. A schema with another one would be checked in part only: a test looks.
pub const KNOWN_KEYWORDS: [&str; 23] = [
    "type",
    "description",
    "default",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "not",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Enters every fault of the value into `faults`.
pub(super) fn check(value: &Value, schema: SchemaNode<'_>, path: &str, faults: &mut Vec<SchemaFault>) {
    let mut refuse = |cause, problem: String, remedy: Option<String>| {
        faults.push(SchemaFault { path: path.to_owned(), cause, problem, remedy });
    };
    if let Some(wanted) = schema.text("type")
        && !is_of_type(value, wanted)
    {
        let remedy = match (wanted, value) {
            ("string", Value::Number(_) | Value::Bool(_)) => Some(format!("put it in quotes: \"{value}\"")),
            ("number" | "integer", Value::String(text)) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Some(format!("remove the quotes: {text}"))
            }
            _ => None,
        };
        return refuse(
            FaultCause::FieldValueTypeInvalid,
            format!("{} is wanted, and {} is given", with_article(wanted), kind_of(value)),
            remedy,
        );
    }
    if let Some(names) = schema.keyword("enum").and_then(Value::as_array)
        && !names.contains(value)
    {
        let known: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        let nearest = value.as_str().and_then(|name| nearest_name(name, known.iter().copied()));
        let remedy = nearest.map(|nearest| format!("did you mean {nearest}?"));
        refuse(FaultCause::FieldValueNotSupported, format!("{value} is none of {}", known.join(", ")), remedy);
    }
    match value {
        Value::String(text) => check_text(text, schema, &mut refuse),
        Value::Number(number) => check_number(number.as_f64(), value, schema, &mut refuse),
        Value::Array(elements) => check_list(elements, schema, path, faults),
        Value::Object(fields) => check_object(fields, schema, path, faults),
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn with_article(wanted: &str) -> &str {
    match wanted {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        other => other,
    }
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("the text {text:?}"),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn check_text(text: &str, schema: SchemaNode<'_>, refuse: &mut impl FnMut(FaultCause, String, Option<String>)) {
    let length = text.chars().count() as f64;
    if let Some(most) = schema.bound("maxLength").filter(|most| length > *most) {
        refuse(FaultCause::FieldValueTooLong, format!("{length} characters, and at most {most} are allowed"), None);
    }
    if let Some(least) = schema.bound("minLength").filter(|least| length < *least) {
        refuse(FaultCause::FieldValueInvalid, format!("{length} characters, and at least {least} are needed"), None);
    }
    if let Some(pattern) = schema.text("pattern")
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        refuse(FaultCause::FieldValueInvalid, format!("{text:?} has not the form {pattern}"), None);
    }
    if schema.text("format") == Some("date-time") && text.parse::<Timestamp>().is_err() {
        let problem = format!("{text:?} is no instant");
        refuse(FaultCause::FieldValueInvalid, problem, Some("write it as 2026-03-04T03:00:00Z".to_owned()));
    }
}

fn check_number(
    number: Option<f64>,
    value: &Value,
    schema: SchemaNode<'_>,
    refuse: &mut impl FnMut(FaultCause, String, Option<String>),
) {
    let Some(number) = number else { return };
    if let Some(most) = schema.bound("maximum").filter(|most| number > *most) {
        refuse(FaultCause::FieldValueInvalid, format!("{value} is above the maximum {most}"), None);
    }
    if let Some(least) = schema.bound("minimum").filter(|least| number < *least) {
        refuse(FaultCause::FieldValueInvalid, format!("{value} is below the minimum {least}"), None);
    }
}

fn check_list(elements: &[Value], schema: SchemaNode<'_>, path: &str, faults: &mut Vec<SchemaFault>) {
    let mut refuse = |path: String, cause, problem| faults.push(SchemaFault { path, cause, problem, remedy: None });
    let length = elements.len() as f64;
    if let Some(most) = schema.bound("maxItems").filter(|most| length > *most) {
        refuse(
            path.to_owned(),
            FaultCause::FieldValueTooMany,
            format!("{length} elements, and at most {most} are allowed"),
        );
    }
    if let Some(least) = schema.bound("minItems").filter(|least| length < *least) {
        refuse(
            path.to_owned(),
            FaultCause::FieldValueInvalid,
            format!("{length} elements, and at least {least} are needed"),
        );
    }
    let keys: Vec<&str> = match schema.text("x-kubernetes-list-type") {
        Some("set") => Vec::new(),
        Some("map") => key_names(schema),
        _ => return check_elements(elements, schema, path, faults),
    };
    let mut seen = BTreeSet::new();
    for (index, element) in elements.iter().enumerate() {
        let identity = if keys.is_empty() {
            element.to_string()
        } else {
            keys.iter()
                .map(|key| element.get(key).map_or_else(String::new, Value::to_string))
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !seen.insert(identity.clone()) {
            refuse(element_path(path, index), FaultCause::FieldValueDuplicate, format!("{identity} is there twice"));
        }
    }
    check_elements(elements, schema, path, faults);
}

fn key_names(schema: SchemaNode<'_>) -> Vec<&str> {
    let keys = schema.keyword("x-kubernetes-list-map-keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn check_elements(elements: &[Value], schema: SchemaNode<'_>, path: &str, faults: &mut Vec<SchemaFault>) {
    if let Some(schema) = schema.items() {
        for (index, element) in elements.iter().enumerate() {
            check(element, schema, &element_path(path, index), faults);
        }
    }
}

fn check_object(fields: &Map<String, Value>, schema: SchemaNode<'_>, path: &str, faults: &mut Vec<SchemaFault>) {
    let mut refuse = |path: String, cause, problem| faults.push(SchemaFault { path, cause, problem, remedy: None });
    let size = fields.len() as f64;
    if let Some(most) = schema.bound("maxProperties").filter(|most| size > *most) {
        refuse(
            path.to_owned(),
            FaultCause::FieldValueTooMany,
            format!("{size} entries, and at most {most} are allowed"),
        );
    }
    if let Some(least) = schema.bound("minProperties").filter(|least| size < *least) {
        refuse(
            path.to_owned(),
            FaultCause::FieldValueInvalid,
            format!("{size} entries, and at least {least} are needed"),
        );
    }
    let required = schema.keyword("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            refuse(field_path(path, name), FaultCause::FieldValueRequired, "is missing".to_owned());
        }
    }
    let excluded = schema.keyword("not").and_then(|not| not.get("required")).and_then(Value::as_array);
    let excluded: Vec<&str> = excluded.into_iter().flatten().filter_map(Value::as_str).collect();
    if !excluded.is_empty() && excluded.iter().all(|name| fields.contains_key(*name)) {
        let problem = format!("give {}, not both", excluded.join(" or "));
        refuse(path.to_owned(), FaultCause::FieldValueInvalid, problem);
    }
    for (name, value) in fields {
        if let Some(schema) = schema.field(name) {
            check(value, schema, &field_path(path, name), faults);
        }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
