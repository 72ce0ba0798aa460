//! Where something stands in an object.

use serde_json::Value;

/// Reading fields of an object by their paths.
pub trait At {
    /// What stands at a JSON Pointer, as `Value::pointer` answers. Nearly all names are without `/` and `~`: such a pointer is
    /// not turned into another text, name by name, before it is followed. The oracles alone follow 3,000 in a night.
    fn at(&self, pointer: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        if pointer.contains('~') {
            return self.pointer(pointer);
        }
        let Some(names) = pointer.strip_prefix('/') else { return pointer.is_empty().then_some(self) };
        names.split('/').try_fold(self, |value, name| match value {
            Value::Object(fields) => fields.get(name),
            // As serde_json has it: no sign, and no zeros before a number.
            Value::Array(_) => value.pointer(&format!("/{name}")),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_where_a_json_pointer_leads() {
        let object = json!({"a": {"b": [1, {"c": null}], "": 2, "x/y": 3, "~": 4}, "": 5});
        for pointer in [
            "", "/", "/a", "/a/", "/a/b", "/a/b/0", "/a/b/1/c", "/a/b/01", "/a/b/+1", "/a/b/2", "/a/b/-", "/a/x~1y",
            "/a/x/y", "/a/~0", "/a/~", "a", "a/b", "//", "/a/b/0/c",
        ] {
            assert_eq!(object.at(pointer), object.pointer(pointer), "{pointer}");
        }
    }
}
