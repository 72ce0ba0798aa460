//! Alerts and dashboard speak of metrics that exist, and each alert has its place in the runbook.

use std::collections::BTreeSet;

use phaseloop::yaml::read_documents;
use serde_json::Value;

use crate::committed::read;

const ALERTS: &str = "charts/phaseloop/files/alerts.yaml";
const DASHBOARD: &str = "charts/phaseloop/files/dashboard.json";
const RUNBOOK: &str = "docs/runbook.md";

/// Metrics and their labels, as the reference has them. A histogram is asked for by its buckets, sum and count.
fn known() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for row in read("docs/reference/metrics.md").lines().filter(|line| line.starts_with("| `phaseloop_")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].trim_start_matches("| ").trim_matches('`').to_owned();
        labels.extend(cells[2].split("<br>").filter_map(|label| Some(label.split('`').nth(1)?.to_owned())));
        if cells[1] == "histogram" {
            metrics.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        } else {
            metrics.insert(name);
        }
    }
    assert!(metrics.len() > 15, "the reference was not understood: {metrics:?}");
    (metrics, labels)
}

/// Words of an expression of PromQL.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty())
}

/// Metrics of ours that an expression names and that do not exist, and labels that it matches by and nobody writes.
fn unknown_in(expression: &str) -> Vec<String> {
    let (metrics, labels) = known();
    let named = words(expression).filter(|word| word.starts_with("phaseloop_"));
    let mut unknown: Vec<String> = named.filter(|word| !metrics.contains(*word)).map(str::to_owned).collect();
    for selector in expression.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        for matcher in selector.0.split(',') {
            let label = words(matcher).next().unwrap_or_default();
            let by_prometheus = ["namespace", "job", "pod", "le"];
            if !labels.contains(label) && !by_prometheus.contains(&label) {
                unknown.push(format!("{{{label}}}"));
            }
        }
    }
    unknown
}

fn alerts() -> Vec<Value> {
    let document = read_documents(ALERTS, &read(ALERTS)).unwrap()[0].value.clone();
    let groups = document["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn each_alert_asks_for_metrics_that_exist_waits_and_says_what_to_do() {
    let runbook = read(RUNBOOK);
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        let expression = alert["expr"].as_str().unwrap();
        assert!(expression.contains("phaseloop_"), "{name}");
        assert_eq!(unknown_in(expression), [""; 0], "{name}");
        assert!(alert["for"].is_string(), "{name} has no `for`");
        assert!(["critical", "warning", "info"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        assert!(alert["annotations"]["summary"].as_str().is_some_and(|summary| summary.len() > 20), "{name}");
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("docs/runbook.md#{}", name.to_lowercase())), "{name}: {url}");
        assert!(runbook.lines().any(|line| line == format!("## {name}")), "{RUNBOOK} has no heading {name}");
    }
    let headings: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    assert_eq!(headings, names, "the runbook and the alerts name the same");
}

#[test]
fn each_panel_asks_for_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut asked = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{title} is not explained");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(unknown_in(expression), [""; 0], "{title}");
            asked.extend(words(expression).filter(|word| word.starts_with("phaseloop_")).map(str::to_owned));
        }
    }
    assert!(asked.len() >= 12, "the dashboard shows {asked:?} only");
}

#[test]
fn a_metric_or_a_label_that_nobody_writes_is_found() {
    assert_eq!(unknown_in("max by (job) (phaseloop_leader) == 0"), [""; 0]);
    assert_eq!(unknown_in("rate(phaseloop_restore_seconds_bucket{le=\"15\"}[5m])"), [""; 0]);
    assert_eq!(
        unknown_in("phaseloop_restore_seconds"),
        ["phaseloop_restore_seconds"],
        "a histogram has no such series"
    );
    assert_eq!(unknown_in("phaseloop_gates{gat=\"x\",state=\"open\"} + phaseloop_none"), ["phaseloop_none", "{gat}"]);
}

#[test]
fn each_alert_has_its_test_in_which_it_fires() {
    let tests = read("tests/chart/alerts-test.yaml");
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let in_a_sample = tests.contains(&format!("alertname=\"{name}\""));
        let by_name = tests.contains(&format!("alertname: {name}\n"));
        assert!(in_a_sample || by_name, "tests/chart/alerts-test.yaml does not test {name}");
    }
}
