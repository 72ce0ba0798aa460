//! The reference of the API, made from the definitions.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::crds::crd_values;

/// The reference as committed under `docs/reference/api.md`.
pub fn api_reference_markdown() -> String {
    let mut text = String::from(
        "# The API: `phaseloop.dev/v1alpha1`\n\n\
         Generated from the definitions in `crds/`: `UPDATE=1 cargo test --test api` writes it anew.\n\n\
         Durations are whole numbers with `h`, `m`, `s` or `ms` (`90s`, `1h30m`). Numbers are read as the \
         decimals that they are written as, with at most six digits after the point. Unknown fields are refused. All kinds are namespaced and refer to objects of their own namespace \
         only; none holds a pod.\n",
    );
    let crds = crd_values();
    text.push_str("\n| kind | short | what it is |\n| --- | --- | --- |\n");
    for crd in &crds {
        let (kind, short) = (text_at(crd, "/spec/names/kind"), text_at(crd, "/spec/names/shortNames/0"));
        let first = text_at(schema_of(crd), "/description").split_once(". ").map_or("", |(first, _)| first);
        let _ = writeln!(text, "| [{kind}](#{}) | `{short}` | {} |", kind.to_lowercase(), cell(first));
    }
    for crd in &crds {
        kind_section(&mut text, crd);
    }
    text
}

fn kind_section(text: &mut String, crd: &Value) {
    let schema = schema_of(crd);
    let _ = write!(text, "\n## {}\n\n{}\n", text_at(crd, "/spec/names/kind"), text_at(schema, "/description"));
    text.push_str("\n### Columns of `kubectl get`\n\n| column | from | shown |\n| --- | --- | --- |\n");
    let columns = crd.pointer("/spec/versions/0/additionalPrinterColumns").and_then(Value::as_array);
    for column in columns.into_iter().flatten() {
        let shown = if column.get("priority").is_some() { "with `-o wide`" } else { "always" };
        let (name, path) = (text_at(column, "/name"), text_at(column, "/jsonPath"));
        let _ = writeln!(text, "| {name} | `{}` | {shown} |", cell(path));
    }
    for part in ["spec", "status"] {
        if let Some(schema) = schema.pointer(&format!("/properties/{part}")) {
            let _ = write!(text, "\n### `{part}`\n\n{}\n", text_at(schema, "/description"));
            fields(text, schema, part);
        }
    }
    let mut rules = Vec::new();
    collect_rules(schema, "", &mut rules);
    text.push_str("\n### Rules\n\n| where | what must hold |\n| --- | --- |\n");
    for (path, message) in rules {
        let place = if path.is_empty() { "the object".to_owned() } else { format!("`{path}`") };
        let _ = writeln!(text, "| {place} | {} |", cell(&message));
    }
}

/// A table of every field below a schema.
pub(crate) fn fields(text: &mut String, schema: &Value, path: &str) {
    text.push_str("\n| field | type | default | bounds | meaning |\n| --- | --- | --- | --- | --- |\n");
    rows(text, schema, path);
}

fn rows(text: &mut String, schema: &Value, path: &str) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|required| required.iter().any(|known| known == name));
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let default = match field.get("default") {
            Some(default) => format!("`{}`", cell(&plain(default))),
            None if is_required(name) => "required".to_owned(),
            None => String::new(),
        };
        let meaning = cell(text_at(field, "/description"));
        let _ = writeln!(text, "| `{path}` | {} | {default} | {} | {meaning} |", type_of(field), cell(&bounds(field)));
        let inner = field.get("items").or_else(|| field.get("additionalProperties"));
        match inner {
            Some(inner) => rows(text, inner, &format!("{path}[]")),
            None => rows(text, field, &path),
        }
    }
}

fn type_of(field: &Value) -> String {
    let kind = text_at(field, "/type");
    let inner = |keyword: &str| field.get(keyword).map(type_of).unwrap_or_default();
    match (kind, text_at(field, "/x-kubernetes-list-type")) {
        ("array", "map") => {
            let keys = field.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys: Vec<String> = keys.into_iter().flatten().map(plain).collect();
            format!("list of {} by {}", inner("items"), keys.join(", "))
        }
        ("array", "set") => format!("set of {}", inner("items")),
        ("array", _) => format!("list of {}", inner("items")),
        ("object", _) if field.get("additionalProperties").is_some() => {
            format!("map of {}", inner("additionalProperties"))
        }
        ("string", _) if field.get("format").is_some_and(|format| format == "date-time") => "instant".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn bounds(field: &Value) -> String {
    let Some(node) = field.as_object() else { return String::new() };
    let mut bounds = Vec::new();
    if let Some(names) = node.get("enum").and_then(Value::as_array) {
        bounds.push(names.iter().map(|name| format!("`{}`", plain(name))).collect::<Vec<_>>().join(", "));
    }
    bounds.extend(span(node, "minimum", "maximum", ""));
    bounds.extend(span(node, "minLength", "maxLength", " characters"));
    bounds.extend(span(node, "minItems", "maxItems", " elements"));
    bounds.extend(span(node, "minProperties", "maxProperties", " entries"));
    if let Some(pattern) = node.get("pattern").and_then(Value::as_str) {
        bounds.push(format!("`{pattern}`"));
    }
    if let Some(items) = node.get("items").filter(|items| items.get("properties").is_none()) {
        let each = self::bounds(items);
        if !each.is_empty() {
            bounds.push(format!("each: {each}"));
        }
    }
    bounds.join("; ")
}

fn span(node: &Map<String, Value>, least: &str, most: &str, unit: &str) -> Option<String> {
    match (node.get(least), node.get(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

fn collect_rules(schema: &Value, path: &str, rules: &mut Vec<(String, String)>) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let place = format!("{path}{}", text_at(rule, "/fieldPath"));
        rules.push((place.trim_start_matches('.').to_owned(), text_at(rule, "/message").to_owned()));
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect_rules(field, &path, rules);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            collect_rules(inner, &format!("{path}[]"), rules);
        }
    }
}

fn schema_of(crd: &Value) -> &Value {
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap_or(&Value::Null)
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A value without the quotes of JSON, where it is a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
