//! The fields that an object names, and an object without some of them.

use serde_json::{Map, Value};

use super::{
    super::schema::{ListRelation, MapType, Type},
    compare::field_form,
    field_set::FieldSet,
    step::{element_step, field_step},
};

/// The fields that an applied object names.
pub(super) fn named_fields(form: &Type, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match (form, value) {
        (Type::List(list), Value::Array(elements)) if list.relation != ListRelation::Atomic => {
            for element in elements {
                if let Ok(step) = element_step(list, element) {
                    set.insert_below(step, true, &named_fields(&list.element, element));
                }
            }
        }
        (Type::Map(map), Value::Object(fields)) if !map.atomic => name_each(Some(map), fields, &mut set),
        (Type::Any, Value::Object(fields)) => name_each(None, fields, &mut set),
        _ => {}
    }
    set
}

fn name_each(map: Option<&MapType>, fields: &Map<String, Value>, set: &mut FieldSet) {
    for (name, value) in fields {
        let form = map.map_or(&Type::Any, |map| field_form(map, name));
        let known = map.is_some_and(|map| map.fields.contains_key(name));
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        let member = is_one_value(form, value) || empty || !known;
        set.insert_below(field_step(name), member, &named_fields(form, value));
    }
}

/// Whether a value of this form is owned as a whole.
fn is_one_value(form: &Type, value: &Value) -> bool {
    match form {
        Type::Scalar(_) => true,
        Type::List(list) => list.relation == ListRelation::Atomic,
        Type::Map(map) => map.atomic,
        Type::Any => !value.is_object(),
    }
}

/// The value without the fields of a set. What is emptied by it is null.
pub(super) fn without_fields(form: &Type, value: &Value, fields: &FieldSet) -> Value {
    match (form, value) {
        (Type::List(list), Value::Array(elements)) if list.relation != ListRelation::Atomic => {
            let kept: Vec<Value> = elements
                .iter()
                .filter_map(|element| {
                    let step = element_step(list, element).unwrap_or_default();
                    kept_child(&list.element, element, fields, &step)
                })
                .collect();
            if kept.is_empty() { Value::Null } else { kept.into() }
        }
        (Type::Map(map), Value::Object(own)) if !map.atomic => without_each(Some(map), own, fields),
        (Type::Any, Value::Object(own)) => without_each(None, own, fields),
        (Type::Scalar(_), value) => value.clone(),
        _ => Value::Null,
    }
}

fn without_each(map: Option<&MapType>, own: &Map<String, Value>, fields: &FieldSet) -> Value {
    let kept: Map<String, Value> = own
        .iter()
        .filter_map(|(name, value)| {
            let form = map.map_or(&Type::Any, |map| field_form(map, name));
            Some((name.clone(), kept_child(form, value, fields, &field_step(name))?))
        })
        .collect();
    if kept.is_empty() { Value::Null } else { kept.into() }
}

fn kept_child(form: &Type, value: &Value, fields: &FieldSet, step: &str) -> Option<Value> {
    if fields.has(step) {
        return None;
    }
    Some(match fields.below(step) {
        Some(below) => without_fields(form, value, below),
        None => value.clone(),
    })
}
