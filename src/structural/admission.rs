//! What the API server does to an object before it validates it: unknown fields, nulls, defaults; then validation.

use phaseloop_core::value::nearest_name;
use serde_json::Value;

use super::{FaultCause, FaultDetail, SchemaFault, SchemaNode, check::check, place::Place};

/// The value with its defaults, if it fits the schema.
///
/// # Errors
/// Every place at which it does not: unknown fields first, then in the order of the schema.
pub fn admit(mut value: Value, schema: &Value) -> Result<Value, Vec<SchemaFault>> {
    let Some(schema) = SchemaNode::of(schema) else { return Ok(value) };
    let mut faults = Vec::new();
    find_unknown_fields(&value, schema, Place::Root, &mut faults);
    drop_nulls(&mut value, schema);
    apply_defaults(&mut value, schema);
    check(&value, None, schema, Place::Root, &mut faults);
    if faults.is_empty() { Ok(value) } else { Err(faults) }
}

/// Takes away what the schema does not have, and says where it was. What every object has stays.
pub fn prune(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    if let Some(schema) = SchemaNode::of(schema) {
        prune_below(value, schema, Place::Root, &mut paths);
    }
    paths.sort();
    paths
}

/// Takes nulls away and sets defaults.
pub fn fill(value: &mut Value, schema: &Value) {
    if let Some(schema) = SchemaNode::of(schema) {
        drop_nulls(value, schema);
        apply_defaults(value, schema);
    }
}

fn prune_below(value: &mut Value, schema: SchemaNode<'_>, place: Place<'_>, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let known = schema.fields();
            fields.retain(|name, value| {
                let own = Place::Field(&place, name);
                let standard = place.is_root() && OBJECT_FIELDS.contains(&name.as_str());
                match known.of(name) {
                    Some(schema) => prune_below(value, schema, own, paths),
                    None if standard || schema.keeps_unknown_fields() => {}
                    None => {
                        paths.push(own.path());
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(elements) => {
            let Some(schema) = schema.items() else { return };
            for (index, element) in elements.iter_mut().enumerate() {
                prune_below(element, schema, Place::Element(&place, index), paths);
            }
        }
        _ => {}
    }
}

/// Fields of every object, whatever its schema says of them.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

fn find_unknown_fields(value: &Value, schema: SchemaNode<'_>, place: Place<'_>, faults: &mut Vec<SchemaFault>) {
    if schema.keeps_unknown_fields() {
        return;
    }
    match value {
        Value::Object(fields) if schema.text("type") == Some("object") => {
            let known = schema.fields();
            for (name, value) in fields {
                let own = Place::Field(&place, name);
                let standard = place.is_root() && OBJECT_FIELDS.contains(&name.as_str());
                match known.of(name) {
                    Some(schema) => find_unknown_fields(value, schema, own, faults),
                    None if standard => {}
                    None => faults.push(unknown_field(name, own.path(), schema)),
                }
            }
        }
        Value::Array(elements) => {
            let Some(schema) = schema.items() else { return };
            for (index, element) in elements.iter().enumerate() {
                find_unknown_fields(element, schema, Place::Element(&place, index), faults);
            }
        }
        _ => {}
    }
}

fn unknown_field(name: &str, path: String, schema: SchemaNode<'_>) -> SchemaFault {
    let known: Vec<&str> = schema.properties().map(|(name, _)| name.as_str()).collect();
    let remedy = match nearest_name(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("the fields here are {}", known.join(", ")),
    };
    SchemaFault {
        path,
        cause: FaultCause::UnknownField,
        detail: FaultDetail::Field,
        value: Value::Null,
        problem: "unknown field".to_owned(),
        remedy: Some(remedy),
    }
}

/// A null stands for an absent field.
fn drop_nulls(value: &mut Value, schema: SchemaNode<'_>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            let known = schema.fields();
            for (name, value) in fields {
                if let Some(schema) = known.of(name) {
                    drop_nulls(value, schema);
                }
            }
        }
        Value::Array(elements) => {
            if let Some(schema) = schema.items() {
                for element in elements {
                    drop_nulls(element, schema);
                }
            }
        }
        _ => {}
    }
}

/// Sets the default of every absent field, from the outside inwards, so that a default object gets its own defaults.
pub(super) fn apply_defaults(value: &mut Value, schema: SchemaNode<'_>) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in schema.properties() {
                if let Some(default) = schema.keyword("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            let known = schema.fields();
            for (name, value) in fields {
                if let Some(schema) = known.of(name) {
                    apply_defaults(value, schema);
                }
            }
        }
        Value::Array(elements) => {
            if let Some(schema) = schema.items() {
                for element in elements {
                    apply_defaults(element, schema);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["name"],
            "properties": {
                "name": { "type": "string" },
                "search": { "type": "object", "default": {}, "properties": {
                    "strategy": { "type": "string", "default": "List" } } },
                "items": { "type": "array", "items": { "type": "object", "properties": {
                    "weight": { "type": "integer", "default": 1.0 } } } },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            },
        })
    }

    #[test]
    fn defaults_are_set_from_the_outside_inwards() {
        let admitted = admit(json!({ "name": "a", "items": [{}, { "weight": 7 }] }), &schema()).unwrap();
        let expected =
            json!({ "name": "a", "items": [{ "weight": 1.0 }, { "weight": 7 }], "search": { "strategy": "List" } });
        assert_eq!(admitted, expected);
    }

    #[test]
    fn a_null_stands_for_an_absent_field() {
        let admitted = admit(json!({ "name": "a", "search": null, "items": [{ "weight": null }] }), &schema()).unwrap();
        assert_eq!(admitted["search"]["strategy"], "List");
        assert_eq!(admitted["items"][0]["weight"], json!(1.0));
        let faults = admit(json!({ "name": null }), &schema()).unwrap_err();
        assert_eq!(faults[0].cause, FaultCause::FieldValueRequired);
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_known_one() {
        let value =
            json!({ "name": "a", "serch": {}, "items": [{ "waight": 1 }], "labels": { "x": "y" }, "free": { "z": 1 } });
        let faults = admit(value, &schema()).unwrap_err();
        let told: Vec<_> = faults.iter().map(|fault| (fault.path.as_str(), fault.remedy.as_deref().unwrap())).collect();
        assert_eq!(told, [("items[0].waight", "did you mean weight?"), ("serch", "did you mean search?")]);
        let faults =
            admit(json!({ "name": "a", "zzzzzz": 1, "metadata": {}, "kind": "X", "apiVersion": "v1" }), &schema());
        assert_eq!(
            faults.unwrap_err()[0].remedy.as_deref(),
            Some("the fields here are free, items, labels, name, search")
        );
    }
}
