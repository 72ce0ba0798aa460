//! Strategic merge patch: lists are merged by key where the kind says so.

use serde_json::{Map, Value};

use super::super::{
    schema::{ListType, PatchStrategy, Type},
    status_error::StatusError,
};

/// Says what happens to the object that holds it: `replace`, `delete` or `merge`.
const DIRECTIVE: &str = "$patch";
/// Names the only keys that stay.
const RETAIN_KEYS: &str = "$retainKeys";
/// Gives the order of a list.
const ELEMENT_ORDER: &str = "$setElementOrder/";
/// Takes values out of a list.
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";

/// The object after the patch.
///
/// # Errors
/// 400 where the patch has a directive that there is not, or an element without the key of its list.
pub(in super::super) fn strategic(form: &Type, object: Value, patch: &Value) -> Result<Value, StatusError> {
    let Value::Object(patch) = patch else {
        return Err(StatusError::bad_request("invalid JSON document"));
    };
    match object {
        Value::Object(fields) => merge_maps(form, fields, patch).map(Value::Object),
        _ => Ok(Value::Object(cleaned(patch))),
    }
}

fn field_of<'a>(form: &'a Type, name: &str) -> (Option<&'a Type>, Option<&'a PatchStrategy>) {
    match form {
        Type::Map(map) => match map.fields.get(name) {
            Some(field) => (Some(&field.form), Some(&field.patch)),
            None => (map.element.as_deref(), None),
        },
        _ => (None, None),
    }
}

fn merge_maps(
    form: &Type,
    mut fields: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, StatusError> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => return Ok(cleaned(patch)),
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => {
            return Err(StatusError::bad_request(format!("unknown patch type found: {other}")));
        }
    }
    if let Some(kept) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        fields.retain(|name, _| kept.iter().any(|own| own == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM_LIST) {
            let gone = value.as_array().map_or(&[] as &[Value], Vec::as_slice);
            if let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) {
                elements.retain(|element| !gone.contains(element));
            }
        } else if !name.starts_with('$') {
            merge_field(form, &mut fields, name, value)?;
        }
    }
    for (name, order) in patch {
        if let (Some(list), Some(order)) = (name.strip_prefix(ELEMENT_ORDER), order.as_array()) {
            let key = field_of(form, list).1.and_then(|strategy| strategy.merge_key.clone()).unwrap_or_default();
            if let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) {
                put_in_order(elements, order, &key);
            }
        }
    }
    Ok(fields)
}

fn merge_field(form: &Type, fields: &mut Map<String, Value>, name: &str, value: &Value) -> Result<(), StatusError> {
    let (field, strategy) = field_of(form, name);
    let own = fields.remove(name);
    let merged = match (own, value) {
        (_, Value::Null) => return Ok(()),
        (Some(Value::Object(own)), Value::Object(patch)) => {
            let patched = merge_maps(field.unwrap_or(&Type::Any), own, patch)?;
            if patch.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
                return Ok(());
            }
            Value::Object(patched)
        }
        (Some(Value::Array(own)), Value::Array(patch)) => {
            match (strategy.and_then(|strategy| strategy.merge_key.as_deref()), field) {
                (Some(""), _) => merge_values(own, patch),
                (Some(key), Some(Type::List(list))) => merge_lists(list, key, own, patch)?,
                _ => value.clone(),
            }
        }
        (_, Value::Object(patch)) => Value::Object(cleaned(patch)),
        (_, Value::Array(patch)) => patch.iter().filter_map(cleaned_element).collect(),
        (_, value) => value.clone(),
    };
    fields.insert(name.to_owned(), merged);
    Ok(())
}

/// Values of both lists, each once.
fn merge_values(mut own: Vec<Value>, patch: &[Value]) -> Value {
    for value in patch {
        if !own.contains(value) {
            own.push(value.clone());
        }
    }
    own.into()
}

fn merge_lists(list: &ListType, key: &str, mut own: Vec<Value>, patch: &[Value]) -> Result<Value, StatusError> {
    let is = |element: &Value, directive: &str| element.get(DIRECTIVE).is_some_and(|own| own == directive);
    if patch.iter().any(|element| is(element, "replace")) {
        return Ok(patch.iter().filter_map(cleaned_element).collect());
    }
    for element in patch {
        let Some(value) = element.get(key) else {
            return Err(StatusError::bad_request(format!("map: {element} does not contain declared merge key: {key}")));
        };
        let place = own.iter().position(|own| own.get(key) == Some(value));
        if is(element, "delete") {
            own.retain(|own| own.get(key) != Some(value));
            continue;
        }
        let Some(patch) = element.as_object() else { continue };
        match place.and_then(|place| own.get_mut(place)) {
            Some(slot) => {
                let before = std::mem::take(slot);
                *slot = match before {
                    Value::Object(before) => Value::Object(merge_maps(&list.element, before, patch)?),
                    _ => Value::Object(cleaned(patch)),
                };
            }
            None => own.push(Value::Object(cleaned(patch))),
        }
    }
    Ok(own.into())
}

/// Orders the elements that an order names; the others stay behind those that they stood behind.
fn put_in_order(elements: &mut Vec<Value>, order: &[Value], key: &str) {
    let identity =
        |value: &Value| if key.is_empty() { value.clone() } else { value.get(key).cloned().unwrap_or_default() };
    let rank = |element: &Value| order.iter().position(|wanted| identity(wanted) == identity(element));
    let mut last = 0;
    let mut ranked: Vec<(usize, usize, Value)> = Vec::new();
    for (index, element) in std::mem::take(elements).into_iter().enumerate() {
        last = rank(&element).unwrap_or(last);
        ranked.push((last, index, element));
    }
    ranked.sort_by_key(|(rank, index, _)| (*rank, *index));
    *elements = ranked.into_iter().map(|(_, _, element)| element).collect();
}

/// A part of a patch that meets nothing: without directives and nulls.
fn cleaned(patch: &Map<String, Value>) -> Map<String, Value> {
    let kept = patch.iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
    kept.map(|(name, value)| {
        let value = match value {
            Value::Object(fields) => Value::Object(cleaned(fields)),
            Value::Array(elements) => elements.iter().filter_map(cleaned_element).collect(),
            other => other.clone(),
        };
        (name.clone(), value)
    })
    .collect()
}

fn cleaned_element(element: &Value) -> Option<Value> {
    match element {
        Value::Object(fields) => {
            let cleaned = cleaned(fields);
            (!(cleaned.is_empty() && fields.contains_key(DIRECTIVE))
                && fields.get(DIRECTIVE).is_none_or(|directive| directive != "delete"))
            .then_some(Value::Object(cleaned))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulation::api_server::schema::builtin_type;

    fn patched(object: Value, patch: &Value) -> Value {
        strategic(&builtin_type("core/v1.PodSpec").unwrap(), object, patch).unwrap()
    }

    fn spec() -> Value {
        json!({
            "containers": [
                { "name": "engine", "image": "a:1", "args": ["x"], "env": [{ "name": "A", "value": "1" }] },
                { "name": "sidecar", "image": "b:1" },
            ],
            "tolerations": [{ "key": "a" }],
            "volumes": [{ "name": "v", "emptyDir": {} }],
        })
    }

    #[test]
    fn containers_are_merged_by_name_and_arguments_replaced() {
        let patch = json!({ "containers": [
            { "name": "engine", "args": ["y"], "env": [{ "name": "B", "value": "2" }] }, { "name": "new", "image": "c:1" }] });
        let spec = patched(spec(), &patch);
        assert_eq!(spec["containers"][0]["image"], "a:1");
        assert_eq!(spec["containers"][0]["args"], json!(["y"]));
        assert_eq!(spec["containers"][0]["env"], json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }]));
        assert_eq!(spec["containers"][1]["name"], "sidecar");
        assert_eq!(spec["containers"][2]["image"], "c:1");
    }

    #[test]
    fn directives_delete_replace_and_retain() {
        let gone = patched(spec(), &json!({ "containers": [{ "name": "sidecar", "$patch": "delete" }] }));
        assert_eq!(gone["containers"].as_array().unwrap().len(), 1);
        let replaced = json!({ "containers": [{ "$patch": "replace" }, { "name": "only" }] });
        assert_eq!(patched(spec(), &replaced)["containers"], json!([{ "name": "only" }]));
        let volume =
            json!({ "volumes": [{ "name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": { "path": "p" } }] });
        assert_eq!(patched(spec(), &volume)["volumes"], json!([{ "name": "v", "hostPath": { "path": "p" } }]));
        assert_eq!(
            patched(spec(), &json!({ "tolerations": [{ "key": "b" }] }))["tolerations"],
            json!([{ "key": "b" }])
        );
    }

    #[test]
    fn an_order_is_kept_and_null_takes_away() {
        let patch = json!({
            "$setElementOrder/containers": [{ "name": "sidecar" }, { "name": "engine" }], "tolerations": null,
        });
        let spec = patched(spec(), &patch);
        assert_eq!(spec["containers"][0]["name"], "sidecar");
        assert_eq!(spec.get("tolerations"), None);
        let error = strategic(&builtin_type("core/v1.PodSpec").unwrap(), spec, &json!({ "containers": [{}] }));
        assert_eq!(error.unwrap_err().code, 400);
    }
}
