//! Whether what a client saw happened in the engine: its figures are held against those that the engine counts of itself.
//!
//! Both must be of the same requests. A probe says what it saw happen between the same two looks at the engine's metrics
//! ([`CrossCheck`]); a recording of a whole load has all of it in its metrics. Who counts others than the engine does, has
//! measured another engine, or was not its only client.

use super::{
    baseline::Baseline,
    measurement::{CountedTwice, CrossCheck, DomainMeasurement},
    reason::{AnalysisReason, Finding},
    settings::{AnalysisSettings, ValidityLimits},
    significance::median,
};
use crate::{prelude::*, value::Metric};

impl CrossCheck {
    /// The events whose latency is that metric.
    const fn of(&self, metric: Metric) -> Option<CountedTwice> {
        match metric {
            Metric::TimeToFirstToken => self.first_tokens,
            Metric::EndToEndLatency => self.answers,
            _ => None,
        }
    }
}

impl CountedTwice {
    /// How far apart the counts may be.
    fn apart_max(&self, limits: &ValidityLimits) -> u64 {
        let percent = self.engine_count.max(self.client_count) as f64 * limits.counts_apart_percent_max / 100.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
        let share = percent as u64;
        share.max(limits.counts_apart_max).saturating_add(self.unsure_count)
    }

    /// Whether the counts are too far apart to be of the same requests.
    fn is_of_others(&self, limits: &ValidityLimits) -> bool {
        self.engine_count.abs_diff(self.client_count) > self.apart_max(limits)
    }
}

/// One latency as the client and as the engine saw it, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TwoViews {
    client: f64,
    engine: f64,
}

impl TwoViews {
    /// Latencies on which client and engine are held against each other. Time per token is not: the client's mean over
    /// requests and the engine's mean over tokens differ by definition.
    pub(super) const METRICS: [Metric; 2] = [Metric::TimeToFirstToken, Metric::EndToEndLatency];

    /// Both views of a metric, of the same requests, where both exist.
    pub(super) fn of(domain: &DomainMeasurement, metric: Metric) -> Option<Self> {
        let view = domain.engine_view?;
        let engine = match metric {
            Metric::TimeToFirstToken => view.time_to_first_token_ms_mean,
            Metric::EndToEndLatency => view.end_to_end_latency_ms_mean,
            _ => None,
        }?;
        let client = match &domain.cross_check {
            Some(check) => check.of(metric)?.client_ms_mean?,
            None => domain.metrics.get(&metric)?.mean,
        };
        (client > 0.0 && engine > 0.0).then_some(Self { client, engine })
    }

    /// What lies between the two: time in the client, and on its way to the engine.
    fn between(self) -> f64 {
        self.client - self.engine
    }

    /// Which part of the client's figure the engine does not confirm, in percent; negative where the engine tells more.
    fn unconfirmed_percent(self) -> f64 {
        (1.0 - self.engine / self.client) * 100.0
    }

    /// How much the client added by itself to what is usual, in percent of the usual latency: the lesser of two
    /// figures, which must both be weighty. The client's figure must have outgrown the engine's (else all became slower
    /// together), and what lies between the two must have grown (else the engine became faster under an unchanged
    /// client).
    pub(super) fn client_added_percent(self, usual: &[Self]) -> f64 {
        let median_of = |figure: fn(&Self) -> f64| median(&usual.iter().map(figure).collect::<Vec<_>>());
        let outgrown = self.client / self.engine / median_of(|views| views.client / views.engine) - 1.0;
        let added = (self.between() - median_of(|views| views.between())) / median_of(|views| views.client);
        libm::fmin(outgrown, added) * 100.0
    }

    /// Why the two can't be of the same requests, against what is usual, or, while no baseline tells what that is, alone.
    fn disagreement(self, usual: &[Self], settings: &AnalysisSettings) -> Option<String> {
        let limits = &settings.validity;
        if usual.len() >= settings.minimum_runs {
            let added = self.client_added_percent(usual);
            let limit = limits.client_added_percent_max;
            return (added > limit)
                .then(|| format!("the client alone added {added:.0}% of the usual latency (limit {limit}%)"));
        }
        let share = 100.0 - self.unconfirmed_percent();
        let least = limits.engine_share_percent_min;
        (share < least).then(|| format!("the engine confirms {share:.0}% of it, at least {least}% needed"))
    }
}

/// Holds client and engine against each other: first whom they counted, then what they saw.
pub(super) fn check_agreement(
    domain: &DomainMeasurement,
    baseline: &Baseline<'_>,
    settings: &AnalysisSettings,
) -> Option<Finding> {
    let message = TwoViews::METRICS.into_iter().find_map(|metric| {
        check_counts(domain, metric, &settings.validity).or_else(|| check_means(domain, metric, baseline, settings))
    })?;
    Some(Finding::of_domain(AnalysisReason::ClientEngineDisagree, &domain.name, message))
}

fn check_counts(domain: &DomainMeasurement, metric: Metric, limits: &ValidityLimits) -> Option<String> {
    let counted = domain.cross_check?.of(metric)?;
    let CountedTwice { engine_count, client_count, .. } = counted;
    counted.is_of_others(limits).then(|| {
        let cause = if engine_count > client_count {
            "somebody else loads the engine, or its metrics are another engine's"
        } else {
            "its metrics are another engine's, or count something else"
        };
        format!(
            "{metric}: the client counts {client_count} requests and the engine {engine_count} over the same time, at most \
             {} apart allowed; {cause}",
            counted.apart_max(limits)
        )
    })
}

fn check_means(
    domain: &DomainMeasurement,
    metric: Metric,
    baseline: &Baseline<'_>,
    settings: &AnalysisSettings,
) -> Option<String> {
    let now = TwoViews::of(domain, metric)?;
    let usual: Vec<TwoViews> = baseline.runs.iter().filter_map(|run| TwoViews::of(run.domain, metric)).collect();
    // A client waits at least as long as the engine takes, where both mean the same requests.
    let limit = settings.validity.client_added_percent_max;
    let excess = -now.unconfirmed_percent();
    let told = if domain.cross_check.is_some() && excess > limit {
        format!("the engine tells {excess:.0}% more than its client can have waited (limit {limit}%)")
    } else {
        now.disagreement(&usual, settings)?
    };
    Some(format!("{metric}: client {:.1} ms, engine {:.1} ms; {told}", now.client, now.engine))
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
