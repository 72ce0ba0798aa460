//! An object of a built-in kind as Kubernetes keeps it: what the Go types hold, zero values left out, defaults set.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{super::kinds::defaults::set_defaults, Field, MapType, Scalar, Type, base64, quantity};

/// An object of a form, and what of the given one is no part of it.
#[derive(Debug, Default)]
pub(in super::super) struct Decoded {
    pub(in super::super) value: Value,
    /// Unknown fields, as strict decoding reports them.
    pub(in super::super) unknown: Vec<String>,
}

/// Parts of an object that most writes leave as they are.
const PARTS: [&str; 2] = ["metadata", "spec"];

/// Decodes a value of a form.
///
/// # Errors
/// The first value that is of another type than its field, in the words of Go's decoder.
pub(in super::super) fn decode(form: &Type, value: Value) -> Result<Decoded, String> {
    decode_changed(form, value, None)
}

/// Decodes an object of a form of which an earlier version was decoded: what is as it was then is not decoded again.
///
/// # Errors
/// As [`decode`].
pub(in super::super) fn decode_changed(
    form: &Type,
    value: Value,
    decoded_before: Option<&Value>,
) -> Result<Decoded, String> {
    let mut walk = Walk::default();
    let value = match (form, value) {
        (Type::Map(map), Value::Object(fields)) if !map.name.is_empty() => walk.structure(map, fields, decoded_before),
        (form, value) => walk.value(form, value),
    };
    match walk.fault {
        Some(fault) => Err(fault),
        None => Ok(Decoded { value, unknown: walk.unknown }),
    }
}

#[derive(Default)]
struct Walk<'a> {
    unknown: Vec<String>,
    fault: Option<String>,
    /// Names of the fields on the way, without keys and indices.
    fields: Vec<&'a str>,
    /// The whole way.
    place: String,
    /// The struct that holds the field.
    owner: &'a str,
}

impl<'a> Walk<'a> {
    fn value(&mut self, form: &'a Type, value: Value) -> Value {
        match (form, value) {
            (Type::Any, value) => value,
            (_, Value::Null) => Value::Null,
            (Type::Scalar(kind), value) => self.scalar(*kind, value),
            (Type::List(list), Value::Array(elements)) => {
                let decoded = elements.into_iter().enumerate().map(|(index, element)| {
                    let end = self.place.len();
                    let _ = write!(self.place, "[{index}]");
                    let mut decoded = self.value(&list.element, element);
                    self.place.truncate(end);
                    if decoded.is_null() {
                        decoded = zero(&list.element);
                    }
                    decoded
                });
                decoded.collect()
            }
            (Type::Map(map), Value::Object(fields)) if map.name.is_empty() => self.map(map, fields),
            (Type::Map(map), Value::Object(fields)) => self.structure(map, fields, None),
            (form, value) => self.wrong_type(&value, &go_type(form)),
        }
    }

    fn map(&mut self, map: &'a MapType, fields: Map<String, Value>) -> Value {
        let element = map.element.as_deref().unwrap_or(&Type::Any);
        let decoded = fields.into_iter().map(|(name, value)| {
            let end = self.place.len();
            self.place.push('.');
            self.place.push_str(&name);
            let mut decoded = self.value(element, value);
            self.place.truncate(end);
            if decoded.is_null() {
                decoded = zero(element);
            }
            (name, decoded)
        });
        Value::Object(decoded.collect())
    }

    fn structure(&mut self, map: &'a MapType, fields: Map<String, Value>, decoded_before: Option<&Value>) -> Value {
        let mut decoded = Map::new();
        for (name, value) in fields {
            if decoded_before.is_some_and(|before| PARTS.contains(&&*name) && before.get(&name) == Some(&value)) {
                debug_assert!(
                    map.fields.get(&name).is_some_and(|field| is_decoded(&field.form, &value)),
                    "{name} of {}: {value}",
                    map.name
                );
                decoded.insert(name, value);
                continue;
            }
            let end = self.place.len();
            self.place.push_str(if end == 0 { "" } else { "." });
            self.place.push_str(&name);
            match map.fields.get_key_value(&name) {
                Some((own_name, field)) => {
                    self.fields.push(own_name);
                    let owner = std::mem::replace(&mut self.owner, &map.name);
                    let value = self.value(&field.form, value);
                    self.owner = owner;
                    self.fields.pop();
                    if stays(field, &value) {
                        decoded.insert(name, value);
                    }
                }
                None => self.unknown.push(format!("unknown field {:?}", self.place)),
            }
            self.place.truncate(end);
        }
        complete(map, &mut decoded);
        Value::Object(decoded)
    }

    fn wrong_type(&mut self, value: &Value, wanted: &str) -> Value {
        let given = match value {
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
            Value::Null => "null".to_owned(),
        };
        let owner = self.owner.rsplit('.').next().unwrap_or_default();
        let place = if self.fields.is_empty() {
            "Go value".to_owned()
        } else {
            format!("Go struct field {owner}.{}", self.fields.join("."))
        };
        self.fail(format!("json: cannot unmarshal {given} into {place} of type {wanted}"))
    }

    fn fail(&mut self, fault: String) -> Value {
        self.fault.get_or_insert(fault);
        Value::Null
    }

    fn scalar(&mut self, kind: Scalar, value: Value) -> Value {
        match (kind, &value) {
            (Scalar::String | Scalar::Duration, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) => value,
            (Scalar::IntegerOrString, Value::String(_)) => value,
            (Scalar::Float, Value::Number(_)) => value,
            (Scalar::Integer32, Value::Number(number)) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
                value
            }
            (Scalar::IntegerOrString, Value::Number(number)) if number.is_i64() => value,
            (Scalar::Integer64, Value::Number(number)) if number.is_i64() => value,
            (Scalar::Quantity, Value::String(text)) => match quantity::canonical(text) {
                Some(text) => text.into(),
                None => self.fail(quantity::FAULT.to_owned()),
            },
            (Scalar::Quantity, Value::Number(number)) => match quantity::canonical(&number.to_string()) {
                Some(text) => text.into(),
                None => self.fail(quantity::FAULT.to_owned()),
            },
            (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
                match super::time::written(text, kind == Scalar::MicroTime) {
                    Ok(text) => text.into(),
                    Err(fault) => self.fail(fault),
                }
            }
            (Scalar::Bytes, Value::String(text)) => match base64::fault(text) {
                None => value,
                Some(at) => self.fail(format!("illegal base64 data at input byte {at}")),
            },
            _ => self.wrong_type(&value, scalar_name(kind)),
        }
    }
}

/// Whether decoding a value would leave it as it is.
fn is_decoded(form: &Type, value: &Value) -> bool {
    decode(form, value.clone()).is_ok_and(|again| again.value == *value && again.unknown.is_empty())
}

fn scalar_name(kind: Scalar) -> &'static str {
    match kind {
        Scalar::String => "string",
        Scalar::Boolean => "bool",
        Scalar::Integer32 => "int32",
        Scalar::Integer64 => "int64",
        Scalar::Float => "float64",
        Scalar::Quantity => "resource.Quantity",
        Scalar::IntegerOrString => "intstr.IntOrString",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Duration => "v1.Duration",
        Scalar::Bytes => "[]uint8",
    }
}

fn go_type(form: &Type) -> String {
    match form {
        Type::Scalar(kind) => scalar_name(*kind).to_owned(),
        Type::List(list) => format!("[]{}", go_type(&list.element)),
        Type::Map(map) if map.name.is_empty() => {
            format!("map[string]{}", map.element.as_deref().map_or_else(String::new, go_type))
        }
        Type::Map(map) => map.name.rsplit('/').next().unwrap_or_default().to_owned(),
        Type::Any => "interface {}".to_owned(),
    }
}

/// Whether Go writes the field with this value.
fn stays(field: &Field, value: &Value) -> bool {
    if field.optional || is_struct(&field.form) {
        return !value.is_null() && !(field.left_out_when_zero && is_empty(value));
    }
    !(field.left_out_when_empty && is_empty(value)) && !value.is_null()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Whether the form is a Go struct, which is never left out for being empty.
fn is_struct(form: &Type) -> bool {
    match form {
        Type::Map(map) => !map.name.is_empty(),
        Type::Scalar(kind) => {
            matches!(
                kind,
                Scalar::Time | Scalar::MicroTime | Scalar::Quantity | Scalar::IntegerOrString | Scalar::Duration
            )
        }
        _ => false,
    }
}

/// Sets what Go writes of fields that are absent, and the defaults of the struct.
fn complete(map: &MapType, decoded: &mut Map<String, Value>) {
    for (name, field) in &map.fields {
        // Most fields are left out where they are absent: whether they are is looked at of the others only.
        let comes = field.default.is_some()
            || if field.optional {
                !field.left_out_when_empty && !field.left_out_when_zero
            } else {
                !field.left_out_when_zero && (!field.left_out_when_empty || is_struct(&field.form))
            };
        if !comes || decoded.contains_key(name) {
            continue;
        }
        let value = match &field.default {
            Some(default) => default.clone(),
            None if field.optional => Value::Null,
            None => zero(&field.form),
        };
        decoded.insert(name.clone(), value);
    }
    set_defaults(&map.name, decoded);
}

/// Go's zero value, as JSON.
fn zero(form: &Type) -> Value {
    match form {
        Type::Map(map) if !map.name.is_empty() => {
            let mut fields = Map::new();
            complete(map, &mut fields);
            Value::Object(fields)
        }
        Type::Scalar(kind) => match kind {
            Scalar::String => json!(""),
            Scalar::Duration => json!("0s"),
            Scalar::Boolean => json!(false),
            Scalar::Integer32 | Scalar::Integer64 | Scalar::Float | Scalar::IntegerOrString => json!(0),
            Scalar::Quantity => json!("0"),
            Scalar::Time | Scalar::MicroTime | Scalar::Bytes => Value::Null,
        },
        _ => Value::Null,
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
