//! Whether an applied object has the form of its kind.

use serde_json::{Map, Value};

use super::{
    super::schema::{ListRelation, MapType, Scalar, Type},
    step::{element_step, told},
};

/// Looks whether every field of an applied object is one of its kind, and of its type.
///
/// # Errors
/// What is not, in the words of the API server.
pub(in super::super) fn check_applied(form: &Type, applied: &Value) -> Result<(), String> {
    let mut problems = Vec::new();
    check(form, applied, "", &mut problems);
    match problems.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn check(form: &Type, value: &Value, path: &str, problems: &mut Vec<String>) {
    let mut refuse = |wanted: &str| {
        problems.push(format!("{path}: expected {wanted}, got &value.valueUnstructured{{Value:{}}}", shown(value)));
    };
    match (form, value) {
        (Type::Any, _) | (_, Value::Null) => {}
        (Type::Scalar(kind), value) => {
            if let Some(wanted) = wanted(*kind, value) {
                refuse(wanted);
            }
        }
        (Type::List(list), Value::Array(elements)) => {
            for (index, element) in elements.iter().enumerate() {
                let step = match list.relation {
                    ListRelation::Atomic => format!("[{index}]"),
                    _ => match element_step(list, element) {
                        Ok(step) => told(&step),
                        Err(problem) => {
                            problems.push(format!("{path}: element {index}: {problem}"));
                            continue;
                        }
                    },
                };
                check(&list.element, element, &format!("{path}{step}"), problems);
            }
        }
        (Type::Map(map), Value::Object(fields)) => check_fields(map, fields, path, problems),
        (Type::List(_), _) => refuse("list"),
        (Type::Map(_), _) => refuse("map"),
    }
}

fn check_fields(map: &MapType, fields: &Map<String, Value>, path: &str, problems: &mut Vec<String>) {
    for (name, value) in fields {
        let place = format!("{path}.{name}");
        match map.fields.get(name).map(|field| &*field.form).or(map.element.as_deref()) {
            Some(form) => check(form, value, &place, problems),
            None => problems.push(format!("{place}: field not declared in schema")),
        }
    }
}

/// What is wanted in place of a value that does not do.
fn wanted(kind: Scalar, value: &Value) -> Option<&'static str> {
    match (kind, value) {
        (_, Value::Array(_) | Value::Object(_)) => Some("scalar"),
        (Scalar::Boolean, value) => (!value.is_boolean()).then_some("boolean"),
        (Scalar::Integer32 | Scalar::Integer64 | Scalar::Float, value) => {
            (!value.is_number()).then_some("numeric (int or float)")
        }
        (Scalar::String | Scalar::Time | Scalar::MicroTime | Scalar::Duration | Scalar::Bytes, value) => {
            (!value.is_string()).then_some("string")
        }
        (Scalar::Quantity | Scalar::IntegerOrString, _) => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
