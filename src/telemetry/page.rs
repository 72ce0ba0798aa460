//! The reference of metrics, from their definitions.

use super::definition::{ALL, MetricDefinition, MetricForm, PREFIX};

const INTRODUCTION: &str = "\
# Metrics

Generated from `src/telemetry/definition.rs`: `UPDATE=1 cargo test --test operator`. Served at `/metrics` of every replica in
OpenMetrics format. No label names an object or a namespace, so the number of series has a bound; a word of a status that
this version does not know is shown as `Other`.

Gauges of objects are computed from what is watched at the moment of the scrape, by every replica alike: take the `max` over
replicas, not the sum. Counters and histograms begin at 0 with the process.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";

/// The page `docs/reference/metrics.md`.
pub fn metrics_page() -> String {
    let rows: String = ALL.iter().map(row).collect();
    format!("{INTRODUCTION}{rows}")
}

fn row(metric: &MetricDefinition) -> String {
    let labels = metric.labels.iter().map(|label| format!("`{}`: {}", label.name, label.values));
    let labels = labels.collect::<Vec<_>>().join("<br>");
    format!("| `{}` | {} | {labels} | {} |\n", exposed_name(metric), metric.form.name(), metric.help)
}

/// The name in queries.
pub fn exposed_name(metric: &MetricDefinition) -> String {
    let suffix = match metric.form {
        MetricForm::Counter => "_total",
        MetricForm::Info => "_info",
        MetricForm::Gauge | MetricForm::Histogram => "",
    };
    format!("{PREFIX}_{}{suffix}", metric.name)
}
