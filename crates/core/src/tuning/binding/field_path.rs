//! A parameter in a field of an object, by JSON Pointer (RFC 6901). Only scalars are set, and never in a list: an index
//! means another element as soon as someone inserts one.

use serde_json::Value;

use super::{BindingError, BindingReason, PreImage, refuse};
use crate::{prelude::*, value::ParameterValue};

pub(super) fn read(object: &Value, pointer: &str) -> Result<Option<String>, BindingError> {
    let (parent, key) = split(pointer)?;
    let Some(fields) = object.pointer(parent).and_then(Value::as_object) else {
        return no_such_field(parent);
    };
    match fields.get(&key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(scalar.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => {
            refuse(BindingReason::NotAScalar, format!("{pointer} holds an object or a list"))
        }
    }
}

pub(super) fn set(object: &mut Value, pointer: &str, value: &ParameterValue) -> Result<PreImage, BindingError> {
    read(object, pointer)?;
    let (parent, key) = split(pointer)?;
    let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) else {
        return no_such_field(parent);
    };
    let as_text = matches!(fields.get(&key), Some(Value::String(_)));
    let new = if as_text { Value::String(value.to_string()) } else { scalar_of(value) };
    Ok(fields.insert(key, new).map_or(PreImage::Absent, PreImage::Json))
}

pub(super) fn restore(object: &mut Value, pointer: &str, pre_image: &PreImage) -> Result<(), BindingError> {
    let (parent, key) = split(pointer)?;
    let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) else {
        return no_such_field(parent);
    };
    match pre_image {
        PreImage::Json(old) => fields.insert(key, old.clone()),
        _ => fields.remove(&key),
    };
    Ok(())
}

/// A number where it is one, true or false where it is that, else text.
fn scalar_of(value: &ParameterValue) -> Value {
    match value {
        ParameterValue::Number(number) => match number.to_integer() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.to_f64()),
        },
        ParameterValue::Text(text) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::String(text.clone()),
        },
    }
}

/// The pointer to the object around the field, and the field's name.
fn split(pointer: &str) -> Result<(&str, String), BindingError> {
    match pointer.rsplit_once('/') {
        Some((parent, key)) => Ok((parent, key.replace("~1", "/").replace("~0", "~"))),
        None => refuse(BindingReason::NoSuchField, format!("{pointer:?} is no JSON Pointer; begin it with a slash")),
    }
}

fn no_such_field<T>(parent: &str) -> Result<T, BindingError> {
    refuse(BindingReason::NoSuchField, format!("there is no object at {parent:?}"))
}
