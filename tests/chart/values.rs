//! values.yaml, values.schema.json and the page about both say the same.

use std::collections::BTreeMap;

use phaseloop::yaml::read_documents;
use serde_json::Value;

use crate::committed::{read, same_as_committed};

const VALUES: &str = "charts/phaseloop/values.yaml";
const SCHEMA: &str = "charts/phaseloop/values.schema.json";
/// Helm's own value, which has no default.
const WITHOUT_DEFAULT: &str = "global";

/// One value of the chart.
struct Row {
    path: String,
    default: Value,
    description: String,
}

fn schema() -> Value {
    serde_json::from_str(&read(SCHEMA)).unwrap()
}

fn values() -> Value {
    read_documents(VALUES, &read(VALUES)).unwrap()[0].value.clone()
}

/// What a schema says, its reference followed.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/definitions/"));
    name.map_or(schema, |name| &root["definitions"][name])
}

/// Walks schema and defaults together; what one has and the other has not is a finding.
fn walk(root: &Value, schema: &Value, values: &Value, path: &str, rows: &mut Vec<Row>, findings: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    if schema["additionalProperties"] != false {
        findings.push(format!("{path}: the schema admits unknown keys"));
    }
    let given = values.as_object().cloned().unwrap_or_default();
    for key in given.keys().filter(|key| !properties.contains_key(*key)) {
        findings.push(format!("{path}{key}: is in {VALUES} and not in the schema"));
    }
    for (key, property) in properties.iter().filter(|(key, _)| *key != WITHOUT_DEFAULT) {
        let here = format!("{path}{key}");
        let description = property["description"].as_str().unwrap_or_default();
        if description.is_empty() {
            findings.push(format!("{here}: has no description"));
        }
        let Some(default) = given.get(key) else {
            findings.push(format!("{here}: has no default in {VALUES}"));
            continue;
        };
        let wanted = resolved(root, property)["type"].as_str().unwrap_or_default();
        let is_of_type = match wanted {
            "object" => default.is_object(),
            "array" => default.is_array(),
            "string" => default.is_string(),
            "boolean" => default.is_boolean(),
            "integer" => default.is_i64() || default.is_u64(),
            _ => false,
        };
        if !is_of_type {
            findings.push(format!("{here}: the default {default} is no {wanted}"));
        }
        if property["properties"].is_object() {
            walk(root, property, default, &format!("{here}."), rows, findings);
        } else {
            rows.push(Row { path: here, default: default.clone(), description: description.to_owned() });
        }
    }
}

fn checked(schema: &Value, values: &Value) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    walk(schema, schema, values, "", &mut rows, &mut findings);
    (rows, findings)
}

#[test]
fn every_value_has_a_default_a_description_and_a_type_and_unknown_ones_are_refused() {
    let (rows, findings) = checked(&schema(), &values());
    assert_eq!(findings, [""; 0]);
    assert!(rows.len() > 40, "{}", rows.len());
}

/// What is broken, how, and what is found.
type Breakage = (&'static str, fn(&mut Value, &mut Value), &'static str);

#[test]
fn what_schema_and_defaults_do_not_share_is_found() {
    let broken: [Breakage; 5] = [
        ("a default too many", |_, values| values["log"]["colour"] = true.into(), "log.colour: is in"),
        ("a default too few", |_, values| drop(values.as_object_mut().unwrap().remove("replicas")), "replicas: has no"),
        ("a wrong type", |_, values| values["replicas"] = "2".into(), "replicas: the default \"2\" is no integer"),
        (
            "an open object",
            |schema, _| drop(schema["properties"]["log"].as_object_mut().unwrap().remove("additionalProperties")),
            "log.: the schema admits unknown keys",
        ),
        (
            "no description",
            |schema, _| schema["properties"]["replicas"]["description"] = "".into(),
            "replicas: has no description",
        ),
    ];
    for (what, breaks, told) in broken {
        let (mut schema, mut values) = (schema(), values());
        breaks(&mut schema, &mut values);
        let (_, findings) = checked(&schema, &values);
        assert_eq!(findings.len(), 1, "{what}: {findings:?}");
        assert!(findings[0].contains(told), "{what}: {findings:?}");
    }
}

#[test]
fn what_the_chart_sets_by_itself_is_what_the_operator_documents() {
    let values = values();
    // From the operator's own defaults; a chart that differs from them would surprise whoever reads both.
    let text = read("docs/operating.md");
    for (flag, value) in [
        ("--lease-duration", &values["lease"]["duration"]),
        ("--lease-renew-deadline", &values["lease"]["renewDeadline"]),
        ("--lease-retry-period", &values["lease"]["retryPeriod"]),
    ] {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{flag} "))).unwrap();
        assert!(row.contains(&format!("`{}`", value.as_str().unwrap())), "{row}");
    }
    let grace = format!("`{}s`", values["shutdownGraceSeconds"]);
    assert!(text.lines().any(|line| line.starts_with("| `--shutdown-grace ") && line.contains(&grace)));
}

#[test]
fn the_committed_page_of_values_is_that_of_the_chart() {
    let (rows, _) = checked(&schema(), &values());
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        groups.entry(row.path.split('.').next().unwrap().to_owned()).or_default().push(row);
    }
    let mut text = "# Values of the chart\n\nGenerated from `charts/phaseloop/values.yaml` and its schema: \
                    `UPDATE=1 cargo test --test chart`.\nWhat to choose: [installing](../installing.md).\n\n\
                    | value | default | meaning |\n| --- | --- | --- |\n"
        .to_owned();
    let line = |row: &&Row| format!("| `{}` | `{}` | {} |\n", row.path, row.default, row.description);
    text.extend(groups.values().flatten().map(line));
    same_as_committed("docs/reference/chart-values.md", &text);
}
