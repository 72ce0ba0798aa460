//! The figure of a metric that is judged: the mean, with the samples behind it.

use super::{
    measurement::{DomainMeasurement, RequestCounts},
    sample::SampleSummary,
};
use crate::{
    prelude::*,
    value::{Metric, metric::MetricFamily},
};

/// The metrics that are judged in percent, in the order in which they are told. Judged is the mean: tails are shown
/// only (see [`super::judgement::Tails`]).
pub const COMPARED_METRICS: [Metric; 7] = [
    Metric::PassRate,
    Metric::TimeToFirstToken,
    Metric::TimePerOutputToken,
    Metric::EndToEndLatency,
    Metric::Latency,
    Metric::Throughput,
    Metric::OutputTokenThroughput,
];

/// What a domain says of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// Nothing, or nothing that is a figure.
    Missing,
    /// A mean of too few samples to judge by.
    TooFewSamples(SampleSummary),
    /// A mean that can be judged.
    Usable(SampleSummary),
}

impl Figure {
    /// The summary, if it can be judged.
    pub const fn usable(self) -> Option<SampleSummary> {
        match self {
            Self::Usable(summary) => Some(summary),
            Self::Missing | Self::TooFewSamples(_) => None,
        }
    }
}

/// Requests or tests that were answered, rightly or not.
pub const fn answered(requests: RequestCounts) -> u64 {
    requests.completed.saturating_add(requests.failed)
}

/// `part` of `whole` in percent; nothing of nothing is zero.
pub fn percent_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// What a domain says of a metric, given the fewest samples of a latency that is judged. A throughput may rest on one
/// figure: it counts the whole run.
pub fn figure_of(domain: &DomainMeasurement, metric: Metric, samples_min: u64) -> Figure {
    let summary = match metric.family() {
        MetricFamily::PassRate => pass_rate(domain.requests),
        MetricFamily::OomEvents | MetricFamily::EngineCrashes => None,
        MetricFamily::Latency | MetricFamily::Throughput => domain.metrics.get(&metric).copied(),
    };
    match summary {
        Some(summary) if !summary.mean.is_finite() || summary.mean < 0.0 => Figure::Missing,
        Some(summary) if metric.family() != MetricFamily::Throughput && summary.count < samples_min => {
            Figure::TooFewSamples(summary)
        }
        Some(summary) => Figure::Usable(summary),
        None => Figure::Missing,
    }
}

fn pass_rate(requests: RequestCounts) -> Option<SampleSummary> {
    let answered = answered(requests);
    (answered > 0).then(|| SampleSummary {
        count: answered,
        ..SampleSummary::of_single_figure(requests.completed as f64 / answered as f64)
    })
}

/// The figures of a metric in the runs of a baseline, as far as they can serve: a figure of zero has no logarithm and
/// tells of a run in which nothing was measured.
pub fn baseline_figures<'a>(
    domains: impl Iterator<Item = &'a DomainMeasurement>,
    metric: Metric,
    samples_min: u64,
) -> Vec<f64> {
    domains
        .filter_map(|domain| figure_of(domain, metric, samples_min).usable())
        .map(|summary| summary.mean)
        .filter(|mean| *mean > 0.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::domain;

    fn with_latency(count: u64, mean: f64) -> DomainMeasurement {
        let mut domain = domain(100.0, 30.0);
        let summary = SampleSummary { count, ..SampleSummary::of_single_figure(mean) };
        domain.metrics.insert(Metric::EndToEndLatency, summary);
        domain
    }

    #[test]
    fn a_latency_of_too_few_samples_is_not_judged() {
        let outcome = |count| figure_of(&with_latency(count, 5.0), Metric::EndToEndLatency, 30);
        assert!(matches!(outcome(29), Figure::TooFewSamples(summary) if summary.count == 29));
        assert!(matches!(outcome(30), Figure::Usable(summary) if summary.count == 30));
        assert_eq!(outcome(29).usable(), None);
        assert_eq!(outcome(30).usable().map(|summary| summary.mean), Some(5.0));
    }

    #[test]
    fn a_throughput_may_rest_on_one_figure() {
        let usable = figure_of(&domain(100.0, 30.0), Metric::Throughput, 30).usable();
        assert_eq!(usable.map(|summary| (summary.count, summary.mean)), Some((1, 30.0)));
    }

    #[test]
    fn what_is_no_figure_is_missing() {
        for mean in [f64::NAN, f64::INFINITY, -0.1] {
            assert_eq!(figure_of(&with_latency(300, mean), Metric::EndToEndLatency, 30), Figure::Missing, "{mean}");
        }
        assert!(figure_of(&with_latency(300, 0.0), Metric::EndToEndLatency, 30).usable().is_some());
        for metric in [Metric::TimeToFirstToken, Metric::OomEvents, Metric::EngineCrashes] {
            assert_eq!(figure_of(&domain(100.0, 30.0), metric, 30), Figure::Missing, "{metric}");
        }
    }

    #[test]
    fn the_pass_rate_is_the_share_of_what_was_answered() {
        let mut domain = domain(100.0, 30.0);
        domain.requests = RequestCounts { offered: 200, completed: 90, failed: 30, ..RequestCounts::default() };
        let rate = figure_of(&domain, Metric::PassRate, 30).usable().unwrap();
        assert_eq!((rate.mean, rate.count), (0.75, 120));
        assert!(matches!(figure_of(&domain, Metric::PassRate, 121), Figure::TooFewSamples(_)));
        domain.requests = RequestCounts { offered: 200, ..RequestCounts::default() };
        assert_eq!(figure_of(&domain, Metric::PassRate, 30), Figure::Missing);
    }

    #[test]
    fn a_zero_serves_in_no_baseline() {
        let runs = [with_latency(300, 0.0), with_latency(300, 2.0), with_latency(29, 3.0), with_latency(30, 4.0)];
        assert_eq!(baseline_figures(runs.iter(), Metric::EndToEndLatency, 30), [2.0, 4.0]);
    }

    #[test]
    fn shares_are_in_percent_and_nothing_of_nothing_is_zero() {
        assert_eq!(percent_of(1, 4), 25.0);
        assert_eq!(percent_of(0, 0), 0.0);
    }

    #[test]
    fn every_metric_that_is_no_count_is_compared_once() {
        let compared: BTreeSet<Metric> = COMPARED_METRICS.into_iter().collect();
        assert_eq!(compared.len(), COMPARED_METRICS.len());
        assert_eq!(compared.len() + 2, Metric::ALL.len());
        assert!(!compared.contains(&Metric::OomEvents) && !compared.contains(&Metric::EngineCrashes));
    }
}
