//! The text's own form, versioned JSON with short names, and reading it back.

use jiff::Timestamp;

use super::{
    collected::{CollectedDomain, CollectedMetric, CollectedRejections, CollectorSummary},
    encoder::Detail,
};
use crate::{
    analysis::{
        report::{StatusCounts, reader::DOMAINS_MAX, rejection::RejectionReason, row::DOMAIN_NAME_LENGTH_MAX},
        sample::SampleSummary,
        summary::SAMPLE_MAGNITUDE_MAX,
    },
    prelude::*,
};

/// Version of the text. A reader refuses another one.
pub(super) const VERSION: u32 = 1;

/// The text is no collected summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectorSummaryError {
    /// No text was left, or the limit was too small for any.
    #[error("the collector left no summary: its container was stopped, or its message is too small to hold one")]
    Empty,
    /// Not the JSON of a summary; a cut-off one ends up here too.
    #[error("the collector's message is no summary ({detail}); look at the collector's log")]
    NotASummary {
        /// What the parser met.
        detail: String,
    },
    /// Written by another version.
    #[error("the collector's summary has version {found}, expected {VERSION}; use one version of phaseloop for both")]
    OtherVersion {
        /// Its version.
        found: u32,
    },
    /// A value that no report can give.
    #[error("the collector's summary has an impossible {what} in domain {domain:?}")]
    Impossible {
        /// The domain.
        domain: String,
        /// Which value.
        what: &'static str,
    },
}

impl CollectorSummary {
    /// Reads the text of [`write`](Self::write).
    ///
    /// # Errors
    /// [`CollectorSummaryError`] for anything else.
    pub fn read(text: &str) -> Result<Self, CollectorSummaryError> {
        if text.trim().is_empty() {
            return Err(CollectorSummaryError::Empty);
        }
        let broken = |error: serde_json::Error| CollectorSummaryError::NotASummary { detail: error.to_string() };
        let AnyVersion { v: version } = serde_json::from_str(text).map_err(broken)?;
        if version != VERSION {
            return Err(CollectorSummaryError::OtherVersion { found: version });
        }
        let message: Message = serde_json::from_str(text).map_err(broken)?;
        message.into_summary()
    }
}

/// What every version has.
#[derive(serde::Deserialize)]
struct AnyVersion {
    v: u32,
}

/// The text's own form. Names are short because bytes are few; what is zero or absent is not written.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    /// Version.
    pub(super) v: u32,
    /// Rows accepted.
    pub(super) n: u64,
    /// Rejected rows by reason: count, first line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) r: BTreeMap<RejectionReason, (u64, u64)>,
    /// Rejected rows without reason.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) w: u64,
    /// Misspelt fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) y: BTreeMap<String, String>,
    /// Rows not checked for duplicates.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) u: u64,
    /// Domains left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) l: u64,
    /// Domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) d: Vec<DomainText>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DomainText {
    /// Name.
    n: String,
    /// Passed, failed, flaky, skipped.
    t: [u64; 4],
    /// OOM events.
    #[serde(default, skip_serializing_if = "is_zero")]
    o: u64,
    /// Latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    l: Option<MetricText>,
    /// Throughput.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<MetricText>,
    /// Whether both were left out.
    #[serde(default, skip_serializing_if = "is_false")]
    x: bool,
    /// Largest CPU use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<f64>,
    /// Largest memory use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<f64>,
    /// Start, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<i64>,
    /// End, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<i64>,
    /// Whether rows were of different runs.
    #[serde(default, skip_serializing_if = "is_false")]
    i: bool,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricText {
    /// Samples.
    n: u64,
    /// Mean, standard deviation, MAD, then minimum, median, p90, p95, p99, maximum.
    f: [f64; 9],
    /// Sketch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    q: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A figure in six digits.
fn rounded(figure: f64) -> f64 {
    format!("{figure:.5e}").parse().unwrap_or(figure)
}

impl DomainText {
    pub(super) fn of(name: &str, domain: &CollectedDomain, detail: Detail) -> Self {
        let StatusCounts { passed, failed, flaky, skipped } = domain.tests;
        let metric = |metric: &Option<CollectedMetric>| match detail {
            Detail::Sketches(level) => metric.as_ref().map(|metric| MetricText::of(metric, Some(level))),
            Detail::Figures => metric.as_ref().map(|metric| MetricText::of(metric, None)),
            Detail::Counts | Detail::Nothing => None,
        };
        let (latency, throughput) = (metric(&domain.latency), metric(&domain.throughput));
        let measured = domain.latency.is_some() || domain.throughput.is_some();
        let told = latency.is_some() || throughput.is_some();
        Self {
            n: name.to_owned(),
            t: [passed, failed, flaky, skipped],
            o: domain.oom_events,
            l: latency,
            p: throughput,
            x: domain.figures_left_out || measured && !told,
            c: domain.cpu_percent_max.map(rounded),
            m: domain.memory_megabytes_max.map(rounded),
            s: domain.started_at.map(Timestamp::as_millisecond),
            e: domain.ended_at.map(Timestamp::as_millisecond),
            i: domain.mixed_origin,
        }
    }

    pub(super) fn size(&self) -> usize {
        serde_json::to_string(self).unwrap_or_default().len()
    }

    fn into_domain(self) -> Result<(String, CollectedDomain), CollectorSummaryError> {
        let impossible = |what| CollectorSummaryError::Impossible { domain: self.n.clone(), what };
        if self.n.is_empty() || self.n.len() > DOMAIN_NAME_LENGTH_MAX {
            return Err(impossible("name"));
        }
        let [passed, failed, flaky, skipped] = self.t;
        let figure = |figure: Option<f64>| figure.is_none_or(|figure| (0.0..=SAMPLE_MAGNITUDE_MAX).contains(&figure));
        if !figure(self.c) || !figure(self.m) {
            return Err(impossible("use of CPU or memory"));
        }
        let time = |milliseconds: Option<i64>| milliseconds.map(Timestamp::from_millisecond).transpose();
        let started_at = time(self.s).map_err(|_| impossible("time"))?;
        let ended_at = time(self.e).map_err(|_| impossible("time"))?;
        let metric = |metric: Option<&MetricText>, what| match metric {
            Some(metric) => metric.to_metric().map(Some).ok_or_else(|| impossible(what)),
            None => Ok(None),
        };
        let domain = CollectedDomain {
            tests: StatusCounts { passed, failed, flaky, skipped },
            oom_events: self.o,
            latency: metric(self.l.as_ref(), "latency")?,
            throughput: metric(self.p.as_ref(), "throughput")?,
            figures_left_out: self.x,
            cpu_percent_max: self.c,
            memory_megabytes_max: self.m,
            started_at,
            ended_at,
            mixed_origin: self.i,
        };
        Ok((self.n, domain))
    }
}

impl MetricText {
    fn of(metric: &CollectedMetric, sketch_level: Option<u32>) -> Self {
        let SampleSummary { count, mean, standard_deviation, median, .. } = metric.summary;
        let SampleSummary { median_absolute_deviation, minimum, maximum, p90, p95, p99, .. } = metric.summary;
        let figures =
            [mean, standard_deviation, median_absolute_deviation, minimum, median, p90, p95, p99, maximum].map(rounded);
        let sketch = metric.sketch.as_ref().zip(sketch_level).map(|(sketch, level)| {
            let mut sketch = sketch.clone();
            for _ in 0..level {
                sketch.coarsen();
            }
            sketch.to_string()
        });
        Self { n: count, f: figures, q: sketch }
    }

    fn to_metric(&self) -> Option<CollectedMetric> {
        let [mean, standard_deviation, median_absolute_deviation, minimum, median, p90, p95, p99, maximum] = self.f;
        let possible = self.f.iter().all(|figure| (0.0..=SAMPLE_MAGNITUDE_MAX).contains(figure));
        let ordered = [minimum, median, p90, p95, p99, maximum].is_sorted() && minimum <= mean && mean <= maximum;
        let sketch = self.q.as_ref().map(|text| text.parse()).transpose().ok()?;
        let is_whole =
            sketch.as_ref().is_none_or(|sketch: &crate::analysis::summary::QuantileSketch| sketch.count() == self.n);
        (self.n > 0 && possible && ordered && is_whole).then_some(CollectedMetric {
            summary: SampleSummary {
                count: self.n,
                mean,
                standard_deviation,
                median,
                median_absolute_deviation,
                minimum,
                maximum,
                p90,
                p95,
                p99,
            },
            sketch,
        })
    }
}

impl Message {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn into_summary(self) -> Result<CollectorSummary, CollectorSummaryError> {
        let mut domains = BTreeMap::new();
        for text in self.d {
            let (name, domain) = text.into_domain()?;
            if domains.len() >= DOMAINS_MAX || domains.contains_key(&name) {
                return Err(CollectorSummaryError::Impossible { domain: name, what: "number of domains" });
            }
            domains.insert(name, domain);
        }
        let rejections = |(reason, (count, first_line))| (reason, CollectedRejections { count, first_line });
        Ok(CollectorSummary {
            domains,
            domains_left_out: self.l,
            rows_accepted: self.n,
            rejected: self.r.into_iter().map(rejections).collect(),
            rejected_without_reason: self.w,
            misspelt_fields: self.y,
            tests_unchecked_for_duplicates: self.u,
        })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests;
