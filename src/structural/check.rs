//! Validation of a value with its defaults.

use std::collections::BTreeSet;

use jiff::Timestamp;
use phaseloop_core::value::nearest_name;
use serde_json::{Map, Value};

use super::{FaultCause, FaultDetail, SchemaFault, SchemaNode, pattern, place::Place};

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

/// Every place at which a value with its defaults does not fit the schema, in the order of the schema.
pub fn validate(value: &Value, schema: &Value) -> Vec<SchemaFault> {
    let mut faults = Vec::new();
    if let Some(schema) = SchemaNode::of(schema) {
        check(value, None, schema, Place::Root, &mut faults);
    }
    faults
}

/// As [`validate`], but for parts that are what they were `before`: what is wrong with these was wrong then.
pub fn validate_change(value: &Value, before: &Value, schema: &Value) -> Vec<SchemaFault> {
    let mut faults = Vec::new();
    if let Some(schema) = SchemaNode::of(schema) {
        check(value, Some(before), schema, Place::Root, &mut faults);
    }
    faults
}

/// Enters every fault of the value into `faults`, but for parts that are what they were before.
pub(super) fn check(
    value: &Value,
    before: Option<&Value>,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    if before == Some(value) {
        return;
    }
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
        let problem = format!("{} is wanted, and {} is given", with_article(wanted), kind_of(value));
        let detail = FaultDetail::Type(wanted.to_owned());
        let fault = fault(place, FaultCause::FieldValueTypeInvalid, detail, value, problem);
        return faults.push(SchemaFault { remedy, ..fault });
    }
    if let Some(names) = schema.keyword("enum").and_then(Value::as_array)
        && !names.contains(value)
    {
        let known: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        let nearest = value.as_str().and_then(|name| nearest_name(name, known.iter().copied()));
        let remedy = nearest.map(|nearest| format!("did you mean {nearest}?"));
        let problem = format!("{value} is none of {}", known.join(", "));
        let detail = FaultDetail::Names(names.clone());
        let fault = fault(place, FaultCause::FieldValueNotSupported, detail, value, problem);
        faults.push(SchemaFault { remedy, ..fault });
    }
    match value {
        Value::String(text) => check_text(text, value, schema, place, faults),
        Value::Number(number) => check_number(number.as_f64(), value, schema, place, faults),
        Value::Array(elements) => {
            check_list(elements, value, schema, place, faults);
            check_elements(elements, before, schema, place, faults);
        }
        Value::Object(fields) => {
            check_object(fields, value, schema, place, faults);
            check_fields(fields, before, schema, place, faults);
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn fault(place: Place<'_>, cause: FaultCause, detail: FaultDetail, value: &Value, problem: String) -> SchemaFault {
    SchemaFault { path: place.path(), cause, detail, value: value.clone(), problem, remedy: None }
}

/// The detail of a bound that the schema has, if the amount is beyond it.
fn passed(schema: SchemaNode<'_>, keyword: &'static str, beyond: impl Fn(f64) -> bool) -> Option<(f64, FaultDetail)> {
    let bound = schema.bound(keyword).filter(|bound| beyond(*bound))?;
    let limit = schema.keyword(keyword).cloned().unwrap_or_default();
    Some((bound, FaultDetail::Bound { keyword, limit }))
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

fn check_text(text: &str, value: &Value, schema: SchemaNode<'_>, place: Place<'_>, faults: &mut Vec<SchemaFault>) {
    let mut refuse = |cause, detail, problem| faults.push(fault(place, cause, detail, value, problem));
    let length = text.chars().count() as f64;
    if let Some((most, detail)) = passed(schema, "maxLength", |most| length > most) {
        let problem = format!("{length} characters, and at most {most} are allowed");
        refuse(FaultCause::FieldValueTooLong, detail, problem);
    }
    if let Some((least, detail)) = passed(schema, "minLength", |least| length < least) {
        let problem = format!("{length} characters, and at least {least} are needed");
        refuse(FaultCause::FieldValueInvalid, detail, problem);
    }
    if let Some(pattern) = schema.text("pattern")
        && !pattern::fits(pattern, text)
    {
        let detail = FaultDetail::Pattern(pattern.to_owned());
        refuse(FaultCause::FieldValueInvalid, detail, format!("{text:?} has not the form {pattern}"));
    }
    if schema.text("format") == Some("date-time") && text.parse::<Timestamp>().is_err() {
        let detail = FaultDetail::Format("date-time".to_owned());
        let fault = fault(place, FaultCause::FieldValueInvalid, detail, value, format!("{text:?} is no instant"));
        faults.push(SchemaFault { remedy: Some("write it as 2026-03-04T03:00:00Z".to_owned()), ..fault });
    }
}

fn check_number(
    number: Option<f64>,
    value: &Value,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    let Some(number) = number else { return };
    let mut refuse = |detail, problem| faults.push(fault(place, FaultCause::FieldValueInvalid, detail, value, problem));
    if let Some((most, detail)) = passed(schema, "maximum", |most| number > most) {
        refuse(detail, format!("{value} is above the maximum {most}"));
    }
    if let Some((least, detail)) = passed(schema, "minimum", |least| number < least) {
        refuse(detail, format!("{value} is below the minimum {least}"));
    }
}

fn check_list(
    elements: &[Value],
    value: &Value,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    let length = elements.len() as f64;
    if let Some((most, detail)) = passed(schema, "maxItems", |most| length > most) {
        let problem = format!("{length} elements, and at most {most} are allowed");
        faults.push(fault(place, FaultCause::FieldValueTooMany, detail, value, problem));
    }
    if let Some((least, detail)) = passed(schema, "minItems", |least| length < least) {
        let problem = format!("{length} elements, and at least {least} are needed");
        faults.push(fault(place, FaultCause::FieldValueInvalid, detail, value, problem));
    }
    let keys: Vec<&str> = match schema.text("x-kubernetes-list-type") {
        Some("set") => Vec::new(),
        Some("map") => key_names(schema),
        _ => return,
    };
    let mut seen = BTreeSet::new();
    for (index, element) in elements.iter().enumerate() {
        let fields = keys.iter().filter_map(|key| Some(((*key).to_owned(), element.get(*key)?.clone())));
        let identity = if keys.is_empty() { element.clone() } else { Value::Object(fields.collect()) };
        let told = match &identity {
            Value::Object(fields) if !keys.is_empty() => {
                fields.values().map(Value::to_string).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        if !seen.insert(identity.to_string()) {
            let place = Place::Element(&place, index);
            let problem = format!("{told} is there twice");
            faults.push(fault(place, FaultCause::FieldValueDuplicate, FaultDetail::Twice, &identity, problem));
        }
    }
}

fn key_names(schema: SchemaNode<'_>) -> Vec<&str> {
    let keys = schema.keyword("x-kubernetes-list-map-keys").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn check_elements(
    elements: &[Value],
    before: Option<&Value>,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    if let Some(schema) = schema.items() {
        for (index, element) in elements.iter().enumerate() {
            let before = before.and_then(|before| before.get(index));
            check(element, before, schema, Place::Element(&place, index), faults);
        }
    }
}

fn check_fields(
    fields: &Map<String, Value>,
    before: Option<&Value>,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    let known = schema.fields();
    for (name, value) in fields {
        if let Some(schema) = known.of(name) {
            let before = before.and_then(|before| before.get(name));
            check(value, before, schema, Place::Field(&place, name), faults);
        }
    }
}

fn check_object(
    fields: &Map<String, Value>,
    value: &Value,
    schema: SchemaNode<'_>,
    place: Place<'_>,
    faults: &mut Vec<SchemaFault>,
) {
    let mut refuse = |place: Place<'_>, cause, detail, value: &Value, problem: String| {
        faults.push(fault(place, cause, detail, value, problem));
    };
    let size = fields.len() as f64;
    if let Some((most, detail)) = passed(schema, "maxProperties", |most| size > most) {
        let problem = format!("{size} entries, and at most {most} are allowed");
        refuse(place, FaultCause::FieldValueTooMany, detail, value, problem);
    }
    if let Some((least, detail)) = passed(schema, "minProperties", |least| size < least) {
        let problem = format!("{size} entries, and at least {least} are needed");
        refuse(place, FaultCause::FieldValueInvalid, detail, value, problem);
    }
    let required = schema.keyword("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            let (place, problem) = (Place::Field(&place, name), "is missing".to_owned());
            refuse(place, FaultCause::FieldValueRequired, FaultDetail::Field, &Value::Null, problem);
        }
    }
    let excluded = schema.keyword("not").and_then(|not| not.get("required")).and_then(Value::as_array);
    let excluded: Vec<&str> = excluded.into_iter().flatten().filter_map(Value::as_str).collect();
    if !excluded.is_empty() && excluded.iter().all(|name| fields.contains_key(*name)) {
        let problem = format!("give {}, not both", excluded.join(" or "));
        refuse(place, FaultCause::FieldValueInvalid, FaultDetail::Excluded, value, problem);
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
