//! The page's form: Prometheus' text format 0.0.4 as Python's client writes it.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use super::histogram::Histogram;

/// Help texts by name, as recorded.
static HELP: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    include_str!("../../texts/metric-help.txt").lines().filter_map(|line| line.split_once(' ')).collect()
});

/// Labels of one series.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    always: Vec<(&'static str, String)>,
    created: f64,
}

impl Page {
    /// An empty page. `created` is what its counters say of their beginning, seconds since 1970.
    pub(crate) fn new(created: f64) -> Self {
        Self { text: String::with_capacity(64 << 10), always: Vec::new(), created }
    }

    /// Labels of every series from here on.
    pub(crate) fn always(&mut self, labels: Vec<(&'static str, String)>) {
        self.always = labels;
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn gauge(&mut self, name: &str, value: f64) {
        self.head(name, name, "gauge");
        self.series(name, &[], value);
    }

    /// A gauge whose series differ in one label.
    pub(crate) fn gauges(&mut self, name: &str, label: &str, values: &[(&str, f64)]) {
        self.head(name, name, "gauge");
        for (value_of_label, value) in values {
            self.series(name, &[(label, value_of_label)], *value);
        }
    }

    /// A gauge with labels that were written beforehand, `{a="b"}`.
    pub(crate) fn labelled_gauge(&mut self, name: &str, labels: &str) {
        self.head(name, name, "gauge");
        self.write(format_args!("{name}{labels} 1.0\n"));
    }

    pub(crate) fn counter(&mut self, name: &str, value: f64) {
        self.counter_series(name, &[(&[], value, self.created)]);
    }

    /// A counter whose series differ in one label.
    pub(crate) fn counters(&mut self, name: &str, label: &str, values: &[(&str, f64)]) {
        let labels: Vec<[(&str, &str); 1]> = values.iter().map(|(text, _)| [(label, *text)]).collect();
        let series: Vec<_> =
            labels.iter().zip(values).map(|(labels, (_, value))| (labels.as_slice(), *value, self.created)).collect();
        self.counter_series(name, &series);
    }

    /// A counter with whatever series it has: labels, value, beginning.
    pub(crate) fn counter_series(&mut self, name: &str, series: &[(Labels<'_>, f64, f64)]) {
        let total = format!("{name}_total");
        self.head(&total, &total, "counter");
        for (labels, value, _) in series {
            self.series(&total, labels, *value);
        }
        let created: Vec<_> = series.iter().map(|(labels, _, created)| (*labels, *created)).collect();
        self.created_series(name, &total, &created);
    }

    pub(crate) fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.histogram_series(name, &[(&[], histogram, self.created)]);
    }

    /// A histogram with whatever series it has.
    pub(crate) fn histogram_series(&mut self, name: &str, series: &[(Labels<'_>, &Histogram, f64)]) {
        self.head(name, name, "histogram");
        for (labels, histogram, _) in series {
            let bucket = format!("{name}_bucket");
            for (bound, count) in histogram.cumulated() {
                let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
                self.series(&bucket, &[*labels, &[("le", bound.as_str())]].concat(), count as f64);
            }
            self.count_and_sum(name, labels, histogram.count(), histogram.sum());
        }
        let created: Vec<_> = series.iter().map(|(labels, _, created)| (*labels, *created)).collect();
        self.created_series(name, name, &created);
    }

    /// A summary without quantiles: labels, count, sum, beginning.
    pub(crate) fn summary_series(&mut self, name: &str, series: &[(Labels<'_>, u64, f64, f64)]) {
        self.head(name, name, "summary");
        for (labels, count, sum, _) in series {
            self.count_and_sum(name, labels, *count, *sum);
        }
        let created: Vec<_> = series.iter().map(|(labels, .., created)| (*labels, *created)).collect();
        self.created_series(name, name, &created);
    }

    fn count_and_sum(&mut self, name: &str, labels: Labels<'_>, count: u64, sum: f64) {
        self.series(&format!("{name}_count"), labels, count as f64);
        self.series(&format!("{name}_sum"), labels, sum);
    }

    fn created_series(&mut self, name: &str, helped_by: &str, series: &[(Labels<'_>, f64)]) {
        let created = format!("{name}_created");
        // Python's client prints no head where a labelled family has no series.
        if series.is_empty() {
            return;
        }
        self.head(&created, helped_by, "gauge");
        for (labels, at) in series {
            self.series(&created, labels, *at);
        }
    }

    /// Nothing can fail where text is written into memory.
    fn write(&mut self, text: fmt::Arguments<'_>) {
        let _ = fmt::Write::write_fmt(&mut self.text, text);
    }

    fn head(&mut self, name: &str, helped_by: &str, kind: &str) {
        let help = HELP.get(helped_by).copied().unwrap_or_default();
        self.write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One series; labels stand in the order of the alphabet.
    fn series(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let always = self.always.clone();
        let mut all: Vec<(&str, &str)> = always.iter().map(|(label, text)| (*label, text.as_str())).collect();
        all.extend(labels);
        all.sort_unstable();
        self.text.push_str(name);
        for (place, (label, text)) in all.iter().enumerate() {
            self.text.push_str(if place == 0 { "{" } else { "," });
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.write(format_args!("{label}=\"{escaped}\""));
        }
        self.text.push_str(if all.is_empty() { " " } else { "} " });
        self.write(format_args!("{value:?}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_written_as_pythons_client_writes_them() {
        let mut page = Page::new(5.5);
        page.always(vec![("model_name", "a\"b".to_owned())]);
        page.counters("vllm:request_success", "finished_reason", &[("stop", 2.0)]);
        let text = page.into_text();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "# HELP vllm:request_success_total Count of successfully processed requests.",
                "# TYPE vllm:request_success_total counter",
                "vllm:request_success_total{finished_reason=\"stop\",model_name=\"a\\\"b\"} 2.0",
                "# HELP vllm:request_success_created Count of successfully processed requests.",
                "# TYPE vllm:request_success_created gauge",
                "vllm:request_success_created{finished_reason=\"stop\",model_name=\"a\\\"b\"} 5.5",
            ]
        );
    }
}
