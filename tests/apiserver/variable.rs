//! Variables of a script: `${name}` in paths, queries and bodies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What a script knows: paths that every script needs, and what its steps captured.
pub(crate) struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// Those that a script in this namespace begins with.
    pub(crate) fn new(namespace: &str) -> Self {
        let paths = [
            ("core", "/api/v1"),
            ("apps", "/apis/apps/v1"),
            ("ours", "/apis/phaseloop.dev/v1alpha1"),
            ("leases", "/apis/coordination.k8s.io/v1"),
            ("events", "/apis/events.k8s.io/v1"),
            ("autoscaling", "/apis/autoscaling/v2"),
            ("policy", "/apis/policy/v1"),
        ];
        let paths =
            paths.map(|(name, group)| (name.to_owned(), Value::from(format!("{group}/namespaces/{namespace}"))));
        let mut variables: BTreeMap<String, Value> = paths.into_iter().collect();
        variables.insert("namespace".to_owned(), namespace.into());
        Self(variables)
    }

    /// Remembers a part of an answer.
    pub(crate) fn capture(&mut self, name: &str, pointer: &str, answer: &Value) -> Result<(), String> {
        let part = answer.pointer(pointer).ok_or_else(|| format!("the answer has no {pointer} to capture"))?;
        self.0.insert(name.to_owned(), part.clone());
        Ok(())
    }

    /// A whole value that was captured.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text with its variables filled in.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').ok_or_else(|| format!("{text}: ${{ without }}"))?;
            filled.push_str(before);
            match self.0.get(name) {
                Some(Value::String(value)) => filled.push_str(value),
                Some(value) => filled.push_str(&value.to_string()),
                None => return Err(format!("{text}: no step captured {name}")),
            }
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// A value with the variables of all its texts filled in. A text that is one variable takes its value as it is.
    pub(crate) fn fill_value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match whole_name(text).and_then(|name| self.0.get(name)) {
                Some(value) => value.clone(),
                None => Value::String(self.fill(text)?),
            },
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_value(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, field) in fields {
                    filled.insert(self.fill(name)?, self.fill_value(field)?);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }
}

/// `${a}` -> `a`, where the text is nothing else.
fn whole_name(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

/// RFC 7386.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
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
    fn variables_are_filled_in_wherever_a_text_stands() {
        let mut variables = Variables::new("n");
        variables
            .capture("version", "/metadata/resourceVersion", &json!({ "metadata": { "resourceVersion": "7" } }))
            .unwrap();
        variables.capture("limits", "/limits", &json!({ "limits": { "a": 1 } })).unwrap();
        let body = json!({ "${namespace}": ["v${version}-${version}", "${limits}", 3], "a": "$5 {x}" });
        let filled = json!({ "n": ["v7-7", { "a": 1 }, 3], "a": "$5 {x}" });
        assert_eq!(variables.fill_value(&body).unwrap(), filled);
        assert_eq!(variables.fill("${core}/pods").unwrap(), "/api/v1/namespaces/n/pods");
    }

    #[test]
    fn what_was_never_captured_is_an_error() {
        let mut variables = Variables::new("n");
        assert!(variables.fill("${version}").unwrap_err().contains("version"));
        assert!(variables.fill("${version").is_err());
        assert!(variables.fill_value(&json!(["${version}"])).is_err());
        assert!(variables.capture("a", "/a", &json!({})).is_err());
    }

    #[test]
    fn a_change_takes_away_what_is_null() {
        let mut value = json!({ "a": { "b": 1, "c": 2 }, "d": 3 });
        merge(&mut value, &json!({ "a": { "b": null, "e": { "f": 4, "g": null } }, "d": [5] }));
        assert_eq!(value, json!({ "a": { "c": 2, "e": { "f": 4 } }, "d": [5] }));
    }
}
