//! JSON for readers of diffs: what fits stands on one line, anything else has a line for each of its parts.

use serde_json::Value;

/// Width of a line of JSON.
const COLUMNS_MAX: usize = 120;

/// What a manager owns, as a tree of field names. It stands on one line whatever its length: it is never read for itself,
/// and broken it would be most of a recording.
const OWNED_FIELDS: &str = "fieldsV1";

/// The text of a value, with a line break at its end.
pub(crate) fn print(value: &Value) -> String {
    let mut text = String::new();
    write("", value, 0, 0, &mut text);
    text.push('\n');
    text
}

/// `before` is what stands on the line already.
fn write(name: &str, value: &Value, indent: usize, before: usize, text: &mut String) {
    let line = one_line(value);
    // One column is kept for a comma.
    if name == OWNED_FIELDS || before + line.chars().count() < COLUMNS_MAX {
        text.push_str(&line);
        return;
    }
    let inner = indent + 2;
    match value {
        Value::Array(items) if !items.is_empty() => {
            let parts: Vec<(&str, &Value)> = items.iter().map(|item| ("", item)).collect();
            write_parts(('[', ']'), &parts, inner, text);
        }
        Value::Object(fields) if !fields.is_empty() => {
            let parts: Vec<(&str, &Value)> = fields.iter().map(|(name, field)| (name.as_str(), field)).collect();
            write_parts(('{', '}'), &parts, inner, text);
        }
        _ => text.push_str(&line),
    }
}

fn write_parts((open, close): (char, char), parts: &[(&str, &Value)], inner: usize, text: &mut String) {
    text.push(open);
    for (number, (name, value)) in parts.iter().enumerate() {
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(inner));
        let label = if open == '{' { format!("{}: ", quoted(name)) } else { String::new() };
        text.push_str(&label);
        write(name, value, inner, inner + label.chars().count(), text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(inner - 2));
    text.push(close);
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{}: {}", quoted(name), one_line(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_stands_on_one_line_and_the_rest_is_broken() {
        let long = "x".repeat(80);
        let value = json!({ "a": { "b": [1, "c\""], "d": {} }, "e": { "f": long, "g": [] } });
        let wanted = format!(
            "{{\n  \"a\": {{\"b\": [1, \"c\\\"\"], \"d\": {{}}}},\n  \"e\": {{\"f\": \"{long}\", \"g\": []}}\n}}\n"
        );
        assert_eq!(print(&value), wanted);
    }

    #[test]
    fn a_line_has_120_columns_with_its_comma() {
        let list = |length: usize| json!([["x".repeat(length)], 1]);
        assert!(print(&list(113)).contains("[\"x"), "2 of indent, 4 of quotes and brackets, 113, 1 of comma");
        assert!(!print(&list(114)).contains("[\"x"));
        assert!(print(&list(113)).lines().all(|line| line.len() <= COLUMNS_MAX));
    }

    #[test]
    fn what_a_manager_owns_is_never_broken() {
        let fields: Value =
            (0..40).map(|number| (format!("f:{number}"), json!({}))).collect::<serde_json::Map<_, _>>().into();
        let text =
            print(&json!({ "managedFields": [{ "fieldsV1": fields.clone(), "manager": "a" }], "other": fields }));
        assert_eq!(text.lines().filter(|line| line.contains("fieldsV1") && line.contains("f:39")).count(), 1);
        assert_eq!(text.lines().filter(|line| line.contains("f:39")).count(), 2);
        assert!(text.contains("    \"f:39\": {},\n"));
    }

    #[test]
    fn it_reads_back_as_it_was() {
        let value =
            json!({ "a/b": ["x".repeat(130), { "c": null, "d": 1.5, "e": [true, []] }, "y".repeat(130)], "f": {} });
        assert_eq!(serde_json::from_str::<Value>(&print(&value)).unwrap(), value);
    }
}
