//! Rules of custom kinds: the schema of their definition, in the words of the API server.

use serde_json::{Value, json};

use super::super::{
    definition::{CustomRules, ResourceDefinition, Rules},
    field_error::FieldError,
    object::{integer, text},
};
use crate::structural::{FaultCause, FaultDetail, SchemaFault, validate, validate_change};

fn rules(definition: &ResourceDefinition) -> Option<&CustomRules> {
    match &definition.rules {
        Rules::Custom(rules) => Some(rules),
        Rules::BuiltIn(_) => None,
    }
}

/// What of a new object does not fit the schema.
pub(super) fn create_errors(definition: &ResourceDefinition, object: &Value) -> Vec<FieldError> {
    let Some(rules) = rules(definition) else { return Vec::new() };
    let kind = text(object, &["kind"]).unwrap_or_default();
    if kind != definition.kind {
        return vec![FieldError::invalid("kind", &json!(kind), &format!("must be {}", definition.kind))];
    }
    let mut errors: Vec<FieldError> =
        validate(object, &rules.schema).iter().flat_map(|fault| error(fault, "")).collect();
    errors.extend(scale_errors(definition, object));
    errors
}

/// What of a change does not fit the schema. What was wrong before and is as it was may stay so.
pub(super) fn update_errors(
    definition: &ResourceDefinition,
    subresource: &str,
    new: &Value,
    old: &Value,
) -> Vec<FieldError> {
    let Some(rules) = rules(definition) else { return Vec::new() };
    let faults = validate_change(new, old, &rules.schema);
    if faults.is_empty() {
        return scale_errors(definition, new);
    }
    let before = validate(old, &rules.schema);
    // A status is looked at by itself, and its parts are named from there in the words of a fault.
    let root = if subresource == "status" { "status." } else { "" };
    let in_status = |fault: &&SchemaFault| fault.path == "status" || fault.path.starts_with("status.");
    let faults = faults.iter().filter(|fault| subresource != "status" || in_status(fault));
    let mut errors: Vec<FieldError> =
        faults.filter(|fault| !before.contains(fault)).flat_map(|fault| error(fault, root)).collect();
    errors.extend(scale_errors(definition, new));
    errors
}

fn scale_errors(definition: &ResourceDefinition, object: &Value) -> Vec<FieldError> {
    let Some(scale) = &definition.scale else { return Vec::new() };
    let mut errors = Vec::new();
    for place in [&scale.spec_replicas, &scale.status_replicas] {
        let path: Vec<&str> = place.iter().map(String::as_str).collect();
        if let Some(replicas) = integer(object, &path).filter(|replicas| *replicas < 0) {
            let field = format!(".{}", path.join("."));
            errors.push(FieldError::invalid(&field, &json!(replicas), "should be a non-negative integer"));
        }
    }
    errors
}

/// A fault as the API server words it, its place told from a root.
fn error(fault: &SchemaFault, root: &str) -> Vec<FieldError> {
    let path = fault.path.as_str();
    let place = path.strip_prefix(root).unwrap_or(path);
    let invalid = |told: String| vec![FieldError::invalid(path, &fault.value, &told)];
    match (&fault.detail, fault.cause) {
        (FaultDetail::Type(wanted), _) => {
            let given = kind_of(&fault.value);
            let told = format!("{place} in body must be of type {wanted}: {given:?}");
            vec![FieldError::type_invalid(path, &json!(given), &told)]
        }
        (FaultDetail::Names(names), _) => {
            let names: Vec<String> =
                names.iter().map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            vec![FieldError::not_supported(path, &fault.value, &names)]
        }
        (FaultDetail::Pattern(pattern), _) => invalid(format!("{place} in body should match '{pattern}'")),
        (FaultDetail::Format(format), _) => {
            let told = format!("{place} in body must be of type {format}: {}", fault.value);
            vec![FieldError::type_invalid(path, &fault.value, &told)]
        }
        (FaultDetail::Bound { keyword, limit }, _) => bound_error(fault, place, keyword, limit),
        (FaultDetail::Twice, _) => vec![FieldError::duplicate(path, &fault.value)],
        (FaultDetail::Excluded, _) => {
            let told = format!("{place:?} must not validate the schema (not)");
            vec![FieldError::invalid("", &json!(""), &told)]
        }
        (FaultDetail::Field, FaultCause::FieldValueRequired) => vec![FieldError::required(path, "")],
        // Unknown fields are pruned before.
        (FaultDetail::Field, _) => Vec::new(),
    }
}

fn bound_error(fault: &SchemaFault, place: &str, keyword: &str, limit: &Value) -> Vec<FieldError> {
    let path = fault.path.as_str();
    let whole = limit.as_f64().unwrap_or_default().max(0.0);
    // Bounds of sizes are small whole numbers.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bound of a size, checked not to be negative"
    )]
    let size_max = whole as u64;
    let size = match &fault.value {
        Value::Array(elements) => elements.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    let told = match keyword {
        "maxLength" => return vec![FieldError::too_long(path, size_max)],
        "maxItems" | "maxProperties" => return vec![FieldError::too_many(path, size, size_max)],
        "minLength" => format!("{place} in body should be at least {limit} chars long"),
        "minItems" => format!("{place} in body should have at least {limit} items"),
        "minProperties" => format!("{place} in body should have at least {limit} properties"),
        "maximum" => format!("{place} in body should be less than or equal to {limit}"),
        _ => format!("{place} in body should be greater than or equal to {limit}"),
    };
    let value = match keyword {
        "minItems" | "minProperties" => json!(size),
        _ => fault.value.clone(),
    };
    vec![FieldError::invalid(path, &value, &told)]
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
