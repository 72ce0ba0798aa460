//! Reading and writing places in an object. A place that is not there reads as `None`, and is made when it is written.

use serde_json::{Map, Value};

/// The value at a place.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

/// The text at a place.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(object, path)?.as_str()
}

/// A text of the metadata; empty where it is not there.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number at a place.
pub(crate) fn integer(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path)?.as_i64()
}

/// The texts of a list; none where there is no list.
pub(crate) fn texts<'a>(object: &'a Value, path: &[&str]) -> Vec<&'a str> {
    at(object, path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The elements of a list; none where there is no list.
pub(crate) fn elements<'a>(object: &'a Value, path: &[&str]) -> &'a [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The map at a place, made where it is not there.
pub(crate) fn map_mut<'a>(object: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut value = object;
    for name in path {
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        value = value.as_object_mut()?.entry(*name).or_insert_with(|| Value::Object(Map::new()));
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// Writes a place.
pub(crate) fn set(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    let Some((name, parents)) = path.split_last() else { return };
    if let Some(map) = map_mut(object, parents) {
        map.insert((*name).to_owned(), value.into());
    }
}

/// Writes a place if nothing is there.
pub(crate) fn set_default(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    if at(object, path).is_none_or(Value::is_null) {
        set(object, path, value);
    }
}

/// Takes what is at a place away.
pub(crate) fn remove(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (name, parents) = path.split_last()?;
    let mut value = object;
    for parent in parents {
        value = value.get_mut(parent)?;
    }
    value.as_object_mut()?.remove(*name)
}

/// Makes a place of `object` what it is in `other`, absent included.
pub(crate) fn copy(object: &mut Value, other: &Value, path: &[&str]) {
    match at(other, path) {
        // Mostly it is, and comparing takes less than making it anew.
        Some(value) if at(object, path) == Some(value) => {}
        Some(value) => set(object, path, value.clone()),
        None => drop(remove(object, path)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_made_when_it_is_written_and_absent_before() {
        let mut object = json!({ "spec": null });
        assert_eq!(at(&object, &["spec", "a"]), None);
        set(&mut object, &["spec", "a", "b"], 3);
        set_default(&mut object, &["spec", "a", "b"], 4);
        assert_eq!(object, json!({ "spec": { "a": { "b": 3 } } }));
        assert_eq!(remove(&mut object, &["spec", "a", "b"]), Some(json!(3)));
        copy(&mut object, &json!({ "spec": { "a": 7 } }), &["spec", "a"]);
        copy(&mut object, &json!({}), &["kind"]);
        assert_eq!(object, json!({ "spec": { "a": 7 } }));
    }
}
