//! JSON Merge Patch (RFC 7386).

use serde_json::{Map, Value};

/// Merges a patch into a value: null takes away, an object goes field by field, anything else replaces.
pub(in super::super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_takes_away_and_lists_are_replaced() {
        let mut target = json!({ "a": { "b": 1, "c": 2 }, "d": [1, 2] });
        merge(&mut target, &json!({ "a": { "b": null, "e": { "f": null } }, "d": [3] }));
        assert_eq!(target, json!({ "a": { "c": 2, "e": {} }, "d": [3] }));
    }
}
