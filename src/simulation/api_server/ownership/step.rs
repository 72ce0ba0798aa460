//! Steps of paths to fields.

use serde_json::{Map, Value};

use super::super::schema::{ListRelation, ListType, Type};

/// The step to a field of an object.
pub(super) fn field_step(name: &str) -> String {
    ["f:", name].concat()
}

/// The step to an element of a list that is no single value.
///
/// # Errors
/// What makes the element none of such a list.
pub(super) fn element_step(list: &ListType, element: &Value) -> Result<String, String> {
    match &list.relation {
        ListRelation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        ListRelation::Set => match element {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            value => Ok(format!("v:{value}")),
        },
        ListRelation::Map(keys) => keyed_step(list, keys, element),
    }
}

fn keyed_step(list: &ListType, keys: &[String], element: &Value) -> Result<String, String> {
    let fields = match element {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found = Map::new();
    for key in keys {
        if let Some(value) = fields.get(key).or_else(|| default_of(&list.element, key)) {
            found.insert(key.clone(), value.clone());
        }
    }
    if found.is_empty() {
        let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    Ok(format!("k:{}", Value::Object(found)))
}

fn default_of<'a>(form: &'a Type, field: &str) -> Option<&'a Value> {
    match form {
        Type::Map(map) => map.fields.get(field)?.default.as_ref(),
        _ => None,
    }
}

/// A step as messages write it: `.spec`, `[name="engine"]`, `[="a"]`.
pub(super) fn told(step: &str) -> String {
    let (kind, rest) = step.split_once(':').unwrap_or(("f", step));
    match kind {
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        "v" => format!("[={rest}]"),
        "i" => format!("[{rest}]"),
        _ => format!(".{rest}"),
    }
}
